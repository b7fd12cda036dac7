using System.CommandLine;
using System.Runtime.CompilerServices;

namespace Pfmvg.Cli.Options;

/// <summary>What a path stands for.</summary>
internal enum PathKind
{
    File,
    Folder,

    /// <summary>The one or the other, by what else is asked for.</summary>
    Either,
}

/// <summary>Options that name what is written. They are looked at before the work, so that none is lost for want of a place.</summary>
internal static class OutputPaths
{
    private static readonly ConditionalWeakTable<Option, object> Kinds = [];

    /// <summary>Marks an option as one whose path is written.</summary>
    public static Option<T> Writes<T>(this Option<T> option, PathKind kind)
    {
        Kinds.Add(option, kind);
        return option;
    }

    /// <summary>Whether an option's path is written.</summary>
    public static bool IsOutput(Option option) => Kinds.TryGetValue(option, out _);

    /// <summary>Refuses the first output of a command line that could not be written or would replace what is read.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="inputs">Name and path of what is read.</param>
    /// <exception cref="InputException">There is such an output.</exception>
    public static void Check(ParseResult parsed, IReadOnlyList<(string Name, string Path)> inputs)
    {
        foreach (var option in parsed.CommandResult.Command.Options)
        {
            if (!Kinds.TryGetValue(option, out var found)) continue;
            if (parsed.GetResult(option)?.GetValueOrDefault<string?>() is not { } path) continue;
            var kind = (PathKind)found;
            if (path.Length == 0)
                throw new InputException($"{option.Name} needs the name of a {(kind == PathKind.File ? "file" : "folder")}.");
            Check(option.Name, path, kind);
            if (kind == PathKind.Folder || !File.Exists(path)) continue;
            var real = Real(path);
            if (inputs.FirstOrDefault(input => input.Path.Length > 0 && Real(input.Path) == real) is { Name: { } name })
            {
                throw new InputException($"{option.Name} {path} would replace what is read{(name.Length > 0 ? $" ({name})" : "")}; "
                    + $"name another file.");
            }
        }
    }

    private static void Check(string name, string path, PathKind kind)
    {
        if (FileFault.Impossible(path) is { } impossible) throw new InputException($"{name} {path}: {impossible}.");
        if (kind is PathKind.File && Directory.Exists(path)) throw new InputException($"{name} {path}: this is a folder; name a file.");
        if (kind is PathKind.Folder && File.Exists(path)) throw new InputException($"{name} {path}: this is a file; name a folder.");
        if (FileFault.IsSpecial(path))
            throw new InputException($"{name} {path}: this is a device or a pipe; name a {(kind is PathKind.File ? "file" : "folder")}.");
        var there = FileFault.Existing(path);
        if (File.Exists(there)) there = Path.GetDirectoryName(there)!; // an older file, which is replaced
        if (FileFault.Unwritable(there) is not null)
            throw new InputException($"{name} {path}: nothing can be written into {there}; name another place.");
    }

    private static string Real(string path) =>
        new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
}
