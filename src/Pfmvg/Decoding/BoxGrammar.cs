using System.Collections.Frozen;
using Pfmvg.Text;

namespace Pfmvg.Decoding;

/// <summary>
/// The answers that are boxes: <c>{&lt;x1&gt;&lt;y1&gt;&lt;x2&gt;&lt;y2&gt;}</c> with 0 &lt;= x1 &lt; x2 &lt;= 100 and
/// 0 &lt;= y1 &lt; y2 &lt;= 100, one or several joined by <c>&lt;delim&gt;</c>, numbers without leading zeros. There may be a space in
/// front, as the tokenizer writes one. The grammar says which tokens may come next. It walks every piece of the vocabulary character by
/// character, so it does not matter how the tokenizer cuts the notation.
/// </summary>
/// <remarks>Not for several threads at once.</remarks>
public sealed class BoxGrammar
{
    private const int MostKept = 1 << 14;
    private const int LongestEnding = 24; // every answer can be ended in fewer tokens, so with more left any token may come

    private readonly int _endToken;
    private readonly (int Id, string Text)[] _pieces; // those that are made of the notation's characters, by id
    private readonly FrozenSet<string> _texts;
    private readonly int _longestPiece;
    private readonly Dictionary<BoxState, int[]> _allowed = [];
    private readonly Dictionary<BoxState, int> _tokensToEnd = [];

    /// <summary>Prepares the grammar for a vocabulary.</summary>
    /// <exception cref="InputException">
    /// A character of the notation is not a piece of its own, so that some answers could not be continued.
    /// </exception>
    public BoxGrammar(LlamaTokenizer tokenizer)
    {
        const string Alphabet = "{<>}0123456789delim";
        _endToken = tokenizer.EosId;
        _pieces = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => (Id: id, Text: tokenizer.Piece(id)))
            .Where(piece => piece.Text.All(c => c == SentencePieceModel.SpaceMark || Alphabet.Contains(c)))];
        _texts = _pieces.Select(piece => piece.Text).ToFrozenSet();
        _longestPiece = _texts.Select(text => text.Length).DefaultIfEmpty(0).Max();
        if (Alphabet.FirstOrDefault(c => !_texts.Contains(c.ToString())) is var missing && missing != default)
            throw new InputException(
                $"The tokenizer has no piece '{missing}', so decoding cannot be constrained to boxes; set eval.constrain: none.");
        ShortestAnswer = TokensToEnd(BoxState.Start);
    }

    /// <summary>The grammar for a vocabulary; null where some answers could not be continued.</summary>
    internal static BoxGrammar? For(LlamaTokenizer tokenizer)
    {
        try
        {
            return new BoxGrammar(tokenizer);
        }
        catch (InputException)
        {
            return null; // only who asks for it needs it
        }
    }

    /// <summary>Tokens of the shortest answer, the end token included.</summary>
    public int ShortestAnswer { get; }

    /// <summary>
    /// The tokens that may come next: ids in ascending order, the end token among them where the answer may end. Never empty.
    /// </summary>
    /// <param name="state">Where the answer is.</param>
    /// <param name="left">
    /// How many tokens may still be written, the end token included; a token after which the answer could not end in time is not allowed.
    /// </param>
    /// <exception cref="ArgumentException">There are too few tokens left to end the answer.</exception>
    public IReadOnlyList<int> Allowed(BoxState state, int left)
    {
        if (state == BoxState.Ended) return [_endToken];
        if (!_allowed.TryGetValue(state, out var ids))
        {
            if (_allowed.Count == MostKept) _allowed.Clear();
            var found = _pieces.Where(piece => Walk(state, piece.Text) is not null).Select(piece => piece.Id);
            ids = [.. (state.MayEnd ? found.Append(_endToken) : found).Order()];
            _allowed.Add(state, ids);
        }

        if (left > LongestEnding) return ids;
        int[] timely = [.. ids.Where(id => TokensToEnd(Next(state, id)) < left)];
        return timely.Length > 0 ? timely : throw new ArgumentException($"{left} tokens do not suffice to end the answer.", nameof(left));
    }

    /// <summary>Where the answer is after an allowed token.</summary>
    public BoxState Next(BoxState state, int token)
    {
        if (token == _endToken || state == BoxState.Ended) return BoxState.Ended;
        var at = Array.BinarySearch(_pieces, (token, ""), Comparer<(int Id, string Text)>.Create((a, b) => a.Id.CompareTo(b.Id)));
        return at >= 0 && Walk(state, _pieces[at].Text) is { } next
            ? next : throw new ArgumentException($"The token {token} is not allowed here.", nameof(token));
    }

    private static BoxState? Walk(BoxState state, string piece)
    {
        BoxState? at = piece.Length > 0 ? state : null;
        foreach (var character in piece)
            if ((at = at?.After(character)) is null) return null;
        return at;
    }

    /// <summary>
    /// Number of tokens, the end token included, of the shortest text that ends the answer; one less after each of its tokens.
    /// </summary>
    private int TokensToEnd(BoxState state)
    {
        if (state == BoxState.Ended) return 0;
        if (_tokensToEnd.TryGetValue(state, out var known)) return known;
        if (_tokensToEnd.Count == MostKept) _tokensToEnd.Clear();
        var text = "";
        for (var at = state; !at.MayEnd; at = at.After(text[^1])!.Value) text += at.ShortestWay();
        var fewest = new int[text.Length + 1]; // [n]: pieces of the last n characters
        for (var length = 1; length <= text.Length; length++)
            fewest[length] = 1 + Enumerable.Range(1, Math.Min(length, _longestPiece))
                .Where(size => _texts.Contains(text.Substring(text.Length - length, size))).Min(size => fewest[length - size]);
        return _tokensToEnd[state] = fewest[text.Length] + 1;
    }
}
