using System.Globalization;
using System.Text;

namespace Pfmvg.Text;

/// <summary>
/// BERT's tokenizer for lower-case vocabularies, from vocab.txt: controls dropped, accents stripped, punctuation and CJK characters apart,
/// then of each word the longest piece that the vocabulary has, again and again.
/// </summary>
internal sealed class WordPiece
{
    /// <summary>The special pieces by name; their ids are where the vocabulary has them.</summary>
    public const string Pad = "[PAD]", Unknown = "[UNK]", Begin = "[CLS]", End = "[SEP]", Mask = "[MASK]";

    private const int LongestWord = 100;
    private const long LargestFile = 64 << 20;

    private readonly Dictionary<string, int> _ids;
    private readonly int _longestPiece;

    private WordPiece(Dictionary<string, int> ids, int size)
    {
        (_ids, Size) = (ids, size);
        _longestPiece = ids.Keys.Max(piece => piece.Length);
    }

    /// <summary>Lines of the vocabulary, which is the rows of its embedding.</summary>
    public int Size { get; }

    /// <summary>Reads vocab.txt: one piece a line, whose number is the piece's id.</summary>
    /// <exception cref="InputException">It is not there, is no text in UTF-8, or lacks a special piece.</exception>
    public static WordPiece Load(string path)
    {
        string text;
        try
        {
            if (new FileInfo(path).Length > LargestFile)
                throw new InputException($"{path}: is larger than any vocabulary; name the vocab.txt of the text model.");
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(InputFile.ReadBytes(path));
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw FileFault.At($"The vocabulary {path}", path, cause);
        }
        catch (ArgumentException cause)
        {
            throw new InputException($"{path}: the vocabulary is no text in UTF-8; fetch it again.", cause);
        }

        // Python's line ends alone: U+2028 and its like may be pieces.
        var lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n').Split('\n');
        if (lines[^1].Length == 0) lines = lines[..^1];
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        foreach (var (id, piece) in lines.Index()) ids[piece] = id; // of a piece that stands twice the later place counts, as in BERT's own
        foreach (var special in (string[])[Unknown, Begin, End, Pad])
            if (!ids.ContainsKey(special))
                throw new InputException($"{path}: the vocabulary of {lines.Length} pieces has no {special}; fetch it again.");
        return new WordPiece(ids, lines.Length);
    }

    /// <summary>A text as ids between [CLS] and [SEP]. [MASK] in it is the special piece.</summary>
    public IReadOnlyList<int> Encode(string text)
    {
        List<int> ids = [_ids[Begin]];
        string[] parts = _ids.ContainsKey(Mask) ? text.Split(Mask) : [text];
        foreach (var (i, part) in parts.Index())
        {
            if (i > 0) ids.Add(_ids[Mask]);
            foreach (var word in Words(part)) AddPieces(word, ids);
        }

        ids.Add(_ids[End]);
        return ids;
    }

    private void AddPieces(string word, List<int> ids)
    {
        var (start, before) = (0, ids.Count);
        if (word.EnumerateRunes().Count() > LongestWord)
        {
            ids.Add(_ids[Unknown]);
            return;
        }

        while (start < word.Length)
        {
            var length = Math.Min(word.Length - start, _longestPiece);
            for (; length > 0; length--)
            {
                var piece = start == 0 ? word[..length] : string.Concat("##", word.AsSpan(start, length));
                if (!_ids.TryGetValue(piece, out var id)) continue;
                ids.Add(id);
                break;
            }

            if (length == 0) // the whole word is unknown when any part of it is
            {
                ids.RemoveRange(before, ids.Count - before);
                ids.Add(_ids[Unknown]);
                return;
            }

            start += length;
        }
    }

    /// <summary>Words and marks of punctuation, lower case and without accents.</summary>
    private static string[] Words(string text)
    {
        var cleaned = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsSpace(rune)) cleaned.Append(' ');
            else if (rune.Value is 0 or 0xfffd || IsControl(rune)) continue;
            else if (rune.Value == 0x130) cleaned.Append('i'); // the one letter whose lower case .NET leaves alone
            else cleaned.Append(rune.ToString().ToLowerInvariant());
        }

        var parted = new StringBuilder(cleaned.Length);
        foreach (var rune in cleaned.ToString().EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark) continue;
            if (IsPunctuation(rune) || IsCjk(rune.Value)) parted.Append(' ').Append(rune.ToString()).Append(' ');
            else parted.Append(AccentedLetters.Base(rune));
        }

        return parted.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    private static bool IsSpace(Rune rune) =>
        rune.Value is ' ' or '\t' or '\n' or '\r' || Rune.GetUnicodeCategory(rune) == UnicodeCategory.SpaceSeparator;

    private static bool IsControl(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;

    private static bool IsPunctuation(Rune rune) =>
        rune.Value is >= 33 and <= 47 or >= 58 and <= 64 or >= 91 and <= 96 or >= 123 and <= 126
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation
            or UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation
            or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.OtherPunctuation;

    private static bool IsCjk(int code) => code is >= 0x4e00 and <= 0x9fff or >= 0x3400 and <= 0x4dbf or >= 0x20000 and <= 0x2a6df
        or >= 0x2a700 and <= 0x2b73f or >= 0x2b740 and <= 0x2b81f or >= 0x2b820 and <= 0x2ceaf or >= 0xf900 and <= 0xfaff
        or >= 0x2f800 and <= 0x2fa1f;
}
