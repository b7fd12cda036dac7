using System.Security.Cryptography;

namespace Pfmvg.Runs.Records;

/// <summary>A file that a run depended on, known by its content.</summary>
/// <param name="Path">Absolute path.</param>
/// <param name="Bytes">Size.</param>
/// <param name="Modified">Time of its last change.</param>
/// <param name="Sha256">SHA-256 of its content in lower-case hex.</param>
public sealed record RunFile(string Path, long Bytes, DateTimeOffset Modified, string Sha256)
{
    /// <summary>Hashes files; a folder stands for the files in it (not in its subfolders), in the order of their names.</summary>
    /// <param name="paths">Files and folders.</param>
    /// <param name="known">Files hashed before: one with the same path, size and time is not read again.</param>
    /// <param name="cancel">Stops between and within files.</param>
    /// <exception cref="InputException">A file is absent or cannot be read.</exception>
    public static IReadOnlyList<RunFile> HashAll(
        IEnumerable<string> paths, IEnumerable<RunFile>? known = null, CancellationToken cancel = default)
    {
        var hashed = (known ?? []).DistinctBy(file => file.Path).ToDictionary(file => file.Path);
        var files = paths.Select(System.IO.Path.GetFullPath).SelectMany(path =>
            Directory.Exists(path) ? Directory.GetFiles(path).Order(StringComparer.Ordinal) : Enumerable.Repeat(path, 1));
        return [.. files.Select(path => One(path, hashed.GetValueOrDefault(path), cancel))];
    }

    /// <summary>The files that are not what they were, each with what is different; empty when all are.</summary>
    public static IReadOnlyList<string> Changes(IReadOnlyList<RunFile> before, IReadOnlyList<RunFile> after)
    {
        var (old, now) = (ByName(before), ByName(after));
        return [.. old.Keys.Union(now.Keys).Order(StringComparer.Ordinal)
            .Where(name => old.GetValueOrDefault(name)?.Sha256 != now.GetValueOrDefault(name)?.Sha256)
            .Select(name => $"{(now.GetValueOrDefault(name) ?? old[name]).Path} "
                + $"{(old.ContainsKey(name) ? now.ContainsKey(name) ? "has changed" : "is gone" : "is new")}")];

        // By the end of the path: the files may have moved together.
        static Dictionary<string, RunFile> ByName(IReadOnlyList<RunFile> files) => files
            .GroupBy(file => System.IO.Path.GetFileName(file.Path))
            .SelectMany(same => same.Select((file, index) => (Name: index == 0 ? same.Key : $"{same.Key}#{index}", file)))
            .ToDictionary(pair => pair.Name, pair => pair.file);
    }

    private static RunFile One(string path, RunFile? known, CancellationToken cancel)
    {
        try
        {
            InputFile.Require(path);
            var file = new FileInfo(path);
            if (!file.Exists) throw new InputException($"{path} does not exist.");
            var (bytes, modified) = (file.Length, new DateTimeOffset(file.LastWriteTimeUtc, TimeSpan.Zero));
            return known is not null && known.Bytes == bytes
                && known.Modified == modified ? known : new(path, bytes, modified, Hash(path, cancel));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw FileFault.At(path, failure);
        }
    }

    private static string Hash(string path, CancellationToken cancel)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            cancel.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, read);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
