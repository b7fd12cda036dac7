using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>The objects of a user's file: JSON Lines, or a JSON list.</summary>
internal static class OwnRows
{
    // A name that stands twice in an object would lose one of its values unseen.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>The objects with their places.</summary>
    /// <exception cref="InputException">The file cannot be read, or something in it is no JSON object.</exception>
    public static IEnumerable<JsonItem> Read(string path, TextRepairs repairs)
    {
        var rows = IsList(path, repairs)
            ? JsonItems.Read(path, repairs, unique: false).Select(item => (Text: item.Value.GetRawText(), item.Place))
            : DataFile.Lines(path, repairs).Where(line => !string.IsNullOrWhiteSpace(line.Text))
                .Select(line => (line.Text, Place: $"{Privacy.Mask(path)}:{line.Number}"));
        foreach (var (text, place) in rows)
        {
            using var row = Parse(text, place);
            yield return row.RootElement.ValueKind == JsonValueKind.Object ? new JsonItem(null, row.RootElement, place)
                : throw new InputException($"{place}: this is no JSON object; every sample is one.");
        }
    }

    /// <summary>What every kind of row may tell about its sample.</summary>
    public static ListedSample Common(JsonItem row, string? image, string? phrase)
    {
        var split = row.Text("split");
        return new ListedSample
        {
            Id = row.Text("id") ?? "",
            Image = image ?? "",
            Text = phrase?.Trim() ?? "",
            Place = row.Place,
            Patient = row.Text("patient", "patient_id", "subject_id"),
            Study = row.Text("study", "study_id"),
            Class = row.Text("class"),
            Split = SplitNames.Find(split),
            Problem = image is null ? "there is no picture"
                : string.IsNullOrWhiteSpace(phrase) ? "there is no phrase"
                : split is not null && SplitNames.Find(split) is null ? "the split is unknown; write train, validate or test"
                : null,
        };
    }

    /// <summary>Lists of four numbers, or one such list; null when it is something else.</summary>
    public static List<Box>? Boxes(JsonElement? value)
    {
        if (value is not { ValueKind: JsonValueKind.Array } array) return null;
        if (BoxOf(array) is { } single) return [single];
        var boxes = array.EnumerateArray().Select(BoxOf).ToList();
        return boxes.Contains(null) ? null : boxes.ConvertAll(box => box!.Value);
    }

    private static Box? BoxOf(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 4
            && value.EnumerateArray().All(number => number.ValueKind == JsonValueKind.Number)
                ? new Box(value[0].GetDouble(), value[1].GetDouble(), value[2].GetDouble(), value[3].GetDouble()) : null;

    private static JsonDocument Parse(string line, string place)
    {
        try
        {
            return JsonDocument.Parse(line, Strict);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter: half of a surrogate pair in a name
        {
            var near = e is JsonException { BytePositionInLine: { } at } ? $" near byte {at + 1}" : "";
            throw new InputException($"{place}: no valid JSON{near}, or a name stands twice; every sample is one JSON object.", e);
        }
    }

    private static bool IsList(string path, TextRepairs repairs)
    {
        using var stream = DataFile.Open(path, repairs);
        int next;
        do next = DataFile.Read(path, stream.ReadByte);
        while (next is ' ' or '\t' or '\r' or '\n' or 0xef or 0xbb or 0xbf);
        return next == '[';
    }
}
