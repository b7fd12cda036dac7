using System.Text.Json;
using System.Text.Json.Serialization;
using Pfmvg.Data.Files;

namespace Pfmvg.Data.Preparation;

/// <summary>A folder of manifests that <see cref="DataPreparation"/> wrote.</summary>
public sealed class PreparedData
{
    private const string Description = OutputFolder.Description;
    private const int Version = 1;

    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly IReadOnlyDictionary<string, ImageRoot> _roots;
    private readonly HashSet<string> _synthetic;

    private PreparedData(string folder, IReadOnlyDictionary<string, ImageRoot> roots, HashSet<string> synthetic) =>
        (Folder, _roots, _synthetic) = (folder, roots, synthetic);

    /// <summary>The data sets whose phrases are read, by their names; empty reads all. Captions are not concerned.</summary>
    private List<string> PhraseSets { get; init; } = [];

    /// <summary>Of which data sets phrases are read, for messages; empty where of all.</summary>
    internal string Chosen => PhraseSets.Count == 0 ? "" : $" of {string.Join(", ", PhraseSets)} (data.phrase_sets)";

    /// <summary>The folder of the manifests.</summary>
    public string Folder { get; }

    /// <summary>Whether pictures of these data were drawn by a program: scores on them are not clinical scores.</summary>
    public bool IsSynthetic => _synthetic.Count > 0;

    /// <summary>Where the data are and what they are, in a few words.</summary>
    internal string Title => $"{Path.GetFullPath(Folder)}: "
        + string.Join(", ", _roots.Keys.Select(source => _synthetic.Contains(source) ? $"{source} (synthetic phantoms)" : source))
        + (PhraseSets.Count == 0 ? "" : $"; phrases{Chosen}");

    /// <summary>The image folder of each data set.</summary>
    public IReadOnlyDictionary<string, string> Roots => _roots.ToDictionary(root => root.Key, root => root.Value.Folder);

    /// <summary>Opens a prepared folder.</summary>
    /// <param name="folder">The folder that holds `prepared.json`.</param>
    /// <param name="rootOverrides">Image folders by data set name, where they have moved since; a relative path starts
    /// at the current folder.</param>
    /// <exception cref="InputException">The folder was not prepared, or an image folder is not there.</exception>
    public static PreparedData Open(string folder, IReadOnlyDictionary<string, string>? rootOverrides = null)
    {
        var path = Path.Combine(folder, Description);
        if (!OutputFolder.IsPrepared(folder))
            throw new InputException($"{folder}: there is no {Description}, so no data were prepared here; "
                + $"run 'pfmvg data prepare --out {folder}' first.");
        var description = Describe(folder);
        if (description.Integer("version") != Version || description.Section("roots") is not { } known)
            throw description.Wrong("the description of the prepared data is of another version");
        var roots = known.Element.EnumerateObject().ToDictionary(root => root.Name, root => RootOf(known, root.Name));
        // Descriptions of earlier versions do not tell phantoms.
        var drawn = description.Find("synthetic") is null
            ? roots.Where(root => PhantomMark.IsIn(root.Value)).Select(root => root.Key).ToHashSet()
            : description.Texts("synthetic").ToHashSet();
        foreach (var (source, root) in rootOverrides ?? new Dictionary<string, string>())
        {
            if (!roots.ContainsKey(source))
                throw new InputException($"{path}: there is no data set '{source}' to give another image folder; "
                    + $"it has {string.Join(", ", roots.Keys)}.");
            roots[source] = root;
        }

        return new PreparedData(folder, roots.ToDictionary(root => root.Key, root => new ImageRoot(root.Value)), drawn);
    }

    /// <summary>The same data, of which only some data sets' phrases are read.</summary>
    /// <param name="sets">Their names; none stands for all.</param>
    /// <exception cref="InputException">One of them is not prepared.</exception>
    internal PreparedData WithPhrasesOf(IEnumerable<string> sets)
    {
        List<string> names = [.. sets.Select(name => name.Replace('_', '-')).Distinct()];
        return names.Find(name => !_roots.ContainsKey(name)) is { } unknown
            ? throw new InputException($"{Path.Combine(Folder, Description)}: data.phrase_sets names the data set '{unknown}', which is "
                + $"not among those that are prepared: {string.Join(", ", _roots.Keys)}.")
            : new PreparedData(Folder, _roots, _synthetic) { PhraseSets = names };
    }

    /// <summary>The description of a folder as it stands there.</summary>
    /// <exception cref="InputException">It cannot be read.</exception>
    internal static JsonInput Describe(string folder) =>
        JsonInput.File(Path.Combine(folder, Description), "prepare the data again with 'pfmvg data prepare'").Object();

    private static string RootOf(JsonInput roots, string source) => roots.Text(source) is { Length: > 0 } root && !root.Contains('\0')
        ? root : throw roots.Wrong($"'{source}' must be the path of a folder");

    /// <summary>Reads and checks a manifest; empty when there is none for this task and split.</summary>
    /// <exception cref="InputException">A line is wrong: the message has its number.</exception>
    public IReadOnlyList<Sample> Read(SampleTask task, Split split)
    {
        var path = Path.Combine(Folder, Manifest.FileName(task, split));
        if (!File.Exists(path) || new FileInfo(path).Length == 0) return [];
        var samples = Manifest.Read(path, task)
            .Select(sample => sample.Synthetic || !_synthetic.Contains(sample.Source) ? sample : sample with { Synthetic = true }).ToList();
        return samples.Find(sample => !_roots.ContainsKey(sample.Source)) is { } stray
            ? throw new InputException($"{path}: the data set '{stray.Source}' of sample {stray.Id} has no image folder in "
                + $"{Description}; prepare the data again.")
            : PhraseSets.Count == 0 || task == SampleTask.Caption ? samples : samples.FindAll(sample => PhraseSets.Contains(sample.Source));
    }

    /// <summary>The full path of a sample's picture.</summary>
    /// <exception cref="InputException">The path leaves the data set's image folder.</exception>
    public string ImagePath(Sample sample)
    {
        var path = _roots[sample.Source].Resolve(sample.Image, out var problem);
        return problem is null ? path : throw new InputException($"{Privacy.Mask(sample.Image)}: {problem}; prepare the data again.");
    }

    /// <summary>The full path of the picture of a sample that an answer names; null where there is none, or it may not be read.</summary>
    /// <param name="id">Begins with the data set.</param>
    /// <param name="image">From its image folder.</param>
    internal string? FindPicture(string id, string image) => _roots.TryGetValue(id.Split('/')[0], out var root)
        && root.Find(image, out var problem) is var path && problem is null ? path : null;

    /// <summary>Writes the description beside the manifests.</summary>
    internal static void WriteDescription(
        string folder, PrepareOptions options, IReadOnlyDictionary<string, string> roots, IReadOnlySet<string> synthetic,
        IReadOnlyDictionary<string, long> samples, IReadOnlyDictionary<string, SourceCounts> sources, IReadOnlyList<string> notes) =>
        AtomicFile.WriteText(Path.Combine(folder, Description), JsonSerializer.Serialize(new
        {
            Version,
            Synthetic = synthetic.Count > 0 ? synthetic.Order(StringComparer.Ordinal) : null,
            options.Seed,
            Options = options with { Output = "." },
            Roots = roots,
            Counts = samples,
            Sources = sources,
            Notes = notes,
        }, Options) + "\n");
}
