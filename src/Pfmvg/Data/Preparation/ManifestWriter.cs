using Pfmvg.Data.Files;

namespace Pfmvg.Data.Preparation;

/// <summary>Writes the manifests of a folder, which has none yet.</summary>
internal sealed class ManifestWriter(string folder) : IDisposable
{
    private readonly SortedDictionary<string, FileStream> _open = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);

    /// <summary>Samples by file name.</summary>
    public IReadOnlyDictionary<string, long> Counts => _counts;

    public void Add(Sample sample, Split split)
    {
        var name = Manifest.FileName(sample.Task, split);
        if (!_open.TryGetValue(name, out var file))
        {
            file = _open[name] = new FileStream(Path.Combine(folder, name), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
            _counts[name] = 0;
        }

        file.Write(Manifest.Write(sample));
        file.WriteByte((byte)'\n');
        _counts[name]++;
    }

    /// <summary>Puts the manifests on the disk.</summary>
    public void Finish()
    {
        foreach (var file in _open.Values) file.Flush(flushToDisk: true);
        Dispose();
    }

    public void Dispose()
    {
        foreach (var file in _open.Values) file.Dispose();
        _open.Clear();
    }
}
