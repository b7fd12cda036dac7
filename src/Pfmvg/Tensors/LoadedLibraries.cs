namespace Pfmvg.Tensors;

/// <summary>The native libraries that this process has loaded, as Linux lists them.</summary>
internal static class LoadedLibraries
{
    private const string Maps = "/proc/self/maps";

    /// <summary>The path of the first library with a fitting file name; null when none is loaded.</summary>
    public static string? Find(Func<string, bool> fits) => !File.Exists(Maps) ? null : File.ReadLines(Maps)
        .Select(line => line.IndexOf('/', StringComparison.Ordinal) is var start and >= 0 ? line[start..] : "")
        .FirstOrDefault(path => fits(Path.GetFileName(path)));
}
