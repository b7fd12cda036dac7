using System.Text.Json;

namespace Pfmvg.Data.Files;

/// <summary>One element of a JSON file's outermost array, or one member of its outermost object.</summary>
/// <param name="Key">The member's name; null in an array.</param>
/// <param name="Value">Good until the next item is read.</param>
/// <param name="Place">File and item number, for errors.</param>
internal readonly record struct JsonItem(string? Key, JsonElement Value, string Place)
{
    /// <summary>A text member of this object; null when there is none.</summary>
    public string? Text(params ReadOnlySpan<string> names) => TextOf(Value, names);

    /// <summary>The first of some members that an object has as text or number.</summary>
    public static string? TextOf(JsonElement value, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            var member = Member(value, name);
            if (member is { ValueKind: JsonValueKind.Number } number) return number.GetRawText();
            if (member is { } other && StringOf(other) is { } text) return text;
        }

        return null;
    }

    /// <summary>A member of an object; null when there is none.</summary>
    public static JsonElement? Member(JsonElement value, string name) => Valid(() =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out var member) ? member : (JsonElement?)null);

    /// <summary>The text of a JSON string; null when the value is none.</summary>
    public static string? StringOf(JsonElement value) => Valid(() => value.ValueKind == JsonValueKind.String ? value.GetString() : null);

    /// <summary>What a value holds; null when it has half of a surrogate pair, such as "\ud800", which is no text.</summary>
    private static T? Valid<T>(Func<T?> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            return default;
        }
    }
}

/// <summary>Reads large JSON files item by item, so that memory is bounded by one item.</summary>
internal static class JsonItems
{
    /// <summary>The items of the file's outermost array or object.</summary>
    /// <param name="path">The file.</param>
    /// <param name="repairs">Told about text that is not UTF-8; null: it is an error.</param>
    /// <param name="largestItem">Most bytes of one item. A list that is a member of the outermost object is one item.</param>
    /// <param name="unique">Whether a name that stands twice in an object is an error; the caller may look for itself.</param>
    /// <exception cref="InputException">The file cannot be read, is not JSON, or one item is larger than allowed.</exception>
    public static IEnumerable<JsonItem> Read(string path, TextRepairs? repairs, int largestItem = 64 << 20, bool unique = true)
    {
        var file = Privacy.Mask(path);
        using var stream = DataFile.Open(path, repairs);
        var window = new Window(stream, path, largestItem);
        using (var start = window.Next(JsonPart.Start)) { }
        var number = 0;
        while (window.Next(JsonPart.Item) is { } item)
        {
            using (item)
            {
                number++;
                if (unique && Twice(item.RootElement) is { } name)
                    throw new InputException($"{file}, item {number}: the name '{name}' stands twice in one object, and nothing says which "
                        + "one counts; remove one.");
                yield return new JsonItem(window.Key, item.RootElement, $"{file}, item {number}");
            }
        }
    }

    /// <summary>A name that an object in the value has twice: one of its values would be lost unseen. Null when there is none.</summary>
    private static string? Twice(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in value.EnumerateArray())
                if (item.ValueKind is JsonValueKind.Array or JsonValueKind.Object && Twice(item) is { } inside) return inside;
        }
        else if (value.ValueKind == JsonValueKind.Object)
        {
            var names = new HashSet<string>();
            foreach (var member in value.EnumerateObject())
            {
                if (!IsText(member, out var name)) continue; // half of a surrogate pair: its reader says so
                if (!names.Add(name)) return name;
                if (Twice(member.Value) is { } inside) return inside;
            }
        }

        return null;

        static bool IsText(JsonProperty member, out string name)
        {
            try
            {
                name = member.Name;
                return true;
            }
            catch (InvalidOperationException)
            {
                name = "";
                return false;
            }
        }
    }

    private enum JsonPart { Start, Item }

    /// <summary>A sliding piece of the file that holds the item at hand whole.</summary>
    private sealed class Window(Stream stream, string path, int largestItem)
    {
        private byte[] _buffer = new byte[1 << 16];
        private int _start, _end;
        private bool _last, _begun;
        private JsonReaderState _state =
            new(new JsonReaderOptions { MaxDepth = 64, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });

        public string? Key { get; private set; }

        /// <summary>Reads the outermost bracket (null), or the next item (null after the last).</summary>
        public JsonDocument? Next(JsonPart part)
        {
            while (true)
            {
                try
                {
                    if (TryNext(part, out var item)) return item;
                }
                catch (JsonException e)
                {
                    throw new InputException($"{Privacy.Mask(path)}: not valid JSON near line {e.LineNumber + 1} of what follows the "
                        + "last good item; fetch the file again, or put it right.", e);
                }
                catch (InvalidOperationException e) // half of a surrogate pair in a member's name
                {
                    throw new InputException($"{Privacy.Mask(path)}: a name in it is not valid text; "
                        + "fetch the file again, or put it right.", e);
                }

                if (_last) throw new InputException($"{Privacy.Mask(path)}: the JSON ends early; fetch the file again.");
                Fill();
            }
        }

        private bool TryNext(JsonPart part, out JsonDocument? item)
        {
            item = null;
            var reader = new Utf8JsonReader(_buffer.AsSpan(_start, _end - _start), _last, _state);
            if (!reader.Read()) return false;
            if (part == JsonPart.Start)
            {
                if (reader.TokenType is not (JsonTokenType.StartArray or JsonTokenType.StartObject))
                    throw new InputException($"{Privacy.Mask(path)}: the JSON must be a list or an object; "
                        + "check that this is the right file.");
            }
            else if (reader.TokenType is not (JsonTokenType.EndArray or JsonTokenType.EndObject) || reader.CurrentDepth > 0)
            {
                Key = null;
                if (reader.TokenType == JsonTokenType.PropertyName)
                {
                    Key = reader.GetString();
                    if (!reader.Read()) return false;
                }

                if (!JsonDocument.TryParseValue(ref reader, out item)) return false;
            }

            _state = reader.CurrentState;
            _start += (int)reader.BytesConsumed;
            return true;
        }

        private void Fill()
        {
            if (!_begun && (_begun = true)) SkipByteOrderMark();
            if (_start > 0)
            {
                Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
                (_start, _end) = (0, _end - _start);
            }

            if (_end == _buffer.Length)
            {
                if (_buffer.Length >= largestItem)
                    throw new InputException($"{Privacy.Mask(path)}: one item is larger than {largestItem:N0} bytes; "
                        + "check that this is the right file.");
                Array.Resize(ref _buffer, 2 * _buffer.Length);
            }

            var read = DataFile.Read(path, () => stream.Read(_buffer, _end, _buffer.Length - _end));
            _end += read;
            _last = read == 0;
        }

        private void SkipByteOrderMark()
        {
            _end = DataFile.Read(path, () => stream.ReadAtLeast(_buffer.AsSpan(0, 3), 3, throwOnEndOfStream: false));
            if (_buffer.AsSpan(0, _end) is [0xef, 0xbb, 0xbf]) _end = 0;
        }
    }
}
