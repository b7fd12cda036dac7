using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>
/// Chest ImaGenome: anatomical regions of MIMIC-CXR's pictures, found by a program (`silver_dataset/scene_graph`) and drawn by
/// people (`gold_dataset/gold_bbox_coordinate_annotations_1000images.csv`, taken as test). `splits/images_to_avoid.csv` is left
/// out of the former. The `original_*` coordinates are used, the others are of a picture of 224 x 224.
/// </summary>
internal sealed class ImaGenomeReader : IDataSetReader
{
    private const string Gold = "gold_bbox_coordinate_annotations_1000images.csv";

    private static readonly string[] Edges = ["original_x1", "original_y1", "original_x2", "original_y2"];

    private readonly TextRepairs _repairs = new();
    private readonly string _graphs, _splits;
    private readonly string? _gold;
    private long _avoided, _without;

    /// <summary>Finds the files.</summary>
    /// <param name="path">The data set's folder, which holds `silver_dataset` and `gold_dataset`.</param>
    /// <param name="imageFolder">The folder whose `files` holds MIMIC-CXR-JPG's pictures; null: the data set's.</param>
    /// <exception cref="InputException">There are no such files.</exception>
    public ImaGenomeReader(string path, string? imageFolder = null)
    {
        _graphs = Path.Combine(path, "silver_dataset", "scene_graph");
        _splits = Path.Combine(path, "silver_dataset", "splits");
        if (!Directory.Exists(_graphs))
            throw new InputException($"{_graphs}: there is no such folder; name Chest ImaGenome's folder, and unpack "
                + "scene_graph.zip in its silver_dataset.");
        foreach (var name in new[] { "train", "valid", "test", "images_to_avoid" })
            if (!File.Exists(Path.Combine(_splits, name + ".csv")))
                throw new InputException($"{Path.Combine(_splits, name + ".csv")}: there is no such file; fetch it from Chest ImaGenome.");
        var gold = Path.Combine(path, "gold_dataset", Gold);
        _gold = File.Exists(gold) ? gold : null;
        ImageFolder = imageFolder ?? path;
    }

    /// <inheritdoc/>
    public string Source => "chest-imagenome";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Refer;

    /// <inheritdoc/>
    public string ImageFolder { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [.. new[] { Path.Combine(_splits, "train.csv"), _gold }.OfType<string>()];

    /// <inheritdoc/>
    public bool KeepsItsSplit => true;

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes =>
    [
        .. _repairs.Notes,
        "chest-imagenome has no phrases: its regions' names are the prompts.",
        $"{Units.Count(_avoided)} pictures of chest-imagenome are in images_to_avoid.csv, and their scene graphs are left out.",
        .. _without == 0 ? Array.Empty<string>() : [$"{Units.Count(_without)} pictures of chest-imagenome's splits have no scene graph."],
    ];

    /// <summary>Whether a folder is the data set's.</summary>
    internal static bool IsRoot(string path) => Directory.Exists(Path.Combine(path, "silver_dataset", "scene_graph"));

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read()
    {
        (_avoided, _without) = (0, 0);
        var (avoided, pictures) = (new HashSet<string>(), new Dictionary<string, ListedSample>());
        foreach (var picture in Table("images_to_avoid", null))
        {
            if (picture.Problem is not null) yield return picture;
            else if (avoided.Add(picture.Id)) pictures.Add(picture.Id, picture);
        }

        foreach (var (name, split) in new[] { ("train", Split.Train), ("valid", Split.Validate), ("test", Split.Test) })
        {
            foreach (var picture in Table(name, split))
            {
                var graph = Path.Combine(_graphs, picture.Id + "_SceneGraph.json");
                if (picture.Problem is not null) yield return picture;
                else if (avoided.Contains(picture.Id)) _avoided++;
                else if (!pictures.TryAdd(picture.Id, picture))
                    yield return picture with
                    {
                        Id = Path.GetFileName(picture.Place),
                        Problem = $"the picture stands at {pictures[picture.Id].Place}, too",
                    };
                else if (!File.Exists(graph)) _without++;
                else foreach (var region in Regions(graph, picture)) yield return region;
            }
        }

        if (_gold is null) yield break;
        foreach (var row in CsvTable.Read(_gold, _repairs, ["image_id", "bbox_name", .. Edges]))
        {
            // A path is no name: its last part must not be taken for a picture that it may not be.
            var name = row["image_id"];
            var picture = pictures.GetValueOrDefault(name.EndsWith(".dcm", StringComparison.OrdinalIgnoreCase) ? name[..^4] : name);
            var box = new Box(row.Number(Edges[0]), row.Number(Edges[1]), row.Number(Edges[2]), row.Number(Edges[3]));
            yield return picture is not null
                ? Region(picture with { Split = Split.Test, Problem = row.Problem }, row["bbox_name"], box, row.Place, "gold/")
                : new ListedSample
                {
                    Id = Path.GetFileName(row.Place),
                    Image = "",
                    Text = "",
                    Place = row.Place,
                    Split = Split.Test,
                    Problem = "the picture is in none of splits/*.csv",
                };
        }
    }

    /// <summary>The regions of one picture; a graph that is broken is one wrong entry.</summary>
    private List<ListedSample> Regions(string graph, ListedSample picture)
    {
        var (regions, file) = (new List<ListedSample>(), Privacy.Mask(graph));
        try
        {
            foreach (var list in JsonItems.Read(graph, _repairs).Where(list => list.Key == "objects"))
            {
                if (list.Value.ValueKind != JsonValueKind.Array) throw new InputException($"{file}: 'objects' is no list.");
                foreach (var (index, item) in list.Value.EnumerateArray().Index())
                {
                    var edges = Edges.Select(edge => item.Member(edge) is { ValueKind: JsonValueKind.Number } number
                        ? number.GetDouble() : double.NaN).ToArray();
                    regions.Add(Region(picture, item.TextOf("bbox_name") ?? "", new Box(edges[0], edges[1], edges[2], edges[3]),
                        $"{file}, objects[{index}]", ""));
                }
            }

            return regions;
        }
        catch (InputException e)
        {
            return [picture with { Place = file, Problem = e.Message[(file.Length + 2)..].Split(';')[0].TrimEnd('.') }];
        }
    }

    private static ListedSample Region(ListedSample picture, string name, Box box, string place, string kind) => picture with
    {
        Id = $"{kind}{picture.Id}#{name}",
        Text = name,
        Class = name,
        Place = place,
        Boxes = [box],
        ToPixels = AsListed,
        Problem = picture.Problem ?? (name.Length == 0 ? "the region has no 'bbox_name'" : null),
    };

    private static Box AsListed(Box box, int width, int height) => box;

    /// <summary>The pictures of one table, without regions.</summary>
    private IEnumerable<ListedSample> Table(string name, Split? split)
    {
        foreach (var row in CsvTable.Read(Path.Combine(_splits, name + ".csv"), _repairs, "subject_id", "study_id", "dicom_id"))
        {
            string subject = row["subject_id"], study = row["study_id"], dicom = row["dicom_id"];
            var known = subject.Length >= 2 && subject.All(char.IsAsciiDigit) && study.Length > 0 && study.All(char.IsAsciiDigit)
                && ImageRoot.WrongName(dicom) is null && !dicom.Contains('/', StringComparison.Ordinal);
            yield return new ListedSample
            {
                Id = known ? dicom : Path.GetFileName(row.Place), // file and line
                Image = known ? $"files/p{subject[..2]}/p{subject}/s{study}/{dicom}.jpg" : "",
                Text = "",
                Place = row.Place,
                AnyEdition = true,
                Patient = "p" + subject,
                Study = "s" + study,
                Split = split,
                Problem = known ? row.Problem : "subject_id, study_id or dicom_id is none",
            };
        }
    }
}
