using Pfmvg.Models;

namespace Pfmvg.Text;

/// <summary>A training sequence.</summary>
/// <param name="Ids">Token ids; <see cref="SequenceBuilder.ImageToken"/> where a visual token comes.</param>
/// <param name="Targets">The same length: the id where an answer token stands, else <see cref="SequenceBuilder.NoTarget"/>.</param>
public sealed record TokenSequence(IReadOnlyList<int> Ids, IReadOnlyList<int> Targets);

/// <summary>
/// Turns prompts and answers into token sequences: one begin token, the text before the picture, the visual tokens, the text
/// after it, the answer, the end token. Every text segment is tokenized on its own, so each gets its own dummy-prefix space
/// (paper, section 2.2, and MiniGPT-v2's code).
/// </summary>
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

    /// <summary>Marks the picture's place in a prompt.</summary>
    public const string ImageMarker = "<ImageHere>";

    /// <summary>The tokenizer.</summary>
    public LlamaTokenizer Tokenizer => tokenizer;

    /// <summary>A prompt with its answer.</summary>
    /// <param name="prompt">The whole prompt with <see cref="ImageMarker"/> where the picture comes, or without a picture.</param>
    /// <param name="answer">The answer without its end.</param>
    public TokenSequence Training(string prompt, string answer) => Conversation([(prompt, answer)]);

    /// <summary>Several turns about one picture; only the answers are predicted. Later prompts begin with a begin token.</summary>
    /// <param name="turns">Prompts and answers in order; only the first prompt may hold a picture.</param>
    public TokenSequence Conversation(IReadOnlyList<(string Prompt, string Answer)> turns)
    {
        var ids = new List<int> { tokenizer.BosId };
        ids.AddRange(Prompt(turns[0].Prompt).Take(maxContextTokens));
        var promptLength = ids.Count;
        var targets = new List<int>();
        for (var turn = 0; turn < turns.Count; turn++)
        {
            if (turn > 0)
            {
                var question = tokenizer.Encode("<s>" + turns[turn].Prompt);
                ids.AddRange(question);
                targets.AddRange(Enumerable.Repeat(NoTarget, question.Length));
            }

            var answer = tokenizer.Encode(turns[turn].Answer + endSymbol);
            ids.AddRange(answer);
            // As the original does, the pad piece is never a target, not even where an answer's text holds it.
            targets.AddRange(turns.Count > 1 ? answer : answer.Select(id => id == tokenizer.PadId ? NoTarget : id));
        }

        var kept = Math.Min(targets.Count, maxAnswerTokens);
        return new TokenSequence(ids[..(promptLength + kept)], [.. Enumerable.Repeat(NoTarget, promptLength), .. targets.Take(kept)]);
    }

    /// <summary>A prompt to be continued.</summary>
    /// <param name="prompt">The whole prompt with <see cref="ImageMarker"/> where the picture comes.</param>
    /// <param name="doubleBos">
    /// True begins with two begin tokens, as the original's generation does (a literal one in its template and an added one);
    /// false with one, as in training.
    /// </param>
    public IReadOnlyList<int> Generation(string prompt, bool doubleBos) =>
        [tokenizer.BosId, .. Prompt(doubleBos ? "<s>" + prompt : prompt)];

    private List<int> Prompt(string prompt)
    {
        var segments = prompt.Split(ImageMarker);
        var ids = new List<int>();
        for (var i = 0; i < segments.Length; i++)
        {
            if (i > 0) ids.AddRange(Enumerable.Repeat(ImageToken, visualTokens));
            ids.AddRange(tokenizer.Encode(segments[i]));
        }

        return ids;
    }
}
