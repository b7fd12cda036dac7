using System.Text;

namespace Pfmvg.Text;

/// <summary>
/// A SentencePiece model of LLaMA's kind: byte-pair merges with byte fallback, a space in front of every text, nothing
/// normalised. Gives exactly the pieces of the SentencePiece library.
/// </summary>
/// <remarks>docs/decisions/001-tokenizer.md says why this is our own code.</remarks>
public sealed class SentencePieceModel
{
    /// <summary>The mark that stands for a space inside a piece, U+2581.</summary>
    public const char SpaceMark = '\u2581';

    private readonly SentencePieceFile _file;
    private readonly Dictionary<string, int> _ids = [];
    private readonly Dictionary<string, Merge>.AlternateLookup<ReadOnlySpan<char>> _merges;
    private readonly int[] _byteIds = new int[256];
    private readonly Dictionary<string, byte> _bytes = [];
    private readonly int _longest;

    private SentencePieceModel(SentencePieceFile file)
    {
        _file = file;
        var merges = new Dictionary<string, Merge>();
        var ranks = file.Pieces.Select(piece => piece.Score).Distinct().OrderDescending()
            .Select((score, rank) => (score, rank)).ToDictionary(pair => pair.score, pair => pair.rank);
        foreach (var (id, piece) in file.Pieces.Index())
        {
            _ids.Add(piece.Text, id);
            if (piece.Kind is PieceKind.Normal) merges.Add(piece.Text, new Merge(id, ranks[piece.Score]));
            if (piece.Kind is PieceKind.Byte) _bytes.Add(piece.Text, Convert.FromHexString(piece.Text.AsSpan(3, 2))[0]);
        }

        foreach (var (text, value) in _bytes) _byteIds[value] = _ids[text];
        _merges = merges.GetAlternateLookup<ReadOnlySpan<char>>();
        _longest = merges.Keys.Max(text => text.Length);
        UnknownId = file.Pieces.ToList().FindIndex(piece => piece.Kind is PieceKind.Unknown);
    }

    /// <summary>Reads a <c>tokenizer.model</c> file.</summary>
    /// <exception cref="InputException">The file is missing, is not a SentencePiece model, or is one of another kind.</exception>
    public static SentencePieceModel Load(string path) => new(SentencePieceFile.Read(path));

    /// <summary>How many pieces there are; ids run from 0 to one less.</summary>
    public int Count => _file.Pieces.Count;

    /// <summary>Id of the piece that stands for what no piece covers; with byte fallback no text becomes it.</summary>
    public int UnknownId { get; }

    /// <summary>The piece with this id, with <see cref="SpaceMark"/> for a space.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public string Piece(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, Count);
        return _file.Pieces[id].Text;
    }

    /// <summary>The id of a piece, written exactly as the file has it; null when there is none.</summary>
    public int? IdOf(string piece) => _ids.TryGetValue(piece, out var id) ? id : null;

    /// <summary>
    /// The ids of a text: no special tokens, a space mark in front unless the text is empty. Time is O(n log n) for n
    /// characters. A lone surrogate is read as U+FFFD.
    /// </summary>
    public int[] Encode(string text)
    {
        if (text.Length == 0) return [];
        var marked = (SpaceMark + text).Replace(' ', SpaceMark);
        var symbols = MergePairs(marked);
        var ids = new List<int>(marked.Length / 2);
        Span<byte> utf8 = stackalloc byte[4];
        for (var at = 0; at >= 0; at = symbols[at].Next)
        {
            var piece = marked.AsSpan(symbols[at].Start, symbols[at].Length);
            if (piece.Length <= _longest && _merges.TryGetValue(piece, out var merge))
            {
                ids.Add(merge.Id);
                continue;
            }

            Rune.DecodeFromUtf16(piece, out var rune, out _); // an unknown piece is one character; gives U+FFFD for a lone surrogate
            foreach (var value in utf8[..rune.EncodeToUtf8(utf8)]) ids.Add(_byteIds[value]);
        }

        return [.. ids];
    }

    /// <summary>
    /// The text of pieces, as the SentencePiece library puts them together: the first space is dropped, runs of byte
    /// pieces become characters, each byte that cannot becomes U+FFFD, and a piece that the model does not know stands
    /// for itself.
    /// </summary>
    public string Decode(IEnumerable<string> pieces)
    {
        var text = new StringBuilder();
        List<byte> bytes = [];
        var leading = true; // the space that encoding put in front has not been met yet
        foreach (var piece in pieces)
        {
            if (_bytes.TryGetValue(piece, out var value))
            {
                bytes.Add(value);
                continue;
            }

            AppendCharacters(text, bytes);
            leading &= text.Length == 0;
            var kind = IdOf(piece) is { } id ? _file.Pieces[id].Kind : (PieceKind?)null;
            if (kind is PieceKind.Control) continue;
            if (kind is PieceKind.Unknown) text.Append(_file.UnknownSurface);
            else if (kind is null) text.Append(piece);
            else
            {
                var dropped = leading && piece.StartsWith(SpaceMark);
                text.Append(dropped ? piece[1..].Replace(SpaceMark, ' ') : piece.Replace(SpaceMark, ' '));
                leading &= !dropped;
            }
        }

        AppendCharacters(text, bytes);
        return text.ToString();
    }

    /// <summary>
    /// Joins neighbours until no two form a piece, always the pair with the best score and, among equals, the leftmost.
    /// </summary>
    /// <returns>Symbols of a linked list that starts at 0; what was merged away is not reachable.</returns>
    private Symbol[] MergePairs(string text)
    {
        var symbols = new Symbol[text.Length];
        var count = 0;
        for (var start = 0; start < text.Length; count++)
        {
            Rune.DecodeFromUtf16(text.AsSpan(start), out _, out var length);
            symbols[count] = new Symbol { Start = start, Length = length, Previous = count - 1, Next = count + 1 };
            start += length;
        }

        symbols[count - 1].Next = -1;
        var pairs = new PriorityQueue<(int Left, int Right, int Length), long>(count);
        for (var right = 1; right < count; right++) Propose(right - 1, right);
        while (pairs.TryDequeue(out var pair, out _))
        {
            ref var left = ref symbols[pair.Left];
            ref var right = ref symbols[pair.Right];
            // A symbol only grows or vanishes, so a pair whose length has changed has been overtaken by another merge.
            if (left.Length == 0 || right.Length == 0 || left.Length + right.Length != pair.Length) continue;
            left.Length = pair.Length;
            left.Next = right.Next;
            right.Length = 0;
            if (left.Next >= 0) symbols[left.Next].Previous = pair.Left;
            if (left.Previous >= 0) Propose(left.Previous, pair.Left);
            if (left.Next >= 0) Propose(pair.Left, left.Next);
        }

        return symbols;

        void Propose(int left, int right)
        {
            var length = symbols[left].Length + symbols[right].Length;
            if (length <= _longest && _merges.TryGetValue(text.AsSpan(symbols[left].Start, length), out var merge))
                pairs.Enqueue((left, right, length), ((long)merge.Rank << 32) | (uint)left);
        }
    }

    private static void AppendCharacters(StringBuilder text, List<byte> bytes)
    {
        for (var rest = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(bytes); rest.Length > 0;)
        {
            var valid = Rune.DecodeFromUtf8(rest, out var rune, out var length) is System.Buffers.OperationStatus.Done;
            text.Append(rune);
            rest = rest[(valid ? length : 1)..];
        }

        bytes.Clear();
    }

    /// <summary>Rank 0 is the best score; pieces of equal score share a rank.</summary>
    private readonly record struct Merge(int Id, int Rank);

    private struct Symbol
    {
        public int Start, Length, Previous, Next;
    }
}
