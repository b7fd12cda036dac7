using System.Security.Cryptography;
using System.Text.Json;

namespace Pfmvg.Data;

/// <summary>What was found on the disk for a listed picture.</summary>
/// <param name="Width">Pixels per row; 0 when there is a problem.</param>
/// <param name="Height">Rows; 0 when there is a problem.</param>
/// <param name="Sha256">Hash of the file in lower-case hex; null when it was not asked for or there is a problem.</param>
/// <param name="Missing">There is no such file.</param>
/// <param name="Problem">Why the picture cannot be used, as a whole sentence; null when it can.</param>
internal sealed record PictureFacts(int Width, int Height, string? Sha256, bool Missing = false, string? Problem = null);

/// <summary>
/// Looks at pictures (size, wholeness, hash) with several workers, in order, and keeps a journal beside the manifests: what
/// was seen once and has not changed is not read again, so an interrupted preparation goes on where it was.
/// </summary>
internal sealed class PictureCatalog : IDisposable
{
    private const int Batch = 1024;

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
    public IEnumerable<(ListedSample Sample, PictureFacts Facts)> Look(IDataSetReader reader, ImageRoot root, CancellationToken cancel)
    {
        using var buffers = new ThreadLocal<DecodeBuffer>(() => new DecodeBuffer());
        foreach (var batch in reader.Read().Chunk(Batch))
        {
            var facts = new PictureFacts[batch.Length];
            var fresh = new Entry?[batch.Length];
            Parallel.For(0, batch.Length, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = Environment.ProcessorCount },
                i => facts[i] = Look(reader.Source, batch[i].Image, root, buffers.Value!, out fresh[i]));
            foreach (var entry in fresh)
            {
                if (entry is null) continue;
                _known[entry.Picture] = entry;
                _journal.WriteLine(JsonSerializer.Serialize(entry));
            }

            _journal.Flush();
            for (var i = 0; i < batch.Length; i++) yield return (batch[i], facts[i]);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _journal.Dispose();

    private PictureFacts Look(string source, string image, ImageRoot root, DecodeBuffer buffer, out Entry? fresh)
    {
        fresh = null;
        var path = root.Resolve(image, out var problem);
        if (problem is not null) return new PictureFacts(0, 0, null, Problem: $"{Privacy.Mask(image)}: {problem}; put the path right.");
        var file = new FileInfo(path);
        if (!file.Exists) return new PictureFacts(0, 0, null, Missing: true);
        var picture = $"{source}/{image}";
        if (_known.TryGetValue(picture, out var known) && known.Bytes == file.Length && known.Changed == file.LastWriteTimeUtc.Ticks && (known.Sha256 is not null || !_hash))
            return new PictureFacts(known.Width, known.Height, _hash ? known.Sha256 : null);

        try
        {
            string? hash = null;
            ImageHeader header;
            if (_hash)
            {
                var content = ImageFile.ReadFile(path, buffer);
                hash = Convert.ToHexStringLower(SHA256.HashData(content));
                header = ImageFile.Check(content, path);
            }
            else header = ImageFile.Check(path, buffer);

            fresh = new Entry(picture, file.Length, file.LastWriteTimeUtc.Ticks, header.Width, header.Height, hash);
            return new PictureFacts(header.Width, header.Height, hash);
        }
        catch (InputException e)
        {
            return new PictureFacts(0, 0, null, Problem: e.Message);
        }
    }

    /// <summary>One line of the journal.</summary>
    private sealed record Entry(string Picture, long Bytes, long Changed, int Width, int Height, string? Sha256);
}
