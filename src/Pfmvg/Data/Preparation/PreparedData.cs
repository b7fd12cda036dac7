using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Pfmvg.Data.Files;

namespace Pfmvg.Data.Preparation;

/// <summary>A folder of manifests that <see cref="DataPreparation"/> wrote.</summary>
public sealed class PreparedData
{
    private const string Description = "prepared.json";
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

    private PreparedData(string folder, IReadOnlyDictionary<string, ImageRoot> roots) => (Folder, _roots) = (folder, roots);

    /// <summary>The folder of the manifests.</summary>
    public string Folder { get; }

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
        if (!File.Exists(path))
            throw new InputException($"{folder}: there is no {Description}, so no data were prepared here; "
                + $"run 'pfmvg data prepare --out {folder}' first.");
        try
        {
            var description = JsonNode.Parse(File.ReadAllText(path)) as JsonObject;
            if (description?["roots"] is not JsonObject known || (int?)description["version"] != Version)
                throw Bad("is of another version");
            var roots = known.ToDictionary(root => root.Key, root => (string?)root.Value ?? "");
            foreach (var (source, root) in rootOverrides ?? new Dictionary<string, string>())
            {
                if (!roots.ContainsKey(source))
                    throw new InputException($"{path}: there is no data set '{source}' to give another image folder; "
                        + $"it has {string.Join(", ", roots.Keys)}.");
                roots[source] = root;
            }

            return new PreparedData(folder, roots.ToDictionary(root => root.Key, root => new ImageRoot(root.Value)));
        }
        catch (Exception e) when (
            e is JsonException or InvalidOperationException or FormatException or IOException or UnauthorizedAccessException)
        {
            throw Bad("cannot be read", e);
        }

        InputException Bad(string what, Exception? cause = null)
        {
            var sentence = $"{path}: the description of the prepared data {what}; prepare the data again with 'pfmvg data prepare'.";
            return cause is null ? new InputException(sentence) : new InputException(sentence, cause);
        }
    }

    /// <summary>Reads and checks a manifest; empty when there is none for this task and split.</summary>
    /// <exception cref="InputException">A line is wrong: the message has its number.</exception>
    public IReadOnlyList<Sample> Read(SampleTask task, Split split)
    {
        var path = Path.Combine(Folder, Manifest.FileName(task, split));
        if (!File.Exists(path) || new FileInfo(path).Length == 0) return [];
        var samples = Manifest.Read(path, task).ToList();
        return samples.Find(sample => !_roots.ContainsKey(sample.Source)) is { } stray
            ? throw new InputException($"{path}: the data set '{stray.Source}' of sample {stray.Id} has no image folder in "
                + $"{Description}; prepare the data again.")
            : samples;
    }

    /// <summary>The full path of a sample's picture.</summary>
    /// <exception cref="InputException">The path leaves the data set's image folder.</exception>
    public string ImagePath(Sample sample)
    {
        var path = _roots[sample.Source].Resolve(sample.Image, out var problem);
        return problem is null ? path : throw new InputException($"{Privacy.Mask(sample.Image)}: {problem}; prepare the data again.");
    }

    /// <summary>Takes the description away: from here on until it is written, the folder is not prepared.</summary>
    internal static void Clear(string folder)
    {
        Directory.CreateDirectory(folder);
        File.Delete(Path.Combine(folder, Description));
    }

    /// <summary>Writes the description; the folder is prepared from now on.</summary>
    internal static void WriteDescription(
        PrepareOptions options, IReadOnlyDictionary<string, string> roots, IReadOnlyDictionary<string, long> samples,
        IReadOnlyDictionary<string, SourceCounts> sources, IReadOnlyList<string> notes) =>
        AtomicFile.WriteText(Path.Combine(options.Output, Description), JsonSerializer.Serialize(new
        {
            Version,
            options.Seed,
            Options = options with { Output = "." },
            Roots = roots,
            Counts = samples,
            Sources = sources,
            Notes = notes,
        }, Options) + "\n");
}
