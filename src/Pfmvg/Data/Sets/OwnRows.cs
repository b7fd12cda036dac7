using System.Text;
using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>The objects of a user's file: JSON Lines, or a JSON list.</summary>
internal static class OwnRows
{
    /// <summary>The objects with their places.</summary>
    /// <exception cref="InputException">The file cannot be read, or something in it is no JSON object.</exception>
    public static IEnumerable<JsonItem> Read(string path, TextRepairs repairs)
    {
        if (IsList(path, repairs))
        {
            foreach (var item in JsonItems.Read(path, repairs))
                yield return item.Value.ValueKind == JsonValueKind.Object ? item : throw NoObject(item.Place);
            yield break;
        }

        foreach (var line in DataFile.Lines(path, repairs).Where(line => !string.IsNullOrWhiteSpace(line.Text)))
        {
            var place = $"{Privacy.Mask(path)}:{line.Number}";
            using var row = JsonText.Parse(Encoding.UTF8.GetBytes(line.Text), out var fault) ?? throw fault!.At(place);
            yield return row.RootElement.ValueKind == JsonValueKind.Object ? new JsonItem(null, row.RootElement, place)
                : throw NoObject(place);
        }

        static InputException NoObject(string place) => new($"{place}: this is no JSON object; every sample is one.");
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

    private static bool IsList(string path, TextRepairs repairs)
    {
        using var stream = DataFile.Open(path, repairs);
        int next;
        do next = DataFile.Read(path, stream.ReadByte);
        while (next is ' ' or '\t' or '\r' or '\n' or 0xef or 0xbb or 0xbf);
        return next == '[';
    }
}
