using Pfmvg.Text;

namespace Pfmvg.Data.Checks;

/// <summary>The facts of one text.</summary>
internal readonly record struct TextFacts(int Words, int Tokens, bool Cut, bool Emptied, SideWords Sides);

/// <summary>Gathers what the texts of a data set are like.</summary>
/// <param name="tokenizer">Counts tokens; null: they are not counted. Used by many threads at a time.</param>
internal sealed class TextStatistics(LlamaTokenizer? tokenizer)
{
    private readonly List<int> _words = [], _tokens = [];
    private long _cut, _emptied, _left, _right, _both;

    /// <summary>The facts of one text; may be called by many threads.</summary>
    public TextFacts Describe(string text)
    {
        var (normal, cut) = CaptionNormalizer.Normalize(text);
        var words = 0;
        foreach (var range in text.AsSpan().SplitAny(' ', '\n', '\t', '\r'))
            if (!range.Start.Equals(range.End)) words++;
        return new TextFacts(words, tokenizer?.Encode(normal).Length ?? 0, cut, normal.Length == 0,
            SideWords.Find(text));
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
