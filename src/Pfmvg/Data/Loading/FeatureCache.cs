using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Pfmvg.Imaging;

namespace Pfmvg.Data.Loading;

/// <summary>
/// The frozen vision tower's features of whole pictures, on the disk and, as far as they fit, in memory: later epochs and
/// evaluations neither decode nor encode a picture again. Any number of processes may share the folder.
/// </summary>
/// <param name="folder">Where; made when it does not exist. Only files of this cache are ever removed from it.</param>
/// <param name="encoder">Hash of all that the features depend on besides the picture: weights, types, sizes, device.</param>
/// <param name="bytes">
/// Most bytes on the disk, for all encoders together; beyond that, the files that were not read for the longest time are
/// removed. Several processes that write at once may exceed it by a sixteenth each.
/// </param>
public sealed class FeatureCache(string folder, string encoder, long bytes)
{
    private const uint Version = 0x32465650; // changes with how pictures are decoded, too
    private const string Extension = ".features";
    private const long MemoryBytes = 256L << 20;

    private readonly ConcurrentDictionary<string, (long Length, DateTime Modified, string Sha256)> _files = new();
    private readonly ConcurrentDictionary<string, float[]> _held = new();
    private readonly Lock _gate = new();
    private long _heldBytes, _hits, _misses, _unwritten;
    private long _sinceCheck = bytes / 16; // the first write checks the folder

    /// <summary>Pictures whose features were found.</summary>
    public long Hits => Interlocked.Read(ref _hits);

    /// <summary>Pictures that had to be encoded.</summary>
    public long Misses => Interlocked.Read(ref _misses);

    /// <summary>How much the cache was used, in a line.</summary>
    public string Summary => FormattableString.Invariant($"features {Hits} from {folder}, {Misses} encoded")
        + (Interlocked.Read(ref _unwritten) is > 0 and var lost
            ? FormattableString.Invariant($", {lost} of them could not be written") : "");

    /// <summary>
    /// The place of a picture's features, by the content of its file. The file is read only when this process has not seen
    /// its path, length and time before. The expected size is a part of the place, so that a picture of another size is never
    /// found.
    /// </summary>
    /// <exception cref="InputException">The file cannot be read.</exception>
    public FeatureEntry EntryOf(string path, int width, int height, DecodeBuffer buffer)
    {
        var file = new FileInfo(path);
        var (length, modified) = file.Exists ? (file.Length, file.LastWriteTimeUtc) : (-1, default);
        if (!_files.TryGetValue(path, out var known) || known.Length != length || known.Modified != modified)
        {
            known = (length, modified, Convert.ToHexStringLower(SHA256.HashData(ImageFile.ReadFile(path, buffer))));
            _files[path] = known;
        }

        return new FeatureEntry(this, $"{known.Sha256}-{width}x{height}");
    }

    internal float[]? Find(string key)
    {
        if (!_held.TryGetValue(key, out var features) && Read(PathOf(key)) is { } read) features = Hold(key, read);
        if (features is not null) Interlocked.Increment(ref _hits);
        return features;
    }

    internal void Keep(string key, float[] features)
    {
        Interlocked.Increment(ref _misses);
        Hold(key, features);
        var file = CacheFile.Pack(Version, [features.Length], MemoryMarshal.AsBytes(features.AsSpan()));
        if (!CacheFile.Attempt(() => RemoveOldest(file.Length)) || !CacheFile.TryWrite(PathOf(key), file))
            Interlocked.Increment(ref _unwritten);
    }

    // The first ones stay: every epoch needs all pictures, so whatever was removed would be needed as soon as what replaced it.
    private float[] Hold(string key, float[] features)
    {
        var size = features.Length * sizeof(float);
        if (Interlocked.Add(ref _heldBytes, size) > MemoryBytes || !_held.TryAdd(key, features)) Interlocked.Add(ref _heldBytes, -size);
        return features;
    }

    /// <summary>Null when there is no such file, or a damaged one.</summary>
    private static float[]? Read(string path)
    {
        byte[] file;
        try
        {
            if (!File.Exists(path)) return null;
            file = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        Span<int> floats = stackalloc int[1];
        if (!CacheFile.TryUnpack(file, Version, floats, out var content) || content.Length != (long)floats[0] * sizeof(float)) return null;
        CacheFile.Attempt(() => File.SetLastWriteTimeUtc(path, DateTime.UtcNow)); // the longest unread go first
        return MemoryMarshal.Cast<byte, float>(content).ToArray();
    }

    private void RemoveOldest(long coming)
    {
        lock (_gate)
        {
            _sinceCheck += coming;
            if (_sinceCheck < bytes / 16) return;
            _sinceCheck = 0;
            if (!Directory.Exists(folder)) return;
            var files = new DirectoryInfo(folder).EnumerateFiles($"*{Extension}*", SearchOption.AllDirectories)
                .Select(file => (file.FullName, file.Length, file.LastWriteTimeUtc)).OrderBy(file => file.LastWriteTimeUtc).ToList();
            var excess = files.Sum(file => file.Length) - (bytes - bytes / 16);
            foreach (var (path, length, _) in files)
            {
                if (excess <= 0) break;
                CacheFile.Attempt(() => File.Delete(path));
                excess -= length;
            }
        }
    }

    private string PathOf(string key) => Path.Combine(folder, encoder, key[..2], key + Extension);
}

/// <summary>The place of one picture's features in a cache.</summary>
public sealed record FeatureEntry(FeatureCache Cache, string Key)
{
    /// <summary>The features; null when they are not there, or damaged.</summary>
    public float[]? Find() => Cache.Find(Key);

    /// <summary>Keeps features. Failing to write them only costs time later, so it is not an error.</summary>
    public void Keep(float[] features) => Cache.Keep(Key, features);
}
