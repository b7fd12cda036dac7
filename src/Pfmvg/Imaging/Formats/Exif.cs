using System.Buffers.Binary;

namespace Pfmvg.Imaging.Formats;

/// <summary>
/// The orientation that a camera or a viewer noted in a picture. It is not applied, as in Pillow, but whoever drew boxes in a viewer that
/// applies it drew them on another picture.
/// </summary>
internal static class Exif
{
    /// <summary>By these words a note of it is known.</summary>
    public const string Word = "EXIF orientation";

    private const int Tag = 0x0112, Short = 3, EntryBytes = 12, Head = 1 << 16;

    private static readonly string[] Turns =
    [
        "mirrored left to right", "turned by 180 degrees", "mirrored top to bottom", "mirrored and turned by 90 degrees",
        "to be turned clockwise by 90 degrees", "mirrored and turned by 270 degrees", "to be turned clockwise by 270 degrees",
    ];

    /// <summary>What a reader should know about a picture's orientation; null where it is the usual one or none is told.</summary>
    /// <param name="file">The file, or its beginning.</param>
    public static string? Note(ReadOnlySpan<byte> file) => Orientation(file) is not { } turn ? null
        : $"its {Word} {turn} ({Turns[turn - 2]}) is not applied: the pixels are taken as they are stored, and boxes must be theirs";

    /// <summary>The orientation of a file, from its beginning; null where it is the usual one, or the file is none of these.</summary>
    public static int? OfFile(string path)
    {
        try
        {
            if (InputFile.KindOf(path) != FileKind.File) return null;
            using var file = File.OpenRead(path);
            var start = new byte[Math.Min(Head, file.Length)];
            return Orientation(start.AsSpan(0, file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null; // decoding tells what is wrong
        }
    }

    /// <summary>2 to 8; null for 1 and where none is told.</summary>
    internal static int? Orientation(ReadOnlySpan<byte> file)
    {
        var told = Jpeg.Is(file) ? InJpeg(file)
            : Png.Is(file) ? InChunks(file, 8, "eXIf"u8, isBig: true, around: 12)
            : file.Length > 12 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8)
                ? InChunks(file, 12, "EXIF"u8, isBig: false, around: 8)
            : InTiff(file);
        return told is >= 2 and <= 8 ? told : null;
    }

    private static int? InJpeg(ReadOnlySpan<byte> file)
    {
        const byte Application1 = 0xe1, Scan = 0xda;
        for (var at = 2; at + 4 <= file.Length && file[at] == 0xff && file[at + 1] != Scan;)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(file[(at + 2)..]);
            var body = file[(at + 4)..Math.Min(file.Length, Math.Max(at + 4, at + 2 + length))];
            if (file[at + 1] == Application1 && body.StartsWith("Exif\0\0"u8)) return InTiff(body[6..]);
            at += 2 + Math.Max(2, (int)length);
        }

        return null;
    }

    /// <summary>Looks through the chunks of a PNG (length, name) or a WebP (name, length).</summary>
    private static int? InChunks(ReadOnlySpan<byte> file, int at, ReadOnlySpan<byte> name, bool isBig, int around)
    {
        while (at + 8 <= file.Length)
        {
            var length = isBig ? BinaryPrimitives.ReadUInt32BigEndian(file[at..])
                : BinaryPrimitives.ReadUInt32LittleEndian(file[(at + 4)..]);
            var found = file.Slice(isBig ? at + 4 : at, 4);
            var body = file[(at + 8)..];
            if (found.SequenceEqual(name))
                return InTiff(body.StartsWith("Exif\0\0"u8) ? body[6..] : body); // some writers keep JPEG's mark
            if (length > int.MaxValue - around - at - 1) return null;
            at += around + (int)length + (isBig ? 0 : (int)length & 1);
        }

        return null;
    }

    private static int? InTiff(ReadOnlySpan<byte> block)
    {
        var isBig = block.StartsWith("MM\0*"u8);
        if (!isBig && !block.StartsWith("II*\0"u8)) return null;
        var directory = Number(block, 4, 4, isBig);
        var count = Number(block, directory, 2, isBig);
        for (var i = 0L; i < count; i++)
        {
            var entry = directory + 2 + i * EntryBytes;
            if (Number(block, entry, 2, isBig) != Tag) continue;
            return Number(block, entry + 2, 2, isBig) == Short ? (int)Number(block, entry + 8, 2, isBig) : null;
        }

        return null;
    }

    /// <summary>A number of 2 or 4 bytes; 0 beyond the end.</summary>
    private static long Number(ReadOnlySpan<byte> block, long at, int bytes, bool isBig)
    {
        if (at < 0 || at + bytes > block.Length) return 0;
        var value = block.Slice((int)at, bytes);
        return (bytes, isBig) switch
        {
            (2, true) => BinaryPrimitives.ReadUInt16BigEndian(value),
            (2, false) => BinaryPrimitives.ReadUInt16LittleEndian(value),
            (_, true) => BinaryPrimitives.ReadUInt32BigEndian(value),
            _ => BinaryPrimitives.ReadUInt32LittleEndian(value),
        };
    }
}
