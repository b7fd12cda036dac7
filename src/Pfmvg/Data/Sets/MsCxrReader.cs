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

    private static readonly Dictionary<string, string> Classes =
        DataSetManifest.Load("ms-cxr").Classes.Keys.ToDictionary(Letters, name => name);

    private readonly TextRepairs _repairs = new();
    private readonly Dictionary<string, string> _respelled = [];
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
    public IReadOnlyList<string> Notes =>
    [
        .. _repairs.Notes,
        .. _respelled.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"The class '{pair.Key}' is read as {pair.Value}."),
    ];

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read()
    {
        var pictures = new Dictionary<string, (string Image, string Place)>();
        var boxes = new Dictionary<string, int>(); // boxes seen of each picture, for ids that both layouts share
        foreach (var sample in DataFile.IsJson(_annotations) ? ReadJson() : ReadCsv())
        {
            var name = Path.GetFileNameWithoutExtension(sample.Image);
            var elsewhere = !pictures.TryAdd(name, (sample.Image, sample.Place)) && pictures[name].Image != sample.Image;
            var number = boxes[name] = boxes.GetValueOrDefault(name) + 1;
            var (patient, study) = ListedSample.Owner(sample.Image);
            yield return sample with
            {
                Id = $"{name}#{number}",
                Patient = patient,
                Study = study,
                Class = Spelled(sample.Class),
                Problem = sample.Problem ?? (!elsewhere ? null
                    : $"the picture {name} lies at another path than at {pictures[name].Place}; a dicom_id names one picture"),
            };
        }
    }

    /// <summary>The annotation file of a folder, or the file itself; null when there is none.</summary>
    internal static string? Find(string path)
    {
        if (File.Exists(path)) return path;
        if (!Directory.Exists(path)) return null;
        return Directory.EnumerateFiles(path, "MS_CXR_Local_Alignment*")
            .Where(file => DataFile.IsJson(file) || file.Contains(".csv", StringComparison.OrdinalIgnoreCase))
            .OrderByDescending(ReleaseOf)
            .ThenBy(DataFile.IsJson).ThenBy(file => file, StringComparer.Ordinal)
            .FirstOrDefault();
    }

    // Copies of the table write the classes with other capitals, or underscores for spaces.
    private string? Spelled(string? name)
    {
        if (name is null || Classes.ContainsValue(name) || Classes.GetValueOrDefault(Letters(name)) is not { } known) return name;
        lock (_respelled) _respelled[name] = known;
        return known;
    }

    private static string Letters(string name) => string.Concat(name.Where(char.IsLetter)).ToLowerInvariant();

    private static Version ReleaseOf(string file) =>
        Version.TryParse(Release().Match(Path.GetFileName(file)).Groups[1].Value, out var release) ? release : new Version();

    [GeneratedRegex(@"v(\d+\.\d+\.\d+)")] private static partial Regex Release();

    private IEnumerable<ListedSample> ReadCsv()
    {
        foreach (var row in CsvTable.Read(_annotations, _repairs, Columns))
        {
            var (image, dicom) = (CaptionList.ImagePath(row["path"]), row["dicom_id"]);
            yield return new ListedSample
            {
                Id = Unnumbered,
                Image = image,
                Problem = row.Problem is { } problem ? problem
                    : SplitNames.IsUnknown(row.Find("split")) ? "the split is unknown; write train, validate or test"
                    : string.IsNullOrWhiteSpace(dicom) ? "the dicom_id is blank"
                    : dicom != Path.GetFileNameWithoutExtension(image) ? "the dicom_id is not that of the picture in the path" : null,
                Text = row["label_text"],
                Place = row.Place,
                Width = row.Pixels("image_width"),
                Height = row.Pixels("image_height"),
                Boxes = [Box.FromXywh(row.Number("x"), row.Number("y"), row.Number("w"), row.Number("h"))],
                AnyEdition = true,
                Class = row["category_name"],
                Split = SplitNames.Find(row.Find("split")),
            };
        }
    }

    private IEnumerable<ListedSample> ReadJson()
    {
        var file = CocoFile.Read(_annotations, _repairs);
        if (file.Annotations.Count == 0 || file.Images.Count == 0)
            throw new InputException($"{Privacy.Mask(_annotations)}: there are no 'annotations' or no 'images' in it; "
                + "name MS-CXR's COCO-like JSON file.");
        foreach (var annotation in file.Annotations)
        {
            var picture = file.ImageOf(annotation);
            yield return new ListedSample
            {
                Id = Unnumbered,
                Image = CaptionList.ImagePath(picture.Path),
                Text = annotation.Text ?? "",
                Place = $"{Privacy.Mask(_annotations)}, annotation {annotation.Id}",
                Width = picture.Width,
                Height = picture.Height,
                Boxes = [annotation.Box ?? new Box(double.NaN, double.NaN, double.NaN, double.NaN)],
                AnyEdition = true,
                Class = file.Categories.GetValueOrDefault(annotation.Category),
                Split = annotation.Split ?? picture.Split,
            };
        }
    }
}
