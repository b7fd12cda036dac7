using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>
/// VinDr-CXR: `annotations_train.csv` (image_id, rad_id, class_name, x_min, y_min, x_max, y_max; three readers a picture) and
/// `annotations_test.csv` (agreed on, without rad_id). One listed sample per picture and class, whose name is the phrase.
/// </summary>
internal sealed class VinDrReader : IDataSetReader
{
    private const string Nothing = "No finding";

    private readonly TextRepairs _repairs = new();
    private readonly EmptyLists _empty = new();
    private readonly List<(string File, Split Split)> _files = [];
    private readonly VinDrRule _rule;
    private long _drawn, _kept;

    /// <summary>Finds the annotations.</summary>
    /// <param name="path">The data set's folder, or its `annotations`.</param>
    /// <param name="imageFolder">The folder that the pictures lie in or below; null: the data set's.</param>
    /// <param name="rule">How the readers' boxes are merged; see <see cref="VinDrRule"/>.</param>
    /// <exception cref="InputException">There are no annotations, or the rule is none.</exception>
    public VinDrReader(string path, string? imageFolder = null, string rule = "union")
    {
        _rule = VinDrRule.Parse(rule);
        var folder = Find(path) ?? throw new InputException($"{path}: there is no annotations/annotations_train.csv or "
            + "annotations_test.csv; name VinDr-CXR's folder.");
        foreach (var (name, split) in new[] { ("train", Split.Train), ("test", Split.Test) })
            if (DataFile.Exists(Path.Combine(folder, $"annotations_{name}.csv")))
                _files.Add((Path.Combine(folder, $"annotations_{name}.csv"), split));
        ImageFolder = imageFolder ?? (Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)) == "annotations"
            ? Path.GetDirectoryName(Path.GetFullPath(Path.TrimEndingDirectorySeparator(folder)))! : folder);
    }

    /// <inheritdoc/>
    public string Source => "vindr-cxr";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Refer;

    /// <inheritdoc/>
    public string ImageFolder { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [.. _files.Select(file => file.File)];

    /// <inheritdoc/>
    public bool KeepsItsSplit => true;

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes =>
    [
        .. _repairs.Notes,
        .. _empty.Notes,
        "vindr-cxr has no phrases: its class names are the prompts.",
        $"Of vindr-cxr's training pictures, {_rule}{(_drawn > 0 ? $"; {Units.Count(_drawn)} boxes became {Units.Count(_kept)}" : "")}.",
        "vindr-cxr's boxes are in pixels of the original pictures, whose size its lists do not tell: resized pictures go unnoticed.",
        "vindr-cxr names no patients: every picture counts as a patient of its own.",
    ];

    /// <summary>The folder of the annotations; null when there is none.</summary>
    internal static string? Find(string path) => new[] { path, Path.Combine(path, "annotations") }.FirstOrDefault(folder =>
        File.Exists(Path.Combine(folder, "annotations_train.csv")) || File.Exists(Path.Combine(folder, "annotations_test.csv")));

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read()
    {
        (_drawn, _kept) = (0, 0);
        var pictures = new PictureIndex(ImageFolder);
        return _files.SelectMany(file => _empty.Watch(file.File, Read(file.File, file.Split, pictures)));
    }

    private IEnumerable<ListedSample> Read(string file, Split split, PictureIndex pictures)
    {
        // The rows of a picture need not follow each other.
        var found = new Dictionary<string, List<Annotation>>();
        foreach (var row in CsvTable.Read(file, _repairs, "image_id", "class_name", "x_min", "y_min", "x_max", "y_max"))
        {
            var name = row["image_id"];
            if (!found.TryGetValue(name, out var rows)) found[name] = rows = [];
            rows.Add(new Annotation(row["class_name"], row.Find("rad_id"), Edges(row), Size(row), row.Place, Problem(row, split)));
        }

        return found.SelectMany(picture => Samples(picture.Key, picture.Value, split, pictures));
    }

    private IEnumerable<ListedSample> Samples(string name, List<Annotation> rows, Split split, PictureIndex pictures)
    {
        string? problem = null;
        var path = name.Length == 0 ? "" : pictures.Find(name, out problem);
        var counted = split == Split.Test ? rows
            : rows.FindAll(row => _rule.Reader is null || row.Reader == _rule.Reader || row.Problem is not null);
        var classes = counted.Where(row => row.Class != Nothing).GroupBy(row => row.Class).ToList();
        var kept = 0;
        foreach (var group in classes)
        {
            var all = group.Where(row => row.Problem is null).Select(row => new ReaderBox(row.Reader ?? "", row.Box)).ToList();
            var boxes = split == Split.Test ? [.. all.Select(box => box.Box)] : _rule.Merge(all);
            if (_rule.Readers > 1 && split != Split.Test) (_drawn, _kept) = (_drawn + all.Count, _kept + boxes.Count);
            var wrong = group.FirstOrDefault(row => row.Problem is not null);
            if (boxes.Count == 0 && wrong is null) continue;
            kept++;
            yield return Sample(group.Key, wrong ?? group.First(), boxes);
        }

        // Nothing to be seen: as many readers say so as the rule asks for, and nobody's box counts.
        var clear = counted.FindAll(row => row.Class == Nothing);
        if (clear.Find(row => row.Problem is not null) is { } bad) yield return Sample(Nothing, bad, []);
        else if (kept == 0 && clear.Count > 0 && (classes.Count == 0
            || split != Split.Test && _rule.Readers > 1 && clear.Select(row => row.Reader).Distinct().Count() >= _rule.Readers))
            yield return Sample(Nothing, clear[0], []);

        ListedSample Sample(string finding, Annotation row, IReadOnlyList<Box> boxes) => new()
        {
            Id = $"{name}#{finding}",
            Image = path,
            Text = finding,
            Place = row.Place,
            Width = row.Size?.Width,
            Height = row.Size?.Height,
            Boxes = boxes,
            ToPixels = row.Size is null ? AsListed : null,
            Class = finding,
            Normal = finding == Nothing,
            Split = split,
            Problem = name.Length == 0 ? "the row has no 'image_id'" : problem ?? row.Problem,
        };
    }

    private static Box AsListed(Box box, int width, int height) => box;

    private static (int Width, int Height)? Size(CsvRow row) =>
        (row.Pixels("width"), row.Pixels("height")) is ({ } width, { } height) ? (width, height) : null;

    private static Box Edges(CsvRow row) => new(row.Number("x_min"), row.Number("y_min"), row.Number("x_max"), row.Number("y_max"));

    private static string? Problem(CsvRow row, Split split)
    {
        var (name, box) = (row["class_name"], Edges(row));
        return row.Problem is { } problem ? problem
            : name.Length == 0 ? "the row has no 'class_name'"
            : split == Split.Train && string.IsNullOrEmpty(row.Find("rad_id")) ? "the row has no 'rad_id', which names its reader"
            : name == Nothing ? (BoxRules.IsFinite(box) ? $"the row says '{Nothing}' and has a box" : null)
            : !BoxRules.IsFinite(box) ? "a box has an edge that is not a number"
            : box.Width < 0 || box.Height < 0 ? "the corners of a box are swapped"
            : box.IsEmpty ? "a box is empty" : null;
    }

    private sealed record Annotation(string Class, string? Reader, Box Box, (int Width, int Height)? Size, string Place, string? Problem);
}
