using System.Buffers.Binary;
using Pfmvg.Imaging.Codecs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Imaging.Codecs;

/// <summary>The compressed streams of the DICOM fixtures, and what the codecs make of them.</summary>
internal static class CodecStreams
{
    private static readonly string Folder = Path.Combine(
        Fixtures.Repository, "tests", "Pfmvg.Tests", "Imaging", "Dicom", "files");

    // Pixel Data of undefined length, as OB.
    private static ReadOnlySpan<byte> PixelData => [0xE0, 0x7F, 0x10, 0x00, (byte)'O', (byte)'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];

    /// <summary>The fragments of a file's only frame, without the offset table.</summary>
    public static byte[] Of(string file)
    {
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(Path.Combine(Folder, file));
        var rest = bytes[(bytes.LastIndexOf(PixelData) + PixelData.Length)..];
        var stream = new List<byte>();
        for (var isTable = true; rest[2] == 0 && rest[3] == 0xE0; isTable = false) // an item; the end has another tag
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
            if (!isTable) stream.AddRange(rest[8..(8 + length)]);
            rest = rest[(8 + length)..];
        }

        return [.. stream];
    }

    /// <summary>Reads the header, and decodes what it says, as the reader of a file does.</summary>
    public static ushort[] Decode(byte[] stream, bool isJpegLs)
    {
        RequireLibraries();
        var header = ReadHeader(stream, isJpegLs);
        if (header.Components != 1 || (long)header.Width * header.Height > 1 << 20) throw new StreamException("is not such a picture");
        var values = new ushort[header.Width * header.Height];
        if (isJpegLs) JpegLs.Decode(stream, header, values);
        else Jpeg2000.Decode(stream, header, values);
        return values;
    }

    public static StreamHeader ReadHeader(byte[] stream, bool isJpegLs) =>
        isJpegLs ? JpegLs.ReadHeader(stream) : Jpeg2000.ReadHeader(stream);

    /// <summary>Skips the test where a library is missing.</summary>
    public static void RequireLibraries()
    {
        Assert.SkipUnless(CharLs.Library.IsFound, CharLs.Library.Missing);
        Assert.SkipUnless(OpenJpeg.Library.IsFound, OpenJpeg.Library.Missing);
    }
}
