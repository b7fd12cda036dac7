using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>A picture of a COCO-like file.</summary>
/// <param name="Path">Its path; null when it has none.</param>
/// <param name="Width">Pixels per row; null when it is no positive whole number.</param>
/// <param name="Height">Rows; null when it is no positive whole number.</param>
/// <param name="Split">Its split, where the file names splits.</param>
/// <param name="Place">File and item, for errors.</param>
internal sealed record CocoImage(string? Path, int? Width, int? Height, Split? Split, string Place)
{
    /// <summary>Identifiers of the classes that the picture is said not to have (`neg_category_ids`).</summary>
    public IReadOnlyList<string> Absent { get; init; } = [];

    /// <summary>Its patient, where the file names one.</summary>
    public string? Patient { get; init; }
}

/// <summary>A phrase and its box in a COCO-like file.</summary>
/// <param name="Id">Its identifier; null when it has none.</param>
/// <param name="Image">Identifier of its picture.</param>
/// <param name="Category">Identifier of its class.</param>
/// <param name="Text">The phrase; null when it has none.</param>
/// <param name="Box">Its box, an edge that is no number as NaN; null when the file does not give four.</param>
/// <param name="Split">Its own split, where the file names splits of annotations.</param>
/// <param name="IsCrowd">COCO's mark for a region of many that are not told apart; it is no finding of its own.</param>
/// <param name="Place">File and item, for errors.</param>
internal sealed record CocoAnnotation(
    string? Id, string Image, string Category, string? Text, Box? Box, Split? Split, bool IsCrowd, string Place);

/// <summary>
/// The lists of a COCO-like JSON file of boxes, {images, annotations, categories}, as COCO itself and MS-CXR have it. What
/// an item lacks is null: its reader knows what must be there.
/// </summary>
internal sealed class CocoFile
{
    private const int LargestList = 256 << 20; // bytes

    private readonly string _file;
    private readonly Dictionary<string, Dictionary<string, string>> _places = []; // where each list has its identifiers

    private CocoFile(string path) => _file = Privacy.Mask(path);

    /// <summary>The pictures by their identifiers.</summary>
    public Dictionary<string, CocoImage> Images { get; } = new(IdComparer.Instance);

    /// <summary>The names of the classes by their identifiers.</summary>
    public Dictionary<string, string> Categories { get; } = new(IdComparer.Instance);

    /// <summary>The annotations in the order of the file.</summary>
    public List<CocoAnnotation> Annotations { get; } = [];

    /// <summary>Reads a file. Lists of other names are passed over.</summary>
    /// <param name="path">The file.</param>
    /// <param name="repairs">Told about text that is not UTF-8; null: it is an error.</param>
    /// <exception cref="InputException">
    /// The file cannot be read, is not JSON, or an item is no object or has an identifier that another one has.
    /// </exception>
    public static CocoFile Read(string path, TextRepairs? repairs = null)
    {
        var file = new CocoFile(path);
        foreach (var list in JsonItems.Read(path, repairs, LargestList).Where(list => list.Value.ValueKind == JsonValueKind.Array))
        {
            Action<JsonElement, string>? add = list.Key switch
            {
                "images" => file.AddImage,
                "categories" => file.AddCategory,
                "annotations" => file.AddAnnotation,
                _ => null,
            };
            if (add is null) continue;
            foreach (var (index, item) in list.Value.EnumerateArray().Index())
            {
                var place = $"{file._file}, {list.Key}[{index}]";
                if (item.ValueKind != JsonValueKind.Object) throw new InputException($"{place}: must be a JSON object.");
                add(item, place);
            }
        }

        return file;
    }

    /// <summary>The picture of an annotation.</summary>
    /// <exception cref="InputException">The file has no such picture.</exception>
    public CocoImage ImageOf(CocoAnnotation annotation) => Images.TryGetValue(annotation.Image, out var image) ? image
        : throw new InputException($"{annotation.Place}: 'image_id' {(annotation.Image.Length > 0 ? annotation.Image : "(missing)")} is "
            + "not among the file's images.");

    private void AddImage(JsonElement item, string place) => Images[Id(item, place, "images")!] = new CocoImage(
        item.TextOf("path", "file_name"), Pixels(item, "width"), Pixels(item, "height"),
        SplitNames.Find(item.TextOf("split")), place)
    {
        Absent = item.Member("neg_category_ids") is { ValueKind: JsonValueKind.Array } absent
            ? [.. absent.EnumerateArray().Select(id => id.ToString())] : [],
        Patient = item.TextOf("patient", "patient_id"),
    };

    private void AddCategory(JsonElement item, string place) => Categories[Id(item, place, "categories")!] =
        item.TextOf("name") ?? throw new InputException($"{place}: 'name' is missing.");

    private void AddAnnotation(JsonElement item, string place) => Annotations.Add(new CocoAnnotation(
        Id(item, place, "annotations"), item.TextOf("image_id") ?? "", item.TextOf("category_id") ?? "",
        item.TextOf("label_text", "phrase", "caption"), BoxOf(item), SplitNames.Find(item.TextOf("split")),
        item.Member("iscrowd") is { } crowd && (crowd.ValueKind == JsonValueKind.True
            || crowd.ValueKind == JsonValueKind.Number && crowd.GetDouble() != 0), place));

    /// <summary>An item's identifier, which no other of its list may have: boxes would move to another picture unseen.</summary>
    private string? Id(JsonElement item, string place, string list)
    {
        var id = item.TextOf("id");
        if (id is null) return list == "annotations" ? null : throw new InputException($"{place}: 'id' is missing.");
        if (id.Length == 0) throw new InputException($"{place}: 'id' is an empty text; give each one an identifier of its own.");
        if (!_places.TryGetValue(list, out var places)) _places.Add(list, places = new(IdComparer.Instance));
        return places.TryAdd(id, place) ? id
            : throw new InputException($"{place}: the id {id} stands at {places[id]}, too; identifiers must be unique.");
    }

    private static int? Pixels(JsonElement item, string name) =>
        item.Member(name) is { ValueKind: JsonValueKind.Number } value && value.GetDouble() is var pixels
            && pixels is > 0 and <= int.MaxValue && pixels == Math.Floor(pixels) ? (int)pixels : null;

    private static Box? BoxOf(JsonElement item)
    {
        if (item.Member("bbox") is not { ValueKind: JsonValueKind.Array } bbox || bbox.GetArrayLength() != 4) return null;
        var xywh = bbox.EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Number ? v.GetDouble() : double.NaN).ToArray();
        return Box.FromXywh(xywh[0], xywh[1], xywh[2], xywh[3]);
    }
}
