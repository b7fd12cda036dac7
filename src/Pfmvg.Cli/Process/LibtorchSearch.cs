using Pfmvg.Tensors;

namespace Pfmvg.Cli.Process;

/// <summary>
/// Looks for libtorch where an installed PyTorch, conda or an unpacked archive puts it. Runs no Python and loads nothing.
/// </summary>
internal static class LibtorchSearch
{
    private static readonly string[] PackageFolders = ["site-packages", "dist-packages"];

    /// <summary>The folders that hold a libtorch, each once, in the order in which they were found.</summary>
    public static IReadOnlyList<LibtorchFolder> Find()
    {
        var found = new List<LibtorchFolder>();
        var seen = new HashSet<string>();
        foreach (var library in Candidates().Select(folder => Path.Combine(folder, LibtorchFolder.MainLibrary)).Where(File.Exists))
            if (seen.Add(Resolve(library))) found.Add(LibtorchFolder.Examine(Path.GetDirectoryName(library)!));
        return found;
    }

    /// <summary>A path as a shell reads it.</summary>
    public static string Quote(string path) =>
        path.All(letter => char.IsAsciiLetterOrDigit(letter) || "/._-+".Contains(letter, StringComparison.Ordinal)) ? path
        : $"'{path.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static IEnumerable<string> Candidates()
    {
        if (Variable(Libtorch.Variable) is { } named) yield return LibtorchFolder.Examine(named).Path;
        foreach (var folder in Listed("PYTHONPATH")) yield return Path.Combine(folder, "torch", "lib");
        foreach (var prefix in Prefixes().Select(Path.GetFullPath).Distinct())
        {
            foreach (var library in Folders(prefix, "lib*"))
            {
                yield return library; // conda's own libtorch
                foreach (var python in Folders(library, "python3*"))
                    foreach (var packages in PackageFolders)
                        yield return Path.Combine(python, packages, "torch", "lib");
            }

            yield return Path.Combine(prefix, "libtorch", "lib"); // an unpacked archive
        }

        foreach (var folder in Listed("LD_LIBRARY_PATH")) yield return folder;
        yield return "/usr/lib/x86_64-linux-gnu"; // Debian's package
    }

    // What has a folder lib with Python's folders in it.
    private static IEnumerable<string> Prefixes()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        foreach (var name in (string[])["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONUSERBASE"])
            if (Variable(name) is { } prefix) yield return prefix;
        string[] names = ["python3", "python"];
        foreach (var program in Listed("PATH").SelectMany(folder => names.Select(name => Path.Combine(folder, name))).Where(File.Exists))
        {
            yield return Path.Combine(Path.GetDirectoryName(program)!, "..");
            yield return Path.Combine(Path.GetDirectoryName(Resolve(program))!, "..");
        }

        yield return Path.Combine(home, ".local");
        foreach (var version in Folders(Path.Combine(Variable("PYENV_ROOT") ?? Path.Combine(home, ".pyenv"), "versions"), "*"))
            yield return version;
        foreach (var prefix in (string[])["/usr", "/usr/local", "/opt", "/opt/conda"]) yield return prefix;
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static string[] Listed(string variable) => (Variable(variable) ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);

    private static IEnumerable<string> Folders(string parent, string pattern)
    {
        try
        {
            return Directory.Exists(parent) ? Directory.GetDirectories(parent, pattern).Order(StringComparer.Ordinal) : [];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return []; // another user's
        }
    }

    // Follows the link of the file itself; those of its folders hardly occur twice.
    private static string Resolve(string file) => File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(file);
}
