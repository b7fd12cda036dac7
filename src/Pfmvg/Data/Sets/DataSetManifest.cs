using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Pfmvg.Data.Sets;

/// <summary>What is known about a data set beforehand: where it is obtained, its files and its counts (`data-manifests/*.yaml`).</summary>
public sealed record DataSetManifest
{
    /// <summary>Name that PFMVG knows the data set by.</summary>
    public string Name { get; init; } = "";

    /// <summary>Full name and publication.</summary>
    public string Title { get; init; } = "";

    /// <summary>Where it is obtained.</summary>
    public string Obtained { get; init; } = "";

    /// <summary>Who may obtain it.</summary>
    public string Access { get; init; } = "";

    /// <summary>Under which licence.</summary>
    public string Licence { get; init; } = "";

    /// <summary>"caption" or "refer".</summary>
    public string Task { get; init; } = "";

    /// <summary>Where the pictures lie.</summary>
    public string Pictures { get; init; } = "";

    /// <summary>Lists and tables that belong to it.</summary>
    public IList<ExpectedFile> Files { get; init; } = [];

    /// <summary>How many there are of pictures, phrases, boxes, patients, reports, or pictures of a split.</summary>
    public IDictionary<string, long> Counts { get; init; } = new Dictionary<string, long>();

    /// <summary>Phrases of each finding class.</summary>
    public IDictionary<string, long> Classes { get; init; } = new Dictionary<string, long>();

    /// <summary>What to check in it.</summary>
    public IList<string> Checks { get; init; } = [];

    /// <summary>The manifest of a data set.</summary>
    /// <exception cref="ArgumentException">There is no such data set.</exception>
    public static DataSetManifest Load(string source)
    {
        using var stream = typeof(DataSetManifest).Assembly.GetManifestResourceStream($"data-manifests/{source}.yaml")
            ?? throw new ArgumentException($"There is no data set '{source}'.", nameof(source));
        using var reader = new StreamReader(stream);
        return new DeserializerBuilder().WithNamingConvention(UnderscoredNamingConvention.Instance).Build()
            .Deserialize<DataSetManifest>(reader);
    }
}

/// <summary>A list or table of a data set.</summary>
public sealed record ExpectedFile
{
    /// <summary>Its path with wild cards.</summary>
    public string Pattern { get; init; } = "";

    /// <summary>What it holds.</summary>
    public string Note { get; init; } = "";

    /// <summary>PFMVG does without it.</summary>
    public bool Optional { get; init; }

    /// <summary>Columns that must be there.</summary>
    public IList<string> Columns { get; init; } = [];

    /// <summary>Columns that may be there.</summary>
    public IList<string> OptionalColumns { get; init; } = [];
}
