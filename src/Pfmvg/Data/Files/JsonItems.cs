using System.Text.Json;

namespace Pfmvg.Data.Files;

/// <summary>One element of a JSON file's outermost array, or one member of its outermost object.</summary>
/// <param name="Key">The member's name; null in an array.</param>
/// <param name="Value">Good until the next item is read.</param>
/// <param name="Place">File and item number, for errors.</param>
internal readonly record struct JsonItem(string? Key, JsonElement Value, string Place)
{
    /// <summary>A text member of this object; null when there is none.</summary>
    public string? Text(params ReadOnlySpan<string> names) => Value.TextOf(names);
}

/// <summary>Reads large JSON files item by item, so that memory is bounded by one item.</summary>
internal static class JsonItems
{
    /// <summary>The items of the file's outermost array or object.</summary>
    /// <param name="path">The file.</param>
    /// <param name="repairs">Told about text that is not UTF-8; null: it is an error.</param>
    /// <param name="largestItem">Most bytes of one item. A list that is a member of the outermost object is one item.</param>
    /// <exception cref="InputException">The file cannot be read, is not JSON, or one item is larger than allowed.</exception>
    public static IEnumerable<JsonItem> Read(string path, TextRepairs? repairs, int largestItem = 64 << 20)
    {
        using var stream = DataFile.Open(path, repairs);
        var window = new Window(stream, path, largestItem);
        using (var start = window.Next(JsonPart.Start)) { }
        while (window.Next(JsonPart.Item) is { } item)
            using (item)
                yield return new JsonItem(window.Key, item.RootElement, window.Place);
        using (var end = window.Next(JsonPart.End)) { }
    }

    private enum JsonPart { Start, Item, End }

    private const string Advice = "fetch the file again, or put it right";

    /// <summary>A sliding piece of the file that holds the item at hand whole.</summary>
    private sealed class Window(Stream stream, string path, int largestItem)
    {
        private byte[] _buffer = new byte[1 << 16];
        private int _start, _end;
        private bool _last, _begun;
        private readonly HashSet<string> _keys = [];
        private int _number;
        private JsonReaderState _state = new(JsonText.Relaxed);

        public string? Key { get; private set; }

        /// <summary>The file and the number of the item at hand.</summary>
        public string Place => $"{Privacy.Mask(path)}, item {_number}";

        /// <summary>Reads the outermost bracket (null), the next item (null after the last), or what must not follow it (null).</summary>
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
                    throw JsonText.NoJson(e, " "u8).At(Privacy.Mask(path), Advice);
                }
                catch (InvalidOperationException e) // half of a surrogate pair in a member's name
                {
                    throw new InputException($"{Privacy.Mask(path)}: a name in it is not valid text; {Advice}.", e);
                }

                if (_last) throw new InputException($"{Privacy.Mask(path)}: the JSON ends early; fetch the file again.");
                Fill();
            }
        }

        private bool TryNext(JsonPart part, out JsonDocument? item)
        {
            item = null;
            var reader = new Utf8JsonReader(_buffer.AsSpan(_start, _end - _start), _last, _state);
            if (!reader.Read())
            {
                if (part != JsonPart.End) return false;
                _start = _end; // space; a beginning of something else is seen with what follows it
                return _last;
            }

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
                    Key = reader.GetString()!;
                    if (!reader.Read()) return false;
                }

                var begin = (int)reader.TokenStartIndex;
                if (!reader.TrySkip()) return false;
                if (Key is not null && !_keys.Add(Key))
                    throw new InputException($"{Privacy.Mask(path)}: the name '{OtherFile.Printable(Privacy.Mask(Key))}' stands twice in "
                        + "one object, and nothing says which one counts; remove one.");
                _number++;
                // A list that is a member tells the place in it by its own name. Other names may be patients'.
                var root = reader.TokenType == JsonTokenType.EndArray && Key?.All(c => char.IsAsciiLetterLower(c) || c == '_') == true
                    ? Key : "";
                var text = _buffer.AsMemory(_start + begin, (int)reader.BytesConsumed - begin);
                item = JsonText.Parse(text, out var fault, root, relaxed: true)
                    ?? throw fault!.At(root.Length > 0 ? Privacy.Mask(path) : Place, Advice);
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
