using System.Buffers.Binary;
using System.Security.Cryptography;
using Pfmvg.Imaging;

namespace Pfmvg.Data.Loading;

/// <summary>
/// Ready pictures on the disk: the S x S bytes of a whole picture after the transform, named by the hash of its file, so
/// that it does not matter where the picture lies or what it is called. Any number of processes may share the folder.
/// </summary>
/// <param name="folder">Where; made when it does not exist.</param>
/// <param name="size">S.</param>
public sealed class PictureCache(string folder, int size)
{
    private const uint Version = 0x31474d49; // changes with the transform
    private const int HeaderLength = 4 + 4 + 4 + 4 + 32; // version, size, channels, length of the note, hash of what follows

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
        var note = System.Text.Encoding.UTF8.GetBytes(picture.Note ?? "");
        var file = new byte[HeaderLength + note.Length + picture.Pixels.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(file, Version);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(4), size);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(8), picture.Channels);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(12), note.Length);
        note.CopyTo(file, HeaderLength);
        picture.Pixels.CopyTo(file.AsSpan(HeaderLength + note.Length));
        SHA256.HashData(file.AsSpan(HeaderLength), file.AsSpan(16, 32));
        var path = PathOf(sha256);
        var temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(temporary, file); // the hash tells a half-written file, so it need not be flushed
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            TryDelete(temporary);
        }
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

        if (file.Length < HeaderLength || BinaryPrimitives.ReadUInt32LittleEndian(file) != Version
            || BinaryPrimitives.ReadInt32LittleEndian(file[4..]) != size) return null;
        var (channels, note) = (BinaryPrimitives.ReadInt32LittleEndian(file[8..]), BinaryPrimitives.ReadInt32LittleEndian(file[12..]));
        var content = file[HeaderLength..];
        if (channels is not (1 or 3) || note < 0 || content.Length != note + (long)size * size * channels) return null;
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(content, hash);
        if (!hash.SequenceEqual(file.Slice(16, 32))) return null;
        return new DecodedImage(size, size, channels, content[note..].ToArray())
        {
            Note = note > 0 ? System.Text.Encoding.UTF8.GetString(content[..note]) : null,
        };
    }

    private string PathOf(string sha256) => Path.Combine(folder, $"{size}", sha256[..2], sha256);

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays; nobody reads it.
        }
    }
}
