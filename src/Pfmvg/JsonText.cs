using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Pfmvg;

/// <summary>What is wrong with a JSON text.</summary>
/// <param name="Where">The line and byte, or the list or object that it is in, such as "images[0]"; empty for the text as a whole.</param>
/// <param name="What">What is wrong, to follow the place.</param>
internal sealed record JsonFault(string Where, string What)
{
    /// <summary>The sentence for the user.</summary>
    /// <param name="place">Where the text is.</param>
    /// <param name="advice">What to do; null for what always helps.</param>
    public InputException At(string place, string? advice = null) => new(
        $"{place}{(Where.Length > 0 ? ", " : "")}{Where}: {What}; {advice ?? "check that the file is complete, and put it right"}.");
}

/// <summary>
/// JSON of others, examined whole before any of it is used: what <see cref="Parse"/> lets through is text in UTF-8 with every name once
/// and finite numbers, so that taking texts, names and numbers out of it cannot fail any more.
/// </summary>
internal static class JsonText
{
    /// <summary>What is wrong with no text at all.</summary>
    public const string Empty = "is empty";

    private const int Deepest = 64;

    /// <summary>Parses a text.</summary>
    /// <param name="text">UTF-8. It must stay as it is while the document is used.</param>
    /// <param name="fault">What is wrong, where the result is null.</param>
    /// <param name="root">Name of the text itself in places, such as "images".</param>
    /// <param name="relaxed">Whether comments, and commas after the last item, are let pass.</param>
    public static JsonDocument? Parse(ReadOnlyMemory<byte> text, out JsonFault? fault, string root = "", bool relaxed = false)
    {
        if (text.Span.StartsWith(Encoding.UTF8.Preamble)) text = text[3..];
        fault = new Walk(text.Span, root, relaxed).FirstFault();
        return fault is null ? JsonDocument.Parse(text, new JsonDocumentOptions
        {
            MaxDepth = Deepest + 1, CommentHandling = relaxed ? JsonCommentHandling.Skip : JsonCommentHandling.Disallow,
            AllowTrailingCommas = relaxed,
        }) : null;
    }

    /// <summary>How the items of a large text are found.</summary>
    public static JsonReaderOptions Relaxed { get; } =
        new() { MaxDepth = Deepest + 1, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>Says that a text is no JSON at some place.</summary>
    /// <param name="cause">The reader's.</param>
    /// <param name="rest">The text from that place on.</param>
    public static JsonFault NoJson(JsonException cause, ReadOnlySpan<byte> rest)
    {
        var line = cause.LineNumber ?? 0;
        var at = (cause.BytePositionInLine ?? 0) + 1;
        var where = line == 0 ? $"byte {at}" : $"line {line + 1}, byte {at}";
        if (rest.StartsWith("-"u8)) rest = rest[1..];
        return new JsonFault(where, rest.StartsWith("NaN"u8) || rest.StartsWith("Infinity"u8)
            ? "no valid JSON: NaN and Infinity are no JSON numbers, write null instead"
            : cause.Message.Contains("maximum", StringComparison.Ordinal) ? $"is nested deeper than {Deepest}"
            : rest.IsEmpty ? "no valid JSON: it ends early" : "no valid JSON");
    }

    private ref struct Walk(ReadOnlySpan<byte> text, string root, bool relaxed)
    {
        private readonly ReadOnlySpan<byte> _text = text;
        private readonly bool _isUtf8 = Utf8.IsValid(text);
        private readonly List<Level> _levels = [];
        private int _depth;
        private bool _isBegun;
        private Utf8JsonReader _reader = new(text, relaxed ? JsonText.Relaxed : new JsonReaderOptions { MaxDepth = Deepest + 1 });

        public JsonFault? FirstFault()
        {
            if (_text.IndexOfAnyExcept(" \t\r\n"u8) < 0) return new JsonFault("", Empty);
            try
            {
                for (; _reader.Read(); _isBegun = true)
                    if (Fault() is { } fault) return fault;
                return null;
            }
            catch (JsonException cause)
            {
                var fault = NoJson(cause, _text[Math.Min(_text.Length, Offset(cause))..]);
                return _isBegun && _depth == 0 ? fault with { What = "no valid JSON: something follows its end" } : fault;
            }
        }

        private JsonFault? Fault()
        {
            var token = _reader.TokenType;
            if (token is JsonTokenType.EndArray or JsonTokenType.EndObject)
            {
                _depth--;
                return null;
            }

            if (token == JsonTokenType.PropertyName)
            {
                var inside = _levels[_depth - 1];
                if (TextOrNull() is not { } name) return new JsonFault(Place(_depth - 1), $"a name {WhyNoText()}");
                inside.Name = name;
                return inside.Names.Add(name) ? null : new JsonFault(Place(_depth - 1),
                    $"the name '{OtherFile.Printable(name)}' stands twice in one object, and nothing says which one counts");
            }

            if (_depth > 0) _levels[_depth - 1].Index++;
            switch (token)
            {
                case JsonTokenType.String when (_reader.ValueIsEscaped || !_isUtf8) && TextOrNull() is null:
                    return OfValue(WhyNoText());
                case JsonTokenType.Number when (_reader.ValueSpan.Length > 300 || _reader.ValueSpan.IndexOfAny((byte)'e', (byte)'E') >= 0)
                    && !(_reader.TryGetDouble(out var number) && double.IsFinite(number)):
                    return OfValue("is a number too large to compute with");
                case JsonTokenType.StartArray or JsonTokenType.StartObject:
                    if (_depth == Deepest) return new JsonFault(Place(1), $"is nested deeper than {Deepest}");
                    if (_depth == _levels.Count) _levels.Add(new Level());
                    _levels[_depth++].Begin(token == JsonTokenType.StartArray);
                    return null;
                default:
                    return null;
            }
        }

        private readonly JsonFault OfValue(string what) => _depth > 0 && !_levels[_depth - 1].IsList
            ? new JsonFault(Place(_depth - 1), $"'{OtherFile.Printable(_levels[_depth - 1].Name)}' {what}")
            : new JsonFault(Place(_depth), what);

        /// <summary>The way to the value at hand through the outermost levels.</summary>
        private readonly string Place(int depth)
        {
            var place = new StringBuilder(root);
            foreach (var level in _levels.Take(depth))
            {
                if (level.IsList) place.Append(CultureInfo.InvariantCulture, $"[{level.Index}]");
                else place.Append(place.Length > 0 ? "." : "").Append(OtherFile.Printable(level.Name));
            }

            return place.ToString();
        }

        private readonly string? TextOrNull()
        {
            try
            {
                return _reader.GetString();
            }
            catch (InvalidOperationException)
            {
                return null;
            }
        }

        private readonly string WhyNoText() => Utf8.IsValid(_reader.ValueSpan)
            ? "is not valid text (half of a surrogate pair)" : "is not valid text (bytes that are not UTF-8)";

        private readonly int Offset(JsonException cause)
        {
            var start = 0;
            for (var line = cause.LineNumber; line > 0; line--) start += _text[start..].IndexOf((byte)'\n') + 1;
            return start + (int)(cause.BytePositionInLine ?? 0);
        }
    }

    /// <summary>An object or a list that the walk is in.</summary>
    private sealed class Level
    {
        public bool IsList { get; private set; }

        public int Index { get; set; }

        public string Name { get; set; } = "";

        public HashSet<string> Names { get; } = [];

        public void Begin(bool isList)
        {
            (IsList, Index, Name) = (isList, -1, "");
            Names.Clear();
        }
    }
}
