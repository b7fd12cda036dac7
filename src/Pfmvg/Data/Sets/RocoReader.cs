using Pfmvg.Data.Files;

namespace Pfmvg.Data.Sets;

/// <summary>
/// ROCO v1: `captions.txt` in `[data/]{train,validation,test}/{radiology,non-radiology}`, the mirror's CSV files in the same
/// folders, or a JSON list of {image, caption}.
/// </summary>
public sealed class RocoReader : IDataSetReader
{
    private static readonly (string Folder, string Csv, Split Split)[] Parts =
        [("train", "traindata.csv", Split.Train), ("validation", "valdata.csv", Split.Validate), ("test", "testdata.csv", Split.Test)];

    private readonly TextRepairs _repairs = new();
    private readonly EmptyLists _empty = new();
    private readonly string _root;
    private readonly List<(string File, Split? Split)> _files;

    /// <summary>Finds the caption files.</summary>
    /// <param name="path">The folder that holds `data`, or `train` and so on; or a JSON list.</param>
    /// <param name="imageFolder">The folder that the pictures' paths start from; null: where the captions are.</param>
    /// <param name="nonRadiology">Also the pictures that ROCO files under `non-radiology`.</param>
    /// <exception cref="InputException">There are no captions.</exception>
    public RocoReader(string path, string? imageFolder = null, bool nonRadiology = false)
    {
        (_root, _files) = Find(path, nonRadiology) is { Files.Count: > 0 } found ? found : throw new InputException(
            $"{path}: there is no train/radiology/captions.txt, traindata.csv or JSON list; name ROCO's folder or its JSON file.");
        ImageFolder = imageFolder ?? _root;
    }

    /// <inheritdoc/>
    public string Source => "roco";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Caption;

    /// <inheritdoc/>
    public string ImageFolder { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [.. _files.Select(file => file.File)];

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes => [.. _repairs.Notes, .. _empty.Notes];

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read() => _files.SelectMany(part => _empty.Watch(part.File,
        DataFile.IsJson(part.File) ? CaptionList.Read(part.File, part.Split, _repairs)
        : part.File.EndsWith(".csv", StringComparison.OrdinalIgnoreCase) ? ReadCsv(part.File, part.Split)
        : ReadText(part.File, part.Split)));

    /// <summary>Whether a folder has ROCO's own layout (JSON lists are only taken when they are named).</summary>
    internal static bool IsRoot(string path) => new[] { "", "data", "all_data" }.Any(below => Parts.Any(part =>
        Directory.Exists(Path.Combine(path, below, part.Folder, "radiology"))));

    /// <summary>Where the pictures' paths start and the caption files of a folder; null when it is not ROCO's.</summary>
    internal static (string Root, List<(string File, Split? Split)> Files)? Find(string path, bool nonRadiology)
    {
        if (File.Exists(path)) return (Path.GetDirectoryName(Path.GetFullPath(path))!, [(path, CaptionList.SplitOfName(path))]);
        foreach (var root in new[] { path, Path.Combine(path, "data"), Path.Combine(path, "all_data") })
        {
            var files = new List<(string, Split?)>();
            foreach (var kind in nonRadiology ? new[] { "radiology", "non-radiology" } : ["radiology"])
                foreach (var (folder, csv, split) in Parts)
                    if (new[] { "captions.txt", csv }.Select(name => Path.Combine(root, folder, kind, name))
                        .FirstOrDefault(DataFile.Exists) is { } file)
                        files.Add((file, split));
            if (files.Count > 0) return (root, [.. files.OrderBy(file => file.Item2)]);
        }

        var lists = CaptionList.Find(path);
        return lists.Count > 0 ? (path, lists) : null;
    }

    private IEnumerable<ListedSample> ReadText(string file, Split? split)
    {
        foreach (var line in DataFile.Lines(file, _repairs))
        {
            if (string.IsNullOrWhiteSpace(line.Text)) continue;
            var tab = line.Text.IndexOf('\t', StringComparison.Ordinal);
            var place = $"{file}:{line.Number}";
            var name = tab < 0 ? "" : line.Text[..tab].Trim();
            yield return name.Length > 0 ? Listed(file, split, name, name + ".jpg", line.Text[(tab + 1)..].Trim(), place) : new ListedSample
            {
                // What the line holds may be a caption, which belongs into no message.
                Id = $"line {line.Number} of {Path.GetRelativePath(_root, file)}",
                Image = "",
                Text = "",
                Place = place,
                Split = split,
                Problem = tab < 0 ? "the line has no tab between name and caption" : "the line has no name before the tab",
            };
        }
    }

    private IEnumerable<ListedSample> ReadCsv(string file, Split? split)
    {
        foreach (var row in CsvTable.Read(file, _repairs, "id", "name", "caption"))
            yield return Listed(file, split, row["id"], row["name"], row["caption"], row.Place) with { Problem = row.Problem };
    }

    private ListedSample Listed(string file, Split? split, string id, string picture, string caption, string place) => new()
    {
        Id = id,
        Image = Path.GetRelativePath(_root, Path.GetDirectoryName(Path.GetFullPath(file))!) + "/images/" + picture,
        Text = caption,
        Place = place,
        Split = split,
    };
}
