using System.Text;
using Pfmvg.Models;

namespace Pfmvg.Text;

/// <summary>A training sequence.</summary>
/// <param name="Ids">Token ids; <see cref="SequenceBuilder.ImageToken"/> where a visual token comes.</param>
/// <param name="Targets">The same length: the id where an answer token stands, else <see cref="SequenceBuilder.NoTarget"/>.</param>
public sealed record TokenSequence(IReadOnlyList<int> Ids, IReadOnlyList<int> Targets);

/// <summary>
/// Turns prompts and answers into token sequences: one begin token, the text before the picture, the visual tokens, the text
/// after it, the answer, the end token.
/// </summary>
/// <remarks>
/// Every piece of text is tokenized on its own, so each gets its own leading space mark (paper, section 2.2, and
/// MiniGPT-v2's code).
/// </remarks>
/// <param name="tokenizer">The language model's tokenizer.</param>
/// <param name="visualTokens">N, the number of visual tokens of a picture.</param>
/// <param name="maxAnswerTokens">Longest answer; a longer one is cut, its end token with it.</param>
/// <param name="maxContextTokens">Longest prompt without the begin token; a longer one is cut.</param>
/// <param name="endSymbol">Text that ends an answer.</param>
public sealed class SequenceBuilder(
    LlamaTokenizer tokenizer, int visualTokens, int maxAnswerTokens = 160, int maxContextTokens = 3800, string endSymbol = "</s>")
{
    /// <summary>Stands among ids for a visual token.</summary>
    public const int ImageToken = (int)GroundingModel.ImageToken;

    /// <summary>Stands among targets where nothing is predicted.</summary>
    public const int NoTarget = GroundingModel.NoTarget;

    private const int Slack = 4; // marks of a space

    /// <summary>The tokenizer.</summary>
    public LlamaTokenizer Tokenizer => tokenizer;

    /// <summary>A prompt with its answer.</summary>
    /// <param name="prompt">The text on both sides of the picture.</param>
    /// <param name="answer">The answer without its end.</param>
    public TokenSequence Training(PromptSegments prompt, string answer) => Conversation(prompt, answer, []);

    /// <summary>Several turns about one picture; only the answers are predicted.</summary>
    /// <param name="prompt">The first prompt: the text on both sides of the picture.</param>
    /// <param name="answer">The answer to it.</param>
    /// <param name="later">Further prompts, each of which gets a begin token, and their answers.</param>
    public TokenSequence Conversation(
        PromptSegments prompt, string answer, IReadOnlyList<(string Prompt, string Answer)> later)
    {
        var ids = new List<int> { tokenizer.BosId };
        ids.AddRange(Encode(prompt).Take(maxContextTokens));
        var promptLength = ids.Count;
        var targets = new List<int>();
        AddAnswer(answer);
        foreach (var turn in later)
        {
            var question = tokenizer.Encode("<s>" + turn.Prompt);
            ids.AddRange(question);
            targets.AddRange(Enumerable.Repeat(NoTarget, question.Length));
            AddAnswer(turn.Answer);
        }

        var kept = Math.Min(targets.Count, maxAnswerTokens);
        return new TokenSequence(ids[..(promptLength + kept)], [.. Enumerable.Repeat(NoTarget, promptLength), .. targets.Take(kept)]);

        void AddAnswer(string text)
        {
            var tokens = tokenizer.Encode(text + endSymbol);
            ids.AddRange(tokens);
            // As in the original, the pad piece is no target where it stands in the text of a single answer.
            targets.AddRange(later.Count > 0 ? tokens : tokens.Select(id => id == tokenizer.PadId ? NoTarget : id));
        }
    }

    /// <summary>Tokens of an answer with its end, and whether it and its prompt are cut in training.</summary>
    /// <remarks>A text has no more tokens than bytes, so short ones are not taken apart.</remarks>
    internal (int Answer, bool AnswerIsCut, bool PromptIsCut) Measure(PromptSegments prompt, string answer)
    {
        var words = Encoding.UTF8.GetByteCount(prompt.BeforeImage) + Encoding.UTF8.GetByteCount(prompt.AfterImage) + Slack;
        var promptIsCut = words + visualTokens > maxContextTokens && Encode(prompt).Length > maxContextTokens;
        var bytes = Encoding.UTF8.GetByteCount(answer) + endSymbol.Length + Slack;
        if (bytes <= maxAnswerTokens) return (0, false, promptIsCut);
        var tokens = tokenizer.Encode(answer + endSymbol).Length;
        return (tokens, tokens > maxAnswerTokens, promptIsCut);
    }

    /// <summary>A prompt to be continued.</summary>
    /// <param name="prompt">The text on both sides of the picture.</param>
    /// <param name="doubleBos">
    /// True begins with two begin tokens, as the original's generation does (a literal one in its template and an added one);
    /// false begins with one, as in training.
    /// </param>
    public IReadOnlyList<int> Generation(PromptSegments prompt, bool doubleBos) =>
        [tokenizer.BosId, .. Encode(doubleBos ? prompt with { BeforeImage = "<s>" + prompt.BeforeImage } : prompt)];

    private int[] Encode(PromptSegments prompt) =>
    [
        .. tokenizer.Encode(prompt.BeforeImage),
        .. Enumerable.Repeat(ImageToken, visualTokens),
        .. tokenizer.Encode(prompt.AfterImage),
    ];
}
