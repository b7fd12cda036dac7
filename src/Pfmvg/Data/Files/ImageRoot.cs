using System.Text.RegularExpressions;

namespace Pfmvg.Data.Files;

/// <summary>
/// The folder that files lie in whose paths come out of another file: a data set's pictures, a list's, a prediction's maps. Such paths are
/// untrusted: nothing outside the folder is reached, neither by `..` nor through a link, and nothing but files, whatever a table says.
/// </summary>
internal sealed partial class ImageRoot
{
    // Endings of DICOM files as archives have them: PhysioNet's, Kaggle's, none.
    private static readonly string?[] DicomEndings = [".dcm", ".dicom", ".DCM", ".DICOM", null];

    private readonly string _real;
    private FolderCheck _last = new("", null);
    private Listing _listing = new("", Array.Empty<string>().ToLookup(name => name));

    /// <summary>Names a folder, which must exist; it may itself be a link.</summary>
    /// <exception cref="InputException">There is no such folder.</exception>
    public ImageRoot(string folder)
    {
        if (!Directory.Exists(folder)) throw new InputException($"{folder}: there is no such image folder; check the path.");
        Folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        _real = RealPath(Folder);
    }

    /// <summary>The folder's full path.</summary>
    public string Folder { get; }

    /// <summary>The full path of a picture.</summary>
    /// <param name="relative">With '/' between folders, as a data set lists it.</param>
    /// <param name="problem">Why the path is refused; null when it is not. The file need not exist.</param>
    public string Resolve(string relative, out string? problem)
    {
        problem = WrongName(relative);
        if (problem is not null) return "";
        var full = Path.Join(Folder, relative);
        problem = FolderProblem(Path.GetDirectoryName(full)!) ?? LinkProblem(full) ?? InputFile.Problem(full);
        return full;
    }

    /// <summary>
    /// The full path of a file that another program named: from this folder, or in full. `.` and `..` are taken out, as long as the path
    /// stays inside.
    /// </summary>
    /// <param name="named">As the other file has it.</param>
    /// <param name="problem">Why the path is refused; null when it is not. The file need not exist.</param>
    public string Find(string named, out string? problem)
    {
        problem = string.IsNullOrWhiteSpace(named) || named.Contains('\0', StringComparison.Ordinal) ? WrongName(named) : null;
        if (problem is not null) return "";
        var full = Path.GetFullPath(named, Folder);
        var inside = full.StartsWith(Folder.TrimEnd('/') + "/", StringComparison.Ordinal) ? full[(Folder.TrimEnd('/').Length + 1)..]
            : full.StartsWith(_real.TrimEnd('/') + "/", StringComparison.Ordinal) ? full[(_real.TrimEnd('/').Length + 1)..] : null;
        if (inside is not null) return Resolve(inside.TrimEnd('/'), out problem);
        problem = "the path leaves the folder";
        return "";
    }

    /// <summary>
    /// The path at which a picture lies whose list names it without regard to its format: as it is listed, else as a DICOM file of
    /// the same name; as listed where there is neither.
    /// </summary>
    public string Present(string relative)
    {
        if (File.Exists(Resolve(relative, out var problem)) || problem is not null) return relative;
        return DicomEndings.Select(ending => Path.ChangeExtension(relative, ending))
            .FirstOrDefault(path => File.Exists(Resolve(path, out var wrong)) && wrong is null) ?? relative;
    }

    /// <summary>
    /// The name of a file that is there where the given one is not, and that differs in capitals, outer spaces or the form of its
    /// accents only: copies by other systems change these. Null when there is none.
    /// </summary>
    /// <param name="full">As <see cref="Resolve"/> gives it.</param>
    public string? Alike(string full)
    {
        try
        {
            var (folder, listing) = (Path.GetDirectoryName(full)!, _listing); // pictures come folder by folder
            if (!Directory.Exists(folder)) return null;
            if (listing.Folder != folder)
                _listing = listing = new Listing(
                    folder, Directory.GetFiles(folder).Select(file => Path.GetFileName(file)).ToLookup(Plain));
            var wanted = Path.GetFileName(full);
            return listing.Names[Plain(wanted)].Where(name => IsSpelled(name, wanted)).Order(StringComparer.Ordinal).FirstOrDefault();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // A letter with its accent is one character or two. Telling which ones belong together takes tables that may not be there, so
    // names are compared without them, where one has the one form and the other the other.
    private static string Plain(string name) => AccentedLetter().Replace(name.Trim(), "?").ToUpperInvariant();

    private static bool IsSpelled(string name, string other) => name.Trim().Equals(other.Trim(), StringComparison.OrdinalIgnoreCase)
        || name.Any(IsMark) != other.Any(IsMark);

    private static bool IsMark(char c) => c is >= '\u0300' and <= '\u036f';

    [GeneratedRegex("[A-Za-z][\u0300-\u036f]+|[\u00c0-\u024f\u1e00-\u1eff]")] private static partial Regex AccentedLetter();

    /// <summary>Why a relative path cannot be one of a picture inside a folder; null when it can.</summary>
    public static string? WrongName(string relative) =>
        string.IsNullOrWhiteSpace(relative) ? "the path is empty"
        : relative.Contains('\0', StringComparison.Ordinal) ? "the path has a zero character"
        : relative.StartsWith('/') || relative.Contains('\\', StringComparison.Ordinal) || Path.IsPathRooted(relative)
            ? "the path must be relative, with '/' between folders"
        : relative.Split('/').Any(part => part is ".." or "." or "") ? "the path leaves the image folder"
        : null;

    private string? FolderProblem(string folder)
    {
        var last = _last; // pictures come folder by folder; a race only costs a second look
        if (last.Folder == folder) return last.Problem;
        string? problem = null;
        for (var part = folder; part.Length > Folder.Length && problem is null; part = Path.GetDirectoryName(part)!)
            problem = LinkProblem(part);
        _last = new FolderCheck(folder, problem);
        return problem;
    }

    private string? LinkProblem(string path)
    {
        try
        {
            var entry = new FileInfo(path);
            if (entry.LinkTarget is null) return null;
            var real = RealPath(path);
            return real.StartsWith(_real.TrimEnd('/') + "/", StringComparison.Ordinal) ? null : "a link leads out of the image folder";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "a link cannot be followed";
        }
    }

    /// <summary>The path with every link on the way replaced by what it leads to.</summary>
    internal static string RealPath(string path, int depth = 0)
    {
        if (depth > 40) throw new IOException("Too many levels of links.");
        var real = "/";
        foreach (var part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            var next = Path.Join(real, part);
            var target = new FileInfo(next).ResolveLinkTarget(returnFinalTarget: true);
            real = target is null ? next : RealPath(target.FullName, depth + 1);
        }

        return real;
    }

    private sealed record Listing(string Folder, ILookup<string, string> Names);

    private sealed record FolderCheck(string Folder, string? Problem);
}
