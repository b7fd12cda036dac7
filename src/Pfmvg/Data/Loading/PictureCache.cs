using System.Text;
using Pfmvg.Imaging;

namespace Pfmvg.Data.Loading;

/// <summary>
/// Ready pictures on the disk: the S x S bytes of a whole picture after the transform, named by the hash of its file, so
/// that it does not matter where the picture lies or what it is called. Any number of processes may share the folder.
/// </summary>
/// <param name="folder">Where; made when it does not exist.</param>
/// <param name="size">S.</param>
/// <param name="dicom">How DICOM values became gray: pictures made by another rule are never found.</param>
internal sealed class PictureCache(string folder, int size, DicomGray dicom)
{
    private const uint Version = 0x32474d49; // changes with the transform

    private long _hits, _misses;

    /// <summary>Pictures that were found.</summary>
    public long Hits => Interlocked.Read(ref _hits);

    /// <summary>Pictures that were not found, or found damaged.</summary>
    public long Misses => Interlocked.Read(ref _misses);

    /// <summary>A ready picture, or null. A damaged file counts as none.</summary>
    /// <param name="sha256">Hash of the picture's file in lower-case hex.</param>
    /// <param name="buffer">Memory for the file; the picture does not keep it.</param>
    public DecodedImage? Find(string sha256, DecodeBuffer buffer)
    {
        var picture = Read(PathOf(sha256), buffer);
        Interlocked.Increment(ref picture is null ? ref _misses : ref _hits);
        return picture;
    }

    /// <summary>Keeps a ready picture. Failing to write only costs time later, so it is not an error.</summary>
    public void Keep(string sha256, DecodedImage picture)
    {
        var note = Encoding.UTF8.GetBytes(picture.Note ?? "");
        CacheFile.TryWrite(PathOf(sha256), CacheFile.Pack(Version, [size, picture.Channels, note.Length], note, picture.Pixels));
    }

    private DecodedImage? Read(string path, DecodeBuffer buffer)
    {
        ReadOnlySpan<byte> file;
        try
        {
            if (!File.Exists(path)) return null;
            file = ImageFile.ReadFile(path, buffer);
        }
        catch (InputException)
        {
            return null;
        }

        Span<int> numbers = stackalloc int[3];
        if (!CacheFile.TryUnpack(file, Version, numbers, out var content)) return null;
        var (side, channels, note) = (numbers[0], numbers[1], numbers[2]);
        if (side != size || channels is not (1 or 3) || note < 0 || content.Length != note + (long)size * size * channels) return null;
        return new DecodedImage(size, size, channels, content[note..].ToArray())
        {
            Note = note > 0 ? Encoding.UTF8.GetString(content[..note]) : null,
        };
    }

    private string PathOf(string sha256) => Path.Combine(folder, $"{size}{dicom.Suffix()}", sha256[..2], sha256);
}
