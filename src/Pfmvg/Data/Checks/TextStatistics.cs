using System.Collections.Concurrent;
using Pfmvg.Text;

namespace Pfmvg.Data.Checks;

/// <summary>The facts of one text.</summary>
internal readonly record struct TextFacts(int Words, int Tokens, bool Cut, bool Emptied, SideWords Sides)
{
    /// <summary>Tokens of the caption with its end as training has it, where that is cut.</summary>
    public int Target { get; init; }

    /// <summary>The caption is cut as a target.</summary>
    public bool TargetIsCut { get; init; }

    /// <summary>The prompt with the phrase is cut.</summary>
    public bool PromptIsCut { get; init; }
}

/// <summary>Gathers what the texts of a data set are like.</summary>
/// <param name="tokenizer">Counts tokens; null: they are not counted. Used by many threads at a time.</param>
/// <param name="task">What the texts are for.</param>
/// <param name="maxAnswerTokens">Longest answer in training.</param>
internal sealed class TextStatistics(LlamaTokenizer? tokenizer, SampleTask task, int maxAnswerTokens)
{
    private const int VisualTokens = 256; // of the published model: a picture of 448 x 448

    // As training builds its sequences, so that both find the same cuts.
    private readonly SequenceBuilder? _sequences = tokenizer is null ? null : new(tokenizer, VisualTokens, maxAnswerTokens);
    private readonly ConcurrentDictionary<int, int> _boxTokens = new();
    private readonly List<int> _words = [], _tokens = [];
    private long _cut, _emptied, _left, _right, _both;

    /// <summary>Longest answer in training.</summary>
    public int MaxAnswerTokens => maxAnswerTokens;

    /// <summary>Tokens of an answer with so many boxes where that is cut; 0 where it is not, or without a tokenizer.</summary>
    public int BoxTokens(int boxes) => _sequences is null || boxes == 0 ? 0 : _boxTokens.GetOrAdd(boxes, count => _sequences.Measure(
        PromptTemplate.Build(PromptTemplate.ReferTask, ""),
        string.Join(BoxCodec.Delimiter, Enumerable.Repeat("{<10><10><99><99>}", count))) is { AnswerIsCut: true } found ? found.Answer : 0);

    /// <summary>The facts of one text; may be called by many threads.</summary>
    public TextFacts Describe(string text)
    {
        var (normal, cut) = CaptionNormalizer.Normalize(text);
        var words = 0;
        foreach (var range in text.AsSpan().SplitAny(' ', '\n', '\t', '\r'))
            if (!range.Start.Equals(range.End)) words++;
        var facts = new TextFacts(words, tokenizer?.Encode(normal).Length ?? 0, cut, normal.Length == 0, SideWords.Find(text));
        if (_sequences is null) return facts;
        var found = task == SampleTask.Caption
            ? _sequences.Measure(PromptTemplate.Build(PromptTemplate.CaptionTask, InstructionPool.Caption[0]), normal)
            : _sequences.Measure(
                PromptTemplate.Build(PromptTemplate.ReferTask, InstructionPool.Fill(InstructionPool.Refer[0], normal)), "");
        return facts with { Target = found.Answer, TargetIsCut = found.AnswerIsCut, PromptIsCut = found.PromptIsCut };
    }

    /// <summary>Counts one text.</summary>
    public void Add(TextFacts text)
    {
        _words.Add(text.Words);
        if (tokenizer is not null) _tokens.Add(text.Tokens);
        _cut += text.Cut ? 1 : 0;
        _emptied += text.Emptied ? 1 : 0;
        _left += text.Sides.Left ? 1 : 0;
        _right += text.Sides.Right ? 1 : 0;
        _both += text.Sides.Both ? 1 : 0;
    }

    public TextReport ToReport() => new()
    {
        Texts = _words.Count,
        Words = LengthsOf(_words),
        Tokens = tokenizer is null ? null : LengthsOf(_tokens),
        Cut = _cut,
        Emptied = _emptied,
        Left = _left,
        Right = _right,
        Both = _both,
    };

    private static Lengths LengthsOf(List<int> lengths)
    {
        if (lengths.Count == 0) return new Lengths(0, 0, 0, 0);
        lengths.Sort();
        return new Lengths(lengths.Average(), lengths[lengths.Count / 2], lengths[(int)Math.Ceiling(0.95 * lengths.Count) - 1],
            lengths[^1]);
    }
}
