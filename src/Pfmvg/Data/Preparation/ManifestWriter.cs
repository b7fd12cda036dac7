using Pfmvg.Data.Files;

namespace Pfmvg.Data.Preparation;

/// <summary>Writes all manifests of a folder beside the old ones and puts them in their place together at the end.</summary>
internal sealed class ManifestWriter(string folder) : IDisposable
{
    private readonly SortedDictionary<string, (FileStream Stream, string Temporary)> _open = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, long> _counts = new(StringComparer.Ordinal);

    /// <summary>Samples by file name.</summary>
    public IReadOnlyDictionary<string, long> Counts => _counts;

    public void Add(Sample sample, Split split)
    {
        var name = Manifest.FileName(sample.Task, split);
        if (!_open.TryGetValue(name, out var file))
        {
            var temporary = Path.Combine(folder, $".{name}.{Environment.ProcessId}.tmp");
            _open[name] = file = (new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16), temporary);
            _counts[name] = 0;
        }

        file.Stream.Write(Manifest.Write(sample));
        file.Stream.WriteByte((byte)'\n');
        _counts[name]++;
    }

    /// <summary>Puts the written manifests in the place of the old ones; others are removed.</summary>
    public void Commit()
    {
        foreach (var (stream, _) in _open.Values)
        {
            stream.Flush(flushToDisk: true);
            stream.Dispose();
        }

        foreach (var (task, split) in Enum.GetValues<SampleTask>()
            .SelectMany(task => Enum.GetValues<Split>().Select(split => (task, split))))
        {
            var name = Manifest.FileName(task, split);
            if (_open.TryGetValue(name, out var file)) File.Move(file.Temporary, Path.Combine(folder, name), overwrite: true);
            else File.Delete(Path.Combine(folder, name));
        }

        _open.Clear();
    }

    public void Dispose()
    {
        foreach (var (stream, temporary) in _open.Values)
        {
            stream.Dispose();
            File.Delete(temporary);
        }
    }
}
