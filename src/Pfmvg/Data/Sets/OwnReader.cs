using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>
/// A user's own file of pictures, phrases and boxes. A picture's path starts at the file's folder, else at the image folder
/// that is named; then it must end inside that one, links followed. Without one it may lie anywhere.
/// </summary>
internal sealed class OwnReader : IDataSetReader
{
    /// <summary>The forms that are read.</summary>
    public static readonly string[] Formats = ["jsonl", "coco", "imagefolder", "ms-swift", "llamafactory", "llava", "llava-padded", "trl"];

    /// <summary>How a phrase stands in a question, unless it is said.</summary>
    public const string UsualQuestion = "Where is {phrase}?";

    private readonly TextRepairs _repairs = new();
    private readonly List<string> _notes = [];
    private readonly string _file, _format, _question, _home;
    private readonly string? _named;
    private readonly Coordinates? _coordinates;
    private readonly Lazy<(string Root, List<ListedSample> Samples)> _read;

    /// <summary>Names the file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="format">One of <see cref="Formats"/>.</param>
    /// <param name="imageFolder">Where pictures lie that are not found from the file's folder; null: nowhere else.</param>
    /// <param name="coordinates">What the numbers of boxes mean; null: pixels, left, top, right, bottom.</param>
    /// <param name="question">How the phrase stands in the questions of a chat format; null: as in <see cref="UsualQuestion"/>.</param>
    /// <exception cref="InputException">There is no such file, format or folder, or the coordinates are not to be chosen.</exception>
    public OwnReader(string file, string? format, string? imageFolder = null, string? coordinates = null, string? question = null)
    {
        if (!File.Exists(file)) throw new InputException($"{file}: there is no such file; name your list with --own.");
        if (!Formats.Contains(format))
            throw new InputException($"--own {file}: say what form it has with '--format', one of {string.Join(", ", Formats)}.");
        if (imageFolder is not null && !Directory.Exists(imageFolder))
            throw new InputException($"--images own={imageFolder}: there is no such folder; check the path.");
        if (coordinates is not null && format is "coco" or "imagefolder")
            throw new InputException($"--coordinates {coordinates}: boxes of the format {format} are x, y, width, height in pixels; "
                + "leave the option out.");
        (_file, _format, _named) = (file, format!, imageFolder is null ? null : ImageRoot.RealPath(Path.GetFullPath(imageFolder)));
        _home = ImageRoot.RealPath(Path.GetDirectoryName(Path.GetFullPath(file))!);
        _question = question ?? UsualQuestion;
        if (format == "llava" && Path.GetFileName(file).Contains("padded", StringComparison.OrdinalIgnoreCase))
            throw new InputException($"{file}: its name says that its boxes are of padded pictures; read it with '--format llava-padded', "
                + "or give it another name.");
        _coordinates = coordinates is null ? null : Coordinates.Parse(coordinates);
        _read = new(Load);
    }

    /// <inheritdoc/>
    public string Source => "own";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Refer;

    /// <inheritdoc/>
    public string ImageFolder => _read.Value.Root;

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [_file];

    /// <inheritdoc/>
    public bool KeepsItsSplit => _read.Value.Samples.Exists(sample => sample.Split is not null);

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes => [.. _repairs.Notes, .. _notes];

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read() => _read.Value.Samples;

    private (string Root, List<ListedSample> Samples) Load()
    {
        var listed = (_format switch
        {
            "coco" => OwnLists.Coco(_file, _repairs, _notes),
            "imagefolder" => OwnLists.ImageFolder(_file, _repairs),
            not "jsonl" => new OwnChats(_format, _question, _coordinates).Read(_file, _repairs),
            _ => OwnLists.Lines(_file, _repairs, _coordinates ?? new Coordinates(null, BoxLayout.Xyxy), _notes),
        }).ToList();
        if (listed.Count == 0) throw new InputException($"{_file}: there is no sample in it; check that it is the right file and format.");
        if (listed.TrueForAll(sample => sample.Patient is null))
            _notes.Add("own names no patients: every picture counts as a patient of its own.");

        var found = listed.Select(sample => sample.Image).Distinct().ToDictionary(path => path, Find);
        var root = _named ?? CommonFolder([.. found.Values.Where(picture => picture.Problem is null).Select(picture => picture.Path)]);
        var seen = new Dictionary<string, int>();
        return (root, listed.ConvertAll(sample =>
        {
            var (path, problem) = found[sample.Image];
            var image = problem is null ? Path.GetRelativePath(root, path) : "../" + Path.GetFileName(sample.Image);
            var number = seen[image] = seen.GetValueOrDefault(image) + 1;
            return sample with
            {
                Id = sample.Id.Length > 0 ? sample.Id : $"{Stem(image)}#{number}",
                Image = image,
                Problem = sample.Problem ?? problem,
            };
        }));
    }

    // DICOM files are often named by numbers with dots, of which the last is no extension.
    private static string Stem(string image) => Path.GetExtension(image) is [_, .. var ending] && ending.All(char.IsAsciiDigit)
        ? image : Path.ChangeExtension(image, null);

    /// <summary>The full path of a picture with its links followed, or why it is refused.</summary>
    private (string Path, string? Problem) Find(string path)
    {
        if (path.Length == 0) return ("", "the picture's path is empty");
        if (path.Contains("://", StringComparison.Ordinal) || path.StartsWith("data:", StringComparison.Ordinal))
            return ("", "the picture is an address or stands in the text; pictures must be files");
        if (path.Contains('\\', StringComparison.Ordinal) || path.Contains('\0', StringComparison.Ordinal))
            return ("", "the picture's path must have '/' between folders");
        var places = new[] { _home, _named }.OfType<string>().Select(folder => Path.GetFullPath(Path.Combine(folder, path))).ToList();
        var full = places.Find(File.Exists) is { } there ? RealPath(there) : places[^1];
        return full is null ? ("", "a link in the picture's path cannot be followed")
            : _named is not null && !Inside(_named, full) ? ("", $"the picture lies outside {_named}, which --images names")
            : (full, null);
    }

    private static string? RealPath(string path)
    {
        try
        {
            return ImageRoot.RealPath(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static bool Inside(string folder, string path) =>
        path.StartsWith(folder.TrimEnd('/') + "/", StringComparison.Ordinal);

    /// <summary>The file's folder where all pictures lie in or below it, else the deepest folder that holds them all.</summary>
    private string CommonFolder(List<string> paths)
    {
        if (paths.TrueForAll(path => Inside(_home, path))) return _home;
        var folder = Path.GetDirectoryName(paths[0])!;
        while (!paths.TrueForAll(path => Inside(folder, path))) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
