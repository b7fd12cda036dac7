using System.Text.RegularExpressions;

namespace Pfmvg.Tensors;

/// <summary>A folder that may hold a libtorch: which one, and whether it is one that this program works with.</summary>
/// <param name="Path">The folder with libtorch.so.</param>
/// <param name="Missing">Libraries that every libtorch has and this folder lacks.</param>
/// <param name="Version">Its version, or null where neither the library nor a file beside it tells.</param>
internal sealed partial record LibtorchFolder(string Path, IReadOnlyList<string> Missing, Version? Version)
{
    /// <summary>The versions that pass, in words.</summary>
    public const string Range = "2.10 to 2.12";

    /// <summary>The library that is the libtorch of a process: the others depend on it, or it on them.</summary>
    public const string MainLibrary = "libtorch_cpu.so";

    // libLibTorchSharp.so was compiled for 2.10. With 2.11 and 2.12 it lacks no symbol and gives the same numbers; with 2.13 its
    // first tensor ends the process.
    private static readonly Version Compiled = new(2, 10), Newest = new(2, 12);

    private static readonly string[] Libraries = ["libc10.so", MainLibrary, "libtorch.so"];

    /// <summary>Whether it is complete and its version passes.</summary>
    public bool Fits => Missing.Count == 0 && Release is { } release && release >= Compiled && release <= Newest;

    /// <summary>Whether its version is the one that this program was compiled for.</summary>
    public bool IsCompiledFor => Release == Compiled;

    private Version? Release => Version is null ? null : new Version(Version.Major, Version.Minor);

    /// <summary>Looks at a folder, or at its `lib` as an unpacked libtorch and an installed PyTorch have one. Loads nothing.</summary>
    public static LibtorchFolder Examine(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        var inner = System.IO.Path.Combine(full, "lib");
        if (!Libraries.Any(name => File.Exists(System.IO.Path.Combine(full, name)))
            && Libraries.Any(name => File.Exists(System.IO.Path.Combine(inner, name)))) full = inner;
        return new(full, [.. Libraries.Where(name => !File.Exists(System.IO.Path.Combine(full, name)))], VersionIn(full));
    }

    /// <summary>The version of the libtorch in a folder, read from the library itself, or from what was installed with it.</summary>
    public static Version? VersionIn(string folder) =>
        LibtorchVersion.Read(System.IO.Path.Combine(folder, MainLibrary)) ?? WrittenVersion(folder);

    /// <summary>What is wrong with it, as the end of a sentence; null when nothing is.</summary>
    public string? Problem =>
        Fits ? null
        : Missing.Count > 0 ? $"lacks {string.Join(", ", Missing)}"
        : Version is null ? $"holds a libtorch that does not tell its version, and this program works with {Range} only"
        : $"holds libtorch {Version}, but this program works with {Range} only";

    /// <summary>A line for the user where it passes, but is not of the version that this program was compiled for.</summary>
    public string? Difference => Fits && !IsCompiledFor
        ? $"note: libtorch {Version} of {Path} is used; this program was compiled for 2.10 and works with {Range}" : null;

    private static Version? WrittenVersion(string folder)
    {
        var parent = System.IO.Path.GetDirectoryName(folder) ?? folder;
        var file = new[] { "version.py", "build-version" }.Select(name => System.IO.Path.Combine(parent, name))
            .FirstOrDefault(File.Exists);
        if (file is null) return null;
        try
        {
            return FirstVersion().Match(File.ReadAllText(file)) is { Success: true } found ? System.Version.Parse(found.Value) : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or OverflowException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\d+\.\d+\.\d+")] private static partial Regex FirstVersion();
}
