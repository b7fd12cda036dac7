using Pfmvg.Weights;

namespace Pfmvg.Exporting;

/// <summary>
/// Where an export goes. It is written in a hidden folder beside it and moved when it is whole; until then what stood there stays.
/// </summary>
internal sealed class ExportTarget : IDisposable
{
    /// <summary>The file by which an earlier export is known: nothing else is ever replaced.</summary>
    public const string Record = "export.json";

    private const string Earlier = ".earlier";

    private readonly string _path, _parent, _work;
    private readonly bool _isFile;
    private IDisposable? _hold;

    private ExportTarget(string path, bool isFile)
    {
        (_path, _isFile) = (path, isFile);
        _parent = Path.GetDirectoryName(path)!;
        _work = HoldFile.Beside(Hidden);
    }

    private string Hidden => Path.Combine(_parent, "." + Path.GetFileName(_path));

    /// <summary>The folder or file to write to until it is whole.</summary>
    public string Work => _isFile ? Path.Combine(_work, Path.GetFileName(_path)) : _work;

    /// <summary>Where it will be.</summary>
    public string Final => _path;

    /// <summary>Looks at the place; nothing is created.</summary>
    /// <param name="output">As the user named it.</param>
    /// <param name="isFile">Whether one file is written.</param>
    /// <param name="overwrite">An earlier export may be replaced.</param>
    /// <param name="inputs">Absolute paths of what is read, which is never replaced.</param>
    /// <exception cref="InputException">Something else is there, or it may not be replaced.</exception>
    public static ExportTarget Choose(string output, bool isFile, bool overwrite, IEnumerable<string> inputs)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(output));
        if (Path.GetDirectoryName(path) is null) throw Refusal.ForFile(path, "is the root of the disk", "name a folder below it");
        if (isFile && !path.EndsWith(".pth", StringComparison.OrdinalIgnoreCase))
            throw Refusal.ForFile(output, "--format minigptv2 writes one file", "name it with the ending .pth");
        if (isFile ? Directory.Exists(path) : File.Exists(path))
            throw Refusal.ForFile(path, isFile ? "is a folder" : "is a file, but a folder is written", "choose another --out");
        if (inputs.FirstOrDefault(input => input == path || input.StartsWith(path + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            is { } input) throw Refusal.ForFile(path, $"is what is read ({input})", "choose another --out");
        if (File.Exists(path) || Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
        {
            if (!overwrite) throw Refusal.ForFile(path, "exists already", "choose another --out, or replace it with --overwrite");
            if (!isFile && !File.Exists(Path.Combine(path, Record)))
                throw Refusal.ForFile(path, $"is not an earlier export (it has no {Record}), so --overwrite does not touch it",
                    "choose another --out");
        }

        return new ExportTarget(path, isFile);
    }

    /// <summary>Makes the hidden folder, when the disk has room for this many bytes.</summary>
    /// <exception cref="InputException">The disk has not, or the folder cannot be made.</exception>
    public void Begin(long bytes)
    {
        try
        {
            Directory.CreateDirectory(_parent);
            RemoveAbandoned();
            var free = new DriveInfo(_parent).AvailableFreeSpace;
            if (bytes > free)
                throw Refusal.ForFile(_parent, $"the export needs {Units.DecimalBytes(bytes)}, but the disk has only "
                    + $"{Units.DecimalBytes(free)} free", "free some room or choose another folder");
            Leftovers.Add(_work);
            Directory.CreateDirectory(_work);
            _hold = HoldFile.TryTake(Path.Combine(_work, HoldFile.Name));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw FileFault.At($"--out {_path}", _parent, refused);
        }
    }

    /// <summary>Moves the whole export to its place.</summary>
    public void Commit()
    {
        if (_isFile)
        {
            File.Move(Work, _path, overwrite: true);
            return;
        }

        Release();
        var earlier = _work + Earlier;
        if (Directory.Exists(_path)) Directory.Move(_path, earlier);
        try
        {
            Directory.Move(_work, _path);
        }
        catch
        {
            if (Directory.Exists(earlier)) Directory.Move(earlier, _path);
            throw;
        }

        if (Directory.Exists(earlier)) Directory.Delete(earlier, recursive: true);
    }

    /// <summary>Removes what was not moved.</summary>
    public void Dispose()
    {
        Release();
        if (Directory.Exists(_work)) Directory.Delete(_work, recursive: true);
        Leftovers.Forget(_work);
    }

    // What killed exports left: what they wrote, and what stood here when one was killed between the two moves of its end.
    private void RemoveAbandoned()
    {
        HoldFile.RemoveAbandoned(Hidden);
        foreach (var earlier in Directory.GetDirectories(_parent, $"{Path.GetFileName(Hidden)}.*.tmp{Earlier}"))
        {
            if (Path.Exists(_path)) Directory.Delete(earlier, recursive: true);
            else Directory.Move(earlier, _path);
        }
    }

    private void Release()
    {
        _hold?.Dispose();
        _hold = null;
        if (Directory.Exists(_work)) File.Delete(Path.Combine(_work, HoldFile.Name));
    }
}
