namespace Pfmvg.Data.Sets;

/// <summary>
/// Where the pictures lie that a list names without their folders: in the image folder or below it, as archives are
/// unpacked. Hidden folders and links to folders are passed over.
/// </summary>
internal sealed class PictureIndex
{
    private const int Deepest = 6;

    // A picture may lie in several formats, of which the first is taken. Any other file may be a DICOM one: archives of hospitals name
    // them by numbers with dots, without an extension.
    private static readonly string[] Extensions =
        [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".tga", ".dicom", ".dcm"];

    private readonly Dictionary<string, (string Path, string? Other)> _byName = new(StringComparer.Ordinal);

    /// <summary>Lists an image folder.</summary>
    public PictureIndex(string folder)
    {
        if (!Directory.Exists(folder)) return;
        var level = new List<string> { folder };
        for (var depth = 0; depth <= Deepest && level.Count > 0; depth++)
        {
            foreach (var path in level.SelectMany(Directory.EnumerateFiles).Order(StringComparer.Ordinal))
            {
                var (name, relative) = (Stem(Path.GetFileName(path)), Path.GetRelativePath(folder, path));
                if (!_byName.TryGetValue(name, out var known) || Rank(path) < Rank(known.Path)) _byName[name] = (relative, null);
                else if (Rank(path) == Rank(known.Path)) _byName[name] = known with { Other = relative };
            }

            level = [.. level.SelectMany(Directory.EnumerateDirectories).Where(path => !Path.GetFileName(path).StartsWith('.')
                && new DirectoryInfo(path).LinkTarget is null)];
        }
    }

    /// <summary>The path of a picture below the folder.</summary>
    /// <param name="name">Its file name, with or without an extension.</param>
    /// <param name="problem">Why there is none to take: two pictures have the name. Null otherwise.</param>
    /// <returns>The path; where the folder has none of that name, the name itself, as PNG if it has no extension.</returns>
    public string Find(string name, out string? problem)
    {
        problem = null;
        var stem = Stem(name);
        if (!_byName.TryGetValue(stem, out var found)) return stem == name ? name + ".png" : name;
        problem = found.Other is null ? null : $"two pictures have this name, {found.Path} and {found.Other}; keep one";
        return found.Path;
    }

    private static string Stem(string name) => Rank(name) == Extensions.Length ? name : Path.GetFileNameWithoutExtension(name);

    private static int Rank(string path) => Array.IndexOf(Extensions, Path.GetExtension(path).ToLowerInvariant()) is >= 0 and var rank
        ? rank : Extensions.Length;
}
