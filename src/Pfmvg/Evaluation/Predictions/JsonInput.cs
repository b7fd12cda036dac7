using System.Text.Json;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>Reads JSON from other programs: every error names the file and the place in it.</summary>
internal readonly struct JsonInput(JsonElement element, string place)
{
    /// <summary>The longest line: an answer of a million characters fits, a large file without line breaks does not.</summary>
    private const int LongestLine = 32 << 20;

    private const long LargestFile = 1L << 30;

    public JsonElement Element => element;

    /// <summary>"file.jsonl:12", for messages.</summary>
    public string Place => place;

    /// <summary>Every line that is not blank as one JSON object, read one at a time.</summary>
    public static IEnumerable<JsonInput> Lines(string path) => Lines(Open(path), path);

    /// <summary>The same from any stream, which is disposed of; the path names it in messages.</summary>
    public static IEnumerable<JsonInput> Lines(Stream lines, string path)
    {
        using var stream = lines;
        using var line = new MemoryStream();
        var buffer = new byte[1 << 16];
        var number = 1;
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            var start = 0;
            for (int end; (end = Array.IndexOf(buffer, (byte)'\n', start, read - start)) >= 0; start = end + 1, number++)
            {
                line.Write(buffer, start, end - start);
                if (Parse() is { } input) yield return input;
                line.SetLength(0);
            }

            line.Write(buffer, start, read - start);
            if (line.Length > LongestLine)
                throw new InputException($"{path}:{number}: longer than {LongestLine >> 20} MiB; JSON Lines wants one object per line.");
        }

        if (Parse() is { } last) yield return last;

        JsonInput? Parse()
        {
            ReadOnlyMemory<byte> bytes = line.GetBuffer().AsMemory(0, (int)line.Length);
            if (number == 1 && bytes.Span.StartsWith("\uFEFF"u8)) bytes = bytes[3..];
            return bytes.Span.Trim(" \t\r"u8).IsEmpty ? null : Parsed(bytes, $"{path}:{number}");
        }
    }

    /// <summary>A whole file as one JSON value.</summary>
    public static JsonInput File(string path)
    {
        using var stream = Open(path);
        if (stream.Length > LargestFile)
            throw new InputException($"{path}: larger than {LargestFile >> 30} GiB; a JSON file of this kind is smaller.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return Parsed(bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes, path, anything: true);
    }

    /// <summary>The value of the first of these names that the object has; a JSON null counts as absent.</summary>
    public JsonElement? Find(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            if (element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null) return value;
        return null;
    }

    /// <summary>A text, or a whole number written as text (identifiers are either).</summary>
    public string? Text(params ReadOnlySpan<string> names) => Find(names) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } text => Unescaped(text, names[0]),
        { ValueKind: JsonValueKind.Number } number => number.GetRawText(),
        _ => throw Wrong($"'{names[0]}' must be a text"),
    };

    public int? Integer(params ReadOnlySpan<string> names) => Find(names) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } value when value.TryGetInt32(out var number) => number,
        { ValueKind: JsonValueKind.Number } value when value.GetDouble() is var real && real == Math.Floor(real) && Math.Abs(real) < 1e9 =>
            (int)real,
        _ => throw Wrong($"'{names[0]}' must be a whole number"),
    };

    /// <summary>A list of numbers; null entries become NaN.</summary>
    public IReadOnlyList<double>? Numbers(params ReadOnlySpan<string> names) =>
        Find(names) is { } value ? Numbers(value, names[0]) : null;

    /// <summary>A list of boxes of four numbers each, or one box alone.</summary>
    public IReadOnlyList<IReadOnlyList<double>>? Quadruples(params ReadOnlySpan<string> names)
    {
        if (Find(names) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array) throw Wrong($"'{names[0]}' must be a list of boxes");
        if (value.GetArrayLength() == 0) return [];
        var name = names[0];
        var alone = value[0].ValueKind != JsonValueKind.Array;
        List<IReadOnlyList<double>> boxes = [];
        foreach (var box in alone ? [value] : value.EnumerateArray().ToList())
        {
            var numbers = Numbers(box, name);
            if (numbers.Length != 4) throw Wrong($"'{name}' has a box of {numbers.Length} numbers instead of 4");
            boxes.Add(numbers);
        }

        return boxes;
    }

    /// <summary>A part of this element, with its place for messages.</summary>
    public JsonInput At(JsonElement part, string where) => new(part, $"{place}, {where}");

    /// <summary>The elements of a list, each with its place for messages.</summary>
    public IEnumerable<JsonInput> Elements() => Elements(element, place);

    public InputException Wrong(string what) => new($"{place}: {what}.");

    private static IEnumerable<JsonInput> Elements(JsonElement list, string place) => list.EnumerateArray().Select((item, index) =>
        item.ValueKind == JsonValueKind.Object
            ? new JsonInput(item, $"{place}[{index}]")
            : throw new InputException($"{place}[{index}]: must be a JSON object."));

    private double[] Numbers(JsonElement value, string name)
    {
        if (value.ValueKind == JsonValueKind.Number) return [value.GetDouble()];
        if (value.ValueKind != JsonValueKind.Array) throw Wrong($"'{name}' must be a list of numbers");
        var numbers = new double[value.GetArrayLength()];
        var i = 0;
        foreach (var item in value.EnumerateArray())
        {
            numbers[i++] = item.ValueKind switch
            {
                JsonValueKind.Number => item.GetDouble(),
                JsonValueKind.Null => double.NaN,
                _ => throw Wrong($"'{name}' must be a list of numbers"),
            };
        }

        return numbers;
    }

    private string Unescaped(JsonElement text, string name)
    {
        try
        {
            return text.GetString()!;
        }
        catch (InvalidOperationException cause) // a lone surrogate escape such as "\ud800"
        {
            throw new InputException($"{place}: '{name}' is not valid text (half of a surrogate pair).", cause);
        }
    }

    private static JsonInput Parsed(ReadOnlyMemory<byte> bytes, string place, bool anything = false)
    {
        JsonElement root;
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 64 });
            root = document.RootElement.Clone();
        }
        catch (JsonException cause)
        {
            var hint = bytes.Span.IndexOf("NaN"u8) >= 0 || bytes.Span.IndexOf("Infinity"u8) >= 0
                ? "NaN and Infinity are no JSON numbers: write null instead, it is counted as a failure"
                : "check that the file is complete and one object stands on each line of a .jsonl file";
            throw new InputException($"{place}: not valid JSON at byte {cause.BytePositionInLine + 1}; {hint}.", cause);
        }

        if (!anything && root.ValueKind != JsonValueKind.Object)
            throw new InputException($"{place}: must be a JSON object, as in {{\"id\": ..., \"answer\": ...}}.");
        return new JsonInput(root, place);
    }

    private static FileStream Open(string path)
    {
        InputFile.Require(path);
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            var reason = Directory.Exists(path) ? "it is a folder" : "no such file, or no permission";
            throw new InputException($"{path}: cannot be read ({reason}).", cause);
        }
    }
}
