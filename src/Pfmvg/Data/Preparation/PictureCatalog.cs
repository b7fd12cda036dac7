using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pfmvg.Data.Files;
using Pfmvg.Imaging;

namespace Pfmvg.Data.Preparation;

/// <summary>
/// Examines pictures (size, wholeness, hash) with several workers, in order, and keeps a journal beside the manifests: a
/// picture that was seen before and has not changed is not read again, so an interrupted preparation continues where it was.
/// </summary>
internal sealed class PictureCatalog : IDisposable
{
    private readonly ConcurrentDictionary<string, Entry> _known = [];
    private readonly ConcurrentDictionary<string, Lazy<PictureFacts>> _examined = new(); // a picture may have dozens of samples
    private readonly StreamWriter _journal;
    private readonly bool _hash;
    private readonly DicomGray _dicom;
    private long _written;

    /// <summary>Opens the journal, which is made when it does not exist.</summary>
    /// <param name="journal">The file.</param>
    /// <param name="hash">Whether pictures are hashed.</param>
    /// <param name="dicom">How DICOM values become gray: what is known by another rule is examined again.</param>
    public PictureCatalog(string journal, bool hash, DicomGray dicom)
    {
        (_hash, _dicom) = (hash, dicom);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(journal))!);
        if (File.Exists(journal) && new FileInfo(journal).Length > 0)
        {
            foreach (var line in DataFile.Lines(journal))
            {
                if (Read(line.Text) is { Picture: not null, Width: > 0, Height: > 0 } entry) _known[entry.Picture] = entry;
            }
        }

        _journal = new StreamWriter(journal, append: true) { NewLine = "\n" };
        if (_journal.BaseStream.Position > 0) _journal.WriteLine(); // ends a line that an interruption cut
    }

    /// <summary>
    /// Pairs every sample with what is known of its picture, in the given order; the sample then has the path at which the picture
    /// lies.
    /// </summary>
    public IEnumerable<(ListedSample Sample, PictureFacts Facts)> Examine(
        string source, IEnumerable<ListedSample> samples, ImageRoot root, PictureDepth depth, CancellationToken cancel)
    {
        var examined = LoadAhead.InOrder(samples, (sample, buffer) => Examine(source, sample, root, depth, buffer), cancel);
        foreach (var (sample, facts, fresh) in examined)
        {
            if (fresh is not null)
            {
                _journal.WriteLine(JsonSerializer.Serialize(fresh));
                if (++_written % 1000 == 0) _journal.Flush();
            }

            yield return (sample, facts);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _journal.Dispose();

    /// <summary>A line of the journal; null for one that an interruption cut: that picture is simply examined again.</summary>
    private static Entry? Read(string line)
    {
        try
        {
            return JsonInput.Parse(Encoding.UTF8.GetBytes(line), "").Object().Read<Entry>(Strict);
        }
        catch (InputException)
        {
            return null;
        }
    }

    private static readonly JsonSerializerOptions Strict = new() { RespectNullableAnnotations = true };

    /// <summary>What is known of a picture, and what is new about it.</summary>
    private (ListedSample Sample, PictureFacts Facts, Entry? Fresh) Examine(
        string source, ListedSample sample, ImageRoot root, PictureDepth depth, DecodeBuffer buffer)
    {
        if (sample.AnyEdition) sample = sample with { Image = root.Present(sample.Image) };
        var picture = $"{source}/{sample.Image}";
        var path = root.Resolve(sample.Image, out var problem);
        var file = problem is null ? new FileInfo(path) : null;
        if (file is { Exists: true } && _known.TryGetValue(picture, out var known) && known.Bytes == file.Length
            && known.Changed == file.LastWriteTimeUtc.Ticks
            && (known.Sha256 is not null || !_hash) && (known.Decoded || depth != PictureDepth.Pixels)
            && (known.Rule is null || known.Rule == _dicom.Word()))
            return (sample, new PictureFacts(PictureState.Good, known.Width, known.Height, _hash ? known.Sha256 : null,
                Dicom: known.Rule is not null, EndsEarly: known.EndsEarly), null);

        var facts = _examined.GetOrAdd(picture, _ => new(() => PictureProbe.Examine(root, sample.Image, depth, _dicom, buffer))).Value;
        if (!_hash) facts = facts with { Sha256 = null };
        var fresh = facts.State == PictureState.Good
            ? new Entry(picture, file!.Length, file.LastWriteTimeUtc.Ticks, facts.Width, facts.Height, facts.Sha256,
                depth == PictureDepth.Pixels, facts.Dicom ? _dicom.Word() : null, facts.EndsEarly) : null;
        if (fresh is not null) _known[picture] = fresh; // a picture with several boxes is listed several times
        return (sample, facts, fresh);
    }

    /// <summary>One line of the journal; the rule is that of a DICOM picture, and null for others.</summary>
    private sealed record Entry(
        string Picture, long Bytes, long Changed, int Width, int Height, string? Sha256, bool Decoded = false,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Rule = null,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? EndsEarly = null);
}
