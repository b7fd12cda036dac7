using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Pfmvg;

/// <summary>A value of a JSON file: every error names the file, the place in it, and what to do.</summary>
/// <param name="element">The value; of a text that <see cref="JsonText"/> let through.</param>
/// <param name="place">"file.jsonl:12", for messages.</param>
/// <param name="advice">What to do about what is wrong; null where its description says so itself.</param>
internal readonly partial struct JsonInput(JsonElement element, string place, string? advice = null)
{
    /// <summary>The longest line: an answer of a million characters fits, a large file without line breaks does not.</summary>
    private const int LongestLine = 32 << 20;

    private const int LargestFile = 1 << 30;

    public JsonElement Element => element;

    public string Place => place;

    /// <summary>Every line that is not blank as one JSON object, read one at a time.</summary>
    /// <param name="path">The file.</param>
    /// <param name="advice">What to do about a line that is wrong.</param>
    public static IEnumerable<JsonInput> Lines(string path, string? advice = null) => Lines(Open(path), path, advice);

    /// <summary>The same from any stream, which is disposed of; the path names it in messages.</summary>
    public static IEnumerable<JsonInput> Lines(Stream lines, string path, string? advice = null)
    {
        var name = Privacy.Mask(path);
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
                if (Next() is { } input) yield return input;
                line.SetLength(0);
            }

            line.Write(buffer, start, read - start);
            if (line.Length > LongestLine)
                throw new InputException($"{name}:{number}: longer than {LongestLine >> 20} MiB; JSON Lines wants one object per line.");
        }

        if (Next() is { } last) yield return last;

        JsonInput? Next()
        {
            ReadOnlyMemory<byte> bytes = line.GetBuffer().AsMemory(0, (int)line.Length);
            if (number == 1 && bytes.Span.StartsWith(Encoding.UTF8.Preamble)) bytes = bytes[3..];
            return bytes.Span.Trim(" \t\r"u8).IsEmpty ? null : Parse(bytes, $"{name}:{number}", advice).Object();
        }
    }

    /// <summary>A whole file as one JSON value.</summary>
    /// <param name="path">The file.</param>
    /// <param name="advice">What to do when it is wrong.</param>
    /// <param name="largest">Most bytes; a file of its kind is smaller.</param>
    /// <exception cref="InputException">It cannot be read, is too large or no JSON.</exception>
    public static JsonInput File(string path, string? advice = null, int largest = LargestFile)
    {
        var name = Privacy.Mask(path);
        using var bytes = new MemoryStream();
        using (var stream = Open(path))
        {
            var buffer = new byte[1 << 16];
            for (int read; (read = stream.Read(buffer)) > 0; bytes.Write(buffer, 0, read)) // of a pipe, too
                if (bytes.Length + read > largest)
                    throw new InputException(FormattableString.Invariant(
                        $"{name}: larger than {largest:N0} bytes, and a file of this kind is smaller; check that this is the right one."));
        }

        using var document = JsonText.Parse(bytes.GetBuffer().AsMemory(0, (int)bytes.Length), out var fault);
        return fault is { What: not JsonText.Empty } && OtherFile.InsteadOfJson(path) is { } other
            ? throw new InputException($"{name}: {other.What}; {other.Advice}.") : Of(document, fault, name, advice);
    }

    /// <summary>A text as one JSON value.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="place">Where the text is, for messages.</param>
    /// <param name="advice">What to do when it is wrong.</param>
    /// <exception cref="InputException">It is no JSON, or something in it cannot be meant.</exception>
    public static JsonInput Parse(ReadOnlyMemory<byte> text, string place, string? advice = null)
    {
        using var document = JsonText.Parse(text, out var fault);
        return Of(document, fault, place, advice);
    }

    /// <summary>This value, which must be an object.</summary>
    public JsonInput Object() => element.ValueKind == JsonValueKind.Object ? this
        : throw Wrong("must be a JSON object, as in {\"name\": ...}");

    /// <summary>The value of the first of these names that the object has; a JSON null counts as absent.</summary>
    public JsonElement? Find(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            if (element.Member(name) is { } value) return value;
        return null;
    }

    /// <summary>A text, or a whole number written as text (identifiers are either).</summary>
    public string? Text(params ReadOnlySpan<string> names) => Find(names) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String or JsonValueKind.Number } text => text.TextOrNumber(),
        _ => throw Wrong($"'{names[0]}' must be a text"),
    };

    /// <summary>The texts of a list; none where there is none.</summary>
    public IReadOnlyList<string> Texts(string name) => Find(name) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
            => [.. list.EnumerateArray().Select(item => item.GetString()!)],
        _ => throw Wrong($"'{name}' must be a list of texts"),
    };

    /// <summary>A number without a fraction, such as 12 or 12.0.</summary>
    public int? Integer(params ReadOnlySpan<string> names) => Whole(names[0], Find(names), int.MinValue, int.MaxValue) is { } number
        ? (int)number : null;

    /// <summary>A number without a fraction, at least 0.</summary>
    public long? Count(string name) => Whole(name, Find(name), 0, long.MaxValue);

    public double? Number(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } number => number.GetDouble(),
        _ => throw Wrong($"'{name}' must be a number"),
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
    public JsonInput At(JsonElement part, string where) => new(part, $"{place}, {where}", advice);

    /// <summary>A member that must be an object; null where there is none.</summary>
    public JsonInput? Section(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } section => At(section, name),
        _ => throw Wrong($"'{name}' must be an object"),
    };

    /// <summary>The elements of a list of objects, each with its place for messages.</summary>
    public IEnumerable<JsonInput> Elements() => Elements(place);

    /// <summary>The elements of a member that must be a list of objects; none where there is none.</summary>
    public IEnumerable<JsonInput> List(string name) => Find(name) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list => new JsonInput(list, "", advice).Elements($"{place}, {name}"),
        _ => throw Wrong($"'{name}' must be a list"),
    };

    /// <summary>The value as a record of ours, as <see cref="JsonSerializer"/> reads it; a list may hold no null.</summary>
    /// <param name="options">They respect nullable annotations, so that nulls are where they may be.</param>
    public T Read<T>(JsonSerializerOptions options)
    {
        if (NullInList(element, "") is { } absent) throw Wrong($"'{absent}' is null");
        try
        {
            return element.Deserialize<T>(options) ?? throw Wrong("is null");
        }
        catch (JsonException cause)
        {
            throw Wrong(WhyNot(cause));
        }
    }

    public InputException Wrong(string what) => new($"{place}: {what}{(advice is null ? "" : "; ")}{advice}.");

    private static JsonInput Of(JsonDocument? document, JsonFault? fault, string place, string? advice) =>
        document is not null ? new JsonInput(document.RootElement.Clone(), place, advice) : throw fault!.At(place, advice);

    private IEnumerable<JsonInput> Elements(string at)
    {
        var (list, mend) = (element, advice);
        return list.EnumerateArray().Select((item, index) => new JsonInput(item, $"{at}[{index}]", mend).Object());
    }

    private long? Whole(string name, JsonElement? value, long least, long most) => value switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } number when number.TryGetInt64(out var whole) && whole >= least && whole <= most => whole,
        { ValueKind: JsonValueKind.Number } number when number.GetDouble() is var real && real == Math.Floor(real) && Math.Abs(real) < 1e9
            && real >= least => (long)real,
        _ => throw Wrong($"'{name}' must be a whole number{(least == 0 ? " of at least 0" : "")}"),
    };

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

    private static string? NullInList(JsonElement value, string path) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray().Select((item, index) => item.ValueKind == JsonValueKind.Null
            ? $"{path}[{index}]" : NullInList(item, $"{path}[{index}]")).FirstOrDefault(found => found is not null),
        JsonValueKind.Object => value.EnumerateObject().Select(member => NullInList(member.Value,
            $"{path}{(path.Length > 0 ? "." : "")}{member.Name}")).FirstOrDefault(found => found is not null),
        _ => null,
    };

    /// <summary>The serializer's reason without values, which may be patient text, and without names of types.</summary>
    private string WhyNot(JsonException cause)
    {
        const string Missing = "including: ";
        var at = cause.Message.IndexOf(Missing, StringComparison.Ordinal);
        if (at >= 0) return $"{cause.Message[(at + Missing.Length)..].TrimEnd('.')} is missing";
        var value = element;
        foreach (Match step in Step().Matches(cause.Path ?? ""))
            value = step.Groups["i"] is { Success: true } index && value.ValueKind == JsonValueKind.Array
                ? value[int.Parse(index.ValueSpan, CultureInfo.InvariantCulture)]
                : value.ValueKind == JsonValueKind.Object && value.TryGetProperty(step.Groups["n"].Value, out var member) ? member : value;
        var path = OtherFile.Printable((cause.Path ?? "").TrimStart('$', '.'));
        var name = path.Length > 0 ? $"'{path}' " : "";
        return value.ValueKind == JsonValueKind.Null ? $"{name}is null" : name + (Wanted().Match(cause.Message).Value switch
        {
            "Int32" or "Int64" => "must be a whole number",
            "Double" => "must be a number",
            "Boolean" => "must be true or false",
            "String" => "must be a text",
            "DateTimeOffset" => "must be a time such as 2026-01-31T12:00:00+00:00",
            _ when !cause.Message.StartsWith("The ", StringComparison.Ordinal) => cause.Message.TrimEnd('.'),
            _ => "has a value that does not belong there",
        });
    }

    [GeneratedRegex(@"\.(?<n>[^.\[]+)|\['(?<n>[^']*)'\]|\[(?<i>[0-9]+)\]")] private static partial Regex Step();

    [GeneratedRegex(@"(?<=converted to System\.(?:Nullable`1\[System\.)?)\w+")] private static partial Regex Wanted();

    private static FileStream Open(string path)
    {
        InputFile.Require(path);
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 16, FileOptions.SequentialScan);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            var reason = Directory.Exists(path) ? "it is a folder" : "no such file, or no permission";
            throw new InputException($"{Privacy.Mask(path)}: cannot be read ({reason}).", cause);
        }
    }
}
