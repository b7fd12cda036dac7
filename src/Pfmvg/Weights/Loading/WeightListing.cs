using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Pfmvg.Tensors;

namespace Pfmvg.Weights.Loading;

/// <summary>What is in a weight file, for people and for programs. No value of a tensor is read.</summary>
public static class WeightListing
{
    private const int LongestText = 1000, LongestLine = 120;

    private static readonly JsonSerializerOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// One line per tensor (type, shape, bytes, name), then totals, what is not read, foreign names, and the other content, cut to a
    /// line each.
    /// </summary>
    public static string ToText(ITensorFile file)
    {
        var rows = file.Tensors.Values.Select(info =>
            (Type: TensorTypes.Name(info.Type), Shape: info.ShapeText, Bytes: info.Bytes.ToString(CultureInfo.InvariantCulture), info.Name))
                .ToList();
        var (type, shape, bytes) = (Width(rows, row => row.Type), Width(rows, row => row.Shape), Width(rows, row => row.Bytes));
        var text = new StringBuilder();
        foreach (var row in rows)
            text.Append($"{row.Type.PadRight(type)}  {row.Shape.PadRight(shape)}  ")
                .AppendLine($"{row.Bytes.PadLeft(bytes)}  {Refusal.Show(row.Name)}");
        var totals = Totals(file);
        text.Append(CultureInfo.InvariantCulture,
            $"{file.Format}: {totals.Tensors} tensors, {totals.Elements:n0} elements, {totals.Bytes:n0} bytes");
        if (file.Container is { } container) text.Append($", from '{Refusal.Show(container)}' in the file");
        foreach (var (name, tensor) in file.Unreadable) text.AppendLine().Append($"not read: {Refusal.Show(name)} {tensor.Problem}");
        if (file.ForeignNames.Count > 0)
            text.AppendLine().Append($"foreign names ({file.ForeignNames.Count}) stay placeholders, nothing of them was run: ")
                .AppendJoin(", ", file.ForeignNames.Select(name => Refusal.Show(name)));
        foreach (var (key, value) in file.Metadata)
        {
            var line = ToJson(value)?.ToJsonString(OneLine) ?? "null";
            text.AppendLine().Append($"{Refusal.Show(key)}: {Refusal.Show(line, LongestLine)}");
        }

        return text.ToString();

        static int Width<T>(IEnumerable<T> items, Func<T, string> cell) => items.Select(item => cell(item).Length).DefaultIfEmpty().Max();
    }

    /// <summary>
    /// The same as JSON: path, format, tensors [{name, type, shape, bytes}], totals {tensors, elements, bytes}, metadata
    /// (a tensor in it as {type, shape, bytes}; a foreign value as {class, arguments, state}; bytes, and numbers that JSON does not have,
    /// as text), container, unreadable {name: why}, placeholders [foreign names].
    /// </summary>
    public static JsonObject ToJson(ITensorFile file)
    {
        var totals = Totals(file);
        return new JsonObject
        {
            ["path"] = file.Path,
            ["format"] = file.Format,
            ["tensors"] = new JsonArray([.. file.Tensors.Values.Select(info =>
            {
                var entry = Describe(info);
                entry.Insert(0, "name", info.Name);
                return (JsonNode)entry;
            })]),
            ["totals"] = new JsonObject { ["tensors"] = totals.Tensors, ["elements"] = totals.Elements, ["bytes"] = totals.Bytes },
            ["metadata"] = new JsonObject(file.Metadata.Select(pair => KeyValuePair.Create(pair.Key, ToJson(pair.Value)))),
            ["container"] = file.Container,
            ["unreadable"] = new JsonObject(file.Unreadable.Select(pair =>
                KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value.Problem))),
            ["placeholders"] = new JsonArray([.. file.ForeignNames.Select(name => (JsonNode)name)]),
        };
    }

    private static (int Tensors, long Elements, long Bytes) Totals(ITensorFile file) =>
        (file.Tensors.Count, file.Tensors.Values.Sum(info => info.Elements), file.Tensors.Values.Sum(info => info.Bytes));

    private static JsonObject Describe(TensorInfo info) => new()
    {
        ["type"] = TensorTypes.Name(info.Type),
        ["shape"] = new JsonArray([.. info.Shape.Select(size => (JsonNode)size)]),
        ["bytes"] = info.Bytes,
    };

    private static JsonNode? ToJson(object? value) => value switch
    {
        null => null,
        bool truth => truth,
        long number => number,
        double number when double.IsFinite(number) => number,
        double number => number.ToString(CultureInfo.InvariantCulture),
        BigInteger number => number.ToString(CultureInfo.InvariantCulture),
        string { Length: > LongestText } text => text[..LongestText] + "...",
        string text => text,
        byte[] bytes => $"{bytes.Length} bytes",
        TensorInfo info => Describe(info),
        IReadOnlyDictionary<string, object?> dictionary =>
            new JsonObject(dictionary.Select(pair => KeyValuePair.Create(pair.Key, ToJson(pair.Value)))),
        IEnumerable<object?> items => new JsonArray([.. items.Select(ToJson)]),
        _ => throw new InvalidOperationException($"A {value.GetType()} is not plain data."),
    };
}
