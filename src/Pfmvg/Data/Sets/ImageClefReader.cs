using Pfmvg.Data.Files;

namespace Pfmvg.Data.Sets;

/// <summary>
/// ImageCLEFmedical 2022, caption prediction: `caption_prediction_{train,valid}.csv` (separated by tabs) beside the folders of
/// pictures, or a JSON list of {image, caption}.
/// </summary>
public sealed class ImageClefReader : IDataSetReader
{
    private const string Pattern = "caption_prediction_*.csv";

    private readonly TextRepairs _repairs = new();
    private readonly EmptyLists _empty = new();
    private readonly List<(string File, Split? Split)> _files;

    /// <summary>Finds the caption files.</summary>
    /// <param name="path">The folder that holds them, or one of them, or a JSON list.</param>
    /// <param name="imageFolder">The folder that holds the pictures or the folders of pictures; null: where the captions are.</param>
    /// <exception cref="InputException">There are no captions.</exception>
    public ImageClefReader(string path, string? imageFolder = null)
    {
        _files = File.Exists(path) ? [(path, CaptionList.SplitOfName(path))]
            : !Directory.Exists(path) ? []
            : [.. Directory.EnumerateFileSystemEntries(path, Pattern).Where(DataFile.Exists)
                .Select(file => (file, CaptionList.SplitOfName(file)))
                .OrderBy(file => file.Item2), .. Lists(path)];
        if (_files.Count == 0)
            throw new InputException($"{path}: there is no {Pattern} and no JSON list; name ImageCLEF's folder or its JSON file.");
        ImageFolder = imageFolder ?? Path.GetDirectoryName(Path.GetFullPath(_files[0].File))!;

        static List<(string File, Split? Split)> Lists(string path) => IsRoot(path) ? [] : CaptionList.Find(path);
    }

    /// <inheritdoc/>
    public string Source => "imageclef-2022";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Caption;

    /// <inheritdoc/>
    public string ImageFolder { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [.. _files.Select(file => file.File)];

    /// <summary>Whether a folder holds the caption files.</summary>
    internal static bool IsRoot(string path) => Directory.EnumerateFiles(path, Pattern).Any();

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes => [.. _repairs.Notes, .. _empty.Notes];

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read() => _files.SelectMany(part => _empty.Watch(part.File,
        DataFile.IsJson(part.File) ? CaptionList.Read(part.File, part.Split, _repairs)
            : ReadTable(part.File, part.Split)));

    private IEnumerable<ListedSample> ReadTable(string file, Split? split)
    {
        string? folder = null;
        foreach (var (values, place) in TsvTable.Read(file, _repairs, "ID", "caption"))
        {
            var (id, caption) = (values[0], values[1]);
            folder ??= FolderOf(file, split);
            yield return new ListedSample { Id = id, Image = $"{folder}{id}.jpg", Text = caption, Place = place, Split = split };
        }
    }

    /// <summary>
    /// The folder of a split's pictures with its '/', found by looking for the first ones; empty: the image folder
    /// itself.
    /// </summary>
    private string FolderOf(string file, Split? split)
    {
        var first = TsvTable.Read(file, _repairs, "ID").Take(100).Select(row => row.Values[0] + ".jpg").ToList();
        var folders = !Directory.Exists(ImageFolder) ? [] : Directory.EnumerateDirectories(ImageFolder).Order(StringComparer.Ordinal)
            .SelectMany(folder => Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal).Prepend(folder))
            .Select(folder => Path.GetRelativePath(ImageFolder, folder) + "/").Take(1000).Prepend("").ToList();
        return folders.Find(folder => first.Any(name => File.Exists(Path.Join(ImageFolder, folder, name))))
            ?? (split == Split.Validate ? "valid/" : "train/");
    }
}
