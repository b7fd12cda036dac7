using System.Text.Json;
using System.Text.RegularExpressions;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>
/// MS-CXR, releases 0.1 (v1.0.0) and 1.1.0, as CSV or COCO-like JSON: one listed sample per box. The pictures are
/// MIMIC-CXR-JPG's.
/// </summary>
public sealed partial class MsCxrReader : IDataSetReader
{
    private static readonly string[] Columns =
        ["category_name", "label_text", "path", "x", "y", "w", "h", "image_width", "image_height", "dicom_id"];

    private const string Unnumbered = "";

    private readonly string _annotations;

    /// <summary>Names the annotation file.</summary>
    /// <param name="path">The CSV or JSON file, or the folder that holds `MS_CXR_Local_Alignment_v*`; the newest
    /// release is taken, CSV before JSON.</param>
    /// <param name="imageFolder">The folder that holds `files/p10/...`; null: the annotations' folder.</param>
    /// <exception cref="InputException">There is no such file.</exception>
    public MsCxrReader(string path, string? imageFolder = null)
    {
        _annotations = Find(path) ?? throw new InputException(
            $"{path}: there is no MS_CXR_Local_Alignment_v*.csv or .json; name the MS-CXR folder or its annotation file.");
        ImageFolder = imageFolder ?? Path.GetDirectoryName(Path.GetFullPath(_annotations))!;
    }

    /// <inheritdoc/>
    public string Source => "ms-cxr";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Refer;

    /// <inheritdoc/>
    public string ImageFolder { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [_annotations];

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read()
    {
        var boxes = new Dictionary<string, int>(); // boxes seen of each picture, for ids that both layouts share
        foreach (var sample in IsJson(_annotations) ? ReadJson() : ReadCsv())
        {
            var name = Path.GetFileNameWithoutExtension(sample.Image);
            var number = boxes[name] = boxes.GetValueOrDefault(name) + 1;
            var (patient, study) = ListedSample.Owner(sample.Image);
            yield return sample with { Id = $"{name}#{number}", Patient = patient, Study = study };
        }
    }

    /// <summary>The annotation file of a folder, or the file itself; null when there is none.</summary>
    internal static string? Find(string path)
    {
        if (File.Exists(path)) return path;
        if (!Directory.Exists(path)) return null;
        return Directory.EnumerateFiles(path, "MS_CXR_Local_Alignment*")
            .Where(file => IsJson(file) || file.Contains(".csv", StringComparison.OrdinalIgnoreCase))
            .OrderByDescending(ReleaseOf)
            .ThenBy(IsJson).ThenBy(file => file, StringComparer.Ordinal)
            .FirstOrDefault();
    }

    private static Version ReleaseOf(string file) =>
        Version.TryParse(Release().Match(Path.GetFileName(file)).Groups[1].Value, out var release) ? release : new Version();

    [GeneratedRegex(@"v(\d+\.\d+\.\d+)")] private static partial Regex Release();

    private static bool IsJson(string path) =>
        path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".json.gz", StringComparison.OrdinalIgnoreCase);

    private IEnumerable<ListedSample> ReadCsv()
    {
        foreach (var row in CsvTable.Read(_annotations, ',', Columns))
        {
            yield return new ListedSample
            {
                Id = Unnumbered,
                Image = row["path"],
                Text = row["label_text"],
                Place = row.Place,
                Width = row.Pixels("image_width"),
                Height = row.Pixels("image_height"),
                Boxes = [Box.FromXywh(row.Number("x"), row.Number("y"), row.Number("w"), row.Number("h"))],
                Class = row["category_name"],
                Split = SplitNames.Find(row.Find("split")),
            };
        }
    }

    private IEnumerable<ListedSample> ReadJson()
    {
        var images = new Dictionary<string, (string Path, int? Width, int? Height, Split? Split)>();
        var classes = new Dictionary<string, string>();
        var annotations = new List<(string Id, string Image, string Category, string Text, Box Box, Split? Split)>();
        foreach (var part in JsonItems.Read(_annotations))
        {
            if (part.Value.ValueKind != JsonValueKind.Array) continue;
            foreach (var item in part.Value.EnumerateArray())
            {
                var id = JsonItem.TextOf(item, "id") ?? "";
                switch (part.Key)
                {
                    case "images":
                        var path = JsonItem.TextOf(item, "path", "file_name") ?? "";
                        images[id] = (path, Pixels(item, "width"), Pixels(item, "height"),
                            SplitNames.Find(JsonItem.TextOf(item, "split")));
                        break;
                    case "categories":
                        classes[id] = JsonItem.TextOf(item, "name") ?? "";
                        break;
                    case "annotations":
                        annotations.Add((id, JsonItem.TextOf(item, "image_id") ?? "", JsonItem.TextOf(item, "category_id") ?? "",
                            JsonItem.TextOf(item, "label_text", "caption") ?? "", BoxOf(item),
                            SplitNames.Find(JsonItem.TextOf(item, "split"))));
                        break;
                }
            }
        }

        if (annotations.Count == 0 || images.Count == 0)
            throw new InputException($"{Privacy.Mask(_annotations)}: there are no 'annotations' or no 'images' in it; name MS-CXR's "
                + "COCO-like JSON file.");
        foreach (var (id, image, category, text, box, split) in annotations)
        {
            var place = $"{Privacy.Mask(_annotations)}, annotation {id}";
            if (!images.TryGetValue(image, out var picture))
                throw new InputException($"{place}: there is no image with id {image}; fetch the file again.");
            yield return new ListedSample
            {
                Id = Unnumbered,
                Image = picture.Path,
                Text = text,
                Place = place,
                Width = picture.Width,
                Height = picture.Height,
                Boxes = [box],
                Class = classes.GetValueOrDefault(category),
                Split = split ?? picture.Split,
            };
        }
    }

    private static int? Pixels(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var pixels)
            && pixels > 0 ? pixels : null;

    private static Box BoxOf(JsonElement item)
    {
        if (!item.TryGetProperty("bbox", out var bbox) || bbox.ValueKind != JsonValueKind.Array || bbox.GetArrayLength() != 4)
            return new Box(double.NaN, double.NaN, double.NaN, double.NaN);
        var xywh = bbox.EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Number ? v.GetDouble() : double.NaN).ToArray();
        return Box.FromXywh(xywh[0], xywh[1], xywh[2], xywh[3]);
    }
}
