using System.Text.RegularExpressions;
using Pfmvg.Geometry;

namespace Pfmvg.Data;

/// <summary>A picture and its text as a data set lists them, before anything is read from the disk or checked.</summary>
public sealed partial record ListedSample
{
    /// <summary>Unique within the data set; the same in every file layout of it.</summary>
    public required string Id { get; init; }

    /// <summary>Path of the picture relative to the data set's image root.</summary>
    public required string Image { get; init; }

    /// <summary>Phrase or caption.</summary>
    public required string Text { get; init; }

    /// <summary>File and line (or item) it is listed in.</summary>
    public required string Place { get; init; }

    /// <summary>Width of the picture as listed; null when it is not.</summary>
    public int? Width { get; init; }

    /// <summary>Height of the picture as listed; null when it is not.</summary>
    public int? Height { get; init; }

    /// <summary>Boxes as listed, in pixels of the original picture; not a number where the data set has none.</summary>
    public IReadOnlyList<Box> Boxes { get; init; } = [];

    /// <summary>
    /// Turns a listed box into pixels of its picture, given the picture's width and height, where the list has other numbers or no
    /// size; null: the boxes are pixels of a picture of the listed size.
    /// </summary>
    internal Func<Box, int, int, Box>? ToPixels { get; init; }

    /// <summary>
    /// The data set comes with JPEG and with DICOM pictures of the same names; the list names the former, and either may be there.
    /// </summary>
    internal bool AnyEdition { get; init; }

    /// <summary>Finding class.</summary>
    public string? Class { get; init; }

    /// <summary>The phrase says that something is normal or not there, so it has no box.</summary>
    internal bool Normal { get; init; }

    /// <summary>Patient.</summary>
    public string? Patient { get; init; }

    /// <summary>Study.</summary>
    public string? Study { get; init; }

    /// <summary>The data set's own split; null when it has none.</summary>
    public Split? Split { get; init; }

    /// <summary>
    /// Direction of the view as listed, for example "PA"; empty where it was not recorded, null when the data set has
    /// none.
    /// </summary>
    public string? View { get; init; }

    /// <summary>Path of the text's own file, which may be absent; null when the text is in the list itself.</summary>
    public string? TextFile { get; init; }

    /// <summary>Why the entry itself cannot be used, for example a line without a caption; null when it can.</summary>
    public string? Problem { get; init; }

    /// <summary>The boxes in pixels of the picture, which has this width and height.</summary>
    internal IReadOnlyList<Box> BoxesIn(int width, int height) =>
        ToPixels is null ? Boxes : [.. Boxes.Select(box => ToPixels(box, width, height))];

    /// <summary>Patient and study of a path like `files/p10/p10000032/s50414267/picture.jpg`.</summary>
    internal static (string? Patient, string? Study) Owner(string image)
    {
        var match = OwnerFolders().Match(image);
        return match.Success ? (match.Groups[1].Value.ToLowerInvariant(), match.Groups[2].Value.ToLowerInvariant()) : (null, null);
    }

    [GeneratedRegex(@"(?:^|/)(p\d+)/(s\d+)/[^/]+$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex OwnerFolders();
}

/// <summary>Reads one data set in one of its file layouts.</summary>
public interface IDataSetReader
{
    /// <summary>Name of the data set, for example "ms-cxr".</summary>
    string Source { get; }

    /// <summary>What its samples teach.</summary>
    SampleTask Task { get; }

    /// <summary>The folder that the pictures' paths start from.</summary>
    string ImageFolder { get; }

    /// <summary>The lists that the samples are read from.</summary>
    IReadOnlyList<string> Files { get; }

    /// <summary>Whether a set of phrases keeps its own split, unless the user names a list; MS-CXR's is divided as asked for.</summary>
    bool KeepsItsSplit => false;

    /// <summary>What a user should know about how the lists were read; complete once they were.</summary>
    IReadOnlyList<string> Notes => [];

    /// <summary>Streams what the data set lists, in its order.</summary>
    /// <exception cref="InputException">A file is missing, unreadable or not of this layout.</exception>
    IEnumerable<ListedSample> Read();
}
