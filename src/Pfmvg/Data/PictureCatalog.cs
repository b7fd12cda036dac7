using System.Text.Json;

namespace Pfmvg.Data;

/// <summary>
/// Looks at pictures (size, wholeness, hash) with several workers, in order, and keeps a journal beside the manifests: what
/// was seen once and has not changed is not read again, so an interrupted preparation goes on where it was.
/// </summary>
internal sealed class PictureCatalog : IDisposable
{
    private readonly Dictionary<string, Entry> _known = [];
    private readonly StreamWriter _journal;
    private readonly bool _hash;

    /// <summary>Opens the journal, which is made when it does not exist.</summary>
    public PictureCatalog(string journal, bool hash)
    {
        _hash = hash;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(journal))!);
        if (File.Exists(journal) && new FileInfo(journal).Length > 0)
        {
            foreach (var line in DataFile.Lines(journal))
            {
                try
                {
                    if (JsonSerializer.Deserialize<Entry>(line.Text) is { Picture: not null } entry) _known[entry.Picture] = entry;
                }
                catch (JsonException)
                {
                    // A line that an interruption cut: that picture is simply looked at again.
                }
            }
        }

        _journal = new StreamWriter(journal, append: true) { NewLine = "\n" };
        if (_journal.BaseStream.Position > 0) _journal.WriteLine(); // ends a line that an interruption cut
    }

    /// <summary>Pairs every sample with what is known of its picture, in the given order.</summary>
    public IEnumerable<(ListedSample Sample, PictureFacts Facts)> Look(string source, IEnumerable<ListedSample> samples, ImageRoot root, CancellationToken cancel)
    {
        foreach (var batch in PictureProbe.InOrder(samples, (sample, buffer) => Look(source, sample.Image, root, buffer), cancel))
        {
            foreach (var (_, (_, entry)) in batch)
            {
                if (entry is null) continue;
                _known[entry.Picture] = entry;
                _journal.WriteLine(JsonSerializer.Serialize(entry));
            }

            _journal.Flush();
            foreach (var (sample, (facts, _)) in batch) yield return (sample, facts);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _journal.Dispose();

    /// <summary>What is known of a picture, and what is new about it.</summary>
    private (PictureFacts Facts, Entry? Fresh) Look(string source, string image, ImageRoot root, DecodeBuffer buffer)
    {
        var picture = $"{source}/{image}";
        var path = root.Resolve(image, out var problem);
        var file = problem is null ? new FileInfo(path) : null;
        if (file is { Exists: true } && _known.TryGetValue(picture, out var known) && known.Bytes == file.Length && known.Changed == file.LastWriteTimeUtc.Ticks
            && (known.Sha256 is not null || !_hash))
            return (new PictureFacts(PictureState.Good, known.Width, known.Height, _hash ? known.Sha256 : null), null);

        var facts = PictureProbe.Look(root, image, _hash ? PictureDepth.Hash : PictureDepth.Header, buffer);
        return (facts, facts.State == PictureState.Good ? new Entry(picture, file!.Length, file.LastWriteTimeUtc.Ticks, facts.Width, facts.Height, facts.Sha256) : null);
    }

    /// <summary>One line of the journal.</summary>
    private sealed record Entry(string Picture, long Bytes, long Changed, int Width, int Height, string? Sha256);
}
