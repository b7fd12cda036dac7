using System.Buffers.Binary;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using Pfmvg.Tests.Support;
using SkiaSharp;

namespace Pfmvg.Tests.Imaging;

/// <summary>An EXIF orientation is named and not applied.</summary>
public sealed class ExifTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, int, bool> Cases()
    {
        var cases = new TheoryData<string, int, bool>();
        foreach (var format in (string[])["jpeg", "png", "webp"])
            for (var turn = 1; turn <= 8; turn++) cases.Add(format, turn, turn % 2 == 0);
        return cases;
    }

    [Theory, MemberData(nameof(Cases))]
    public void It_is_named_by_decoding_by_the_header_and_by_the_check_and_the_pixels_stay(string format, int turn, bool isBig)
    {
        var plain = Picture(format);
        var file = With(format, plain, Block(turn, isBig));
        var path = _folder.In($"x.{format}");
        File.WriteAllBytes(path, file);
        var (decoded, expected) = (ImageFile.Decode(path), ImageFile.Decode(plain, "plain"));
        Assert.Equal((40, 24), (decoded.Width, decoded.Height));
        Assert.Equal(expected.Pixels, decoded.Pixels);
        Assert.Null(expected.Note);
        Assert.Equal(turn == 1 ? null : turn, Exif.OfFile(path));
        foreach (var note in new[] { decoded.Note, ImageFile.Check(path, new DecodeBuffer()).Note })
        {
            if (turn == 1) Assert.Null(note);
            else Assert.StartsWith($"its EXIF orientation {turn} (", note, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Blocks_that_are_cut_or_lie_about_their_size_say_nothing()
    {
        var file = With("jpeg", Picture("jpeg"), Block(6, isBig: true));
        for (var length = 0; length < file.Length; length++) _ = Exif.Orientation(file.AsSpan(0, length)); // nothing is thrown
        foreach (var place in Enumerable.Range(0, 60))
            foreach (var value in (byte[])[0, 1, 0x7f, 0xff])
            {
                var wrong = file.ToArray();
                wrong[place] = value;
                Assert.InRange(Exif.Orientation(wrong) ?? 2, 2, 8);
            }

        Assert.Null(Exif.Orientation(With("jpeg", Picture("jpeg"), Block(9, isBig: true))));
        Assert.Null(Exif.Orientation(With("jpeg", Picture("jpeg"), Block(0, isBig: false))));
        Assert.Null(Exif.OfFile(_folder.In("absent.jpg")));
    }

    private static byte[] Picture(string format)
    {
        using var bitmap = new SKBitmap(40, 24, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var y = 0; y < 24; y++)
            for (var x = 0; x < 40; x++) bitmap.SetPixel(x, y, new SKColor((byte)(6 * x), (byte)(10 * y), 128));
        return bitmap.Encode(format == "jpeg" ? SKEncodedImageFormat.Jpeg : format == "png" ? SKEncodedImageFormat.Png
            : SKEncodedImageFormat.Webp, 100).ToArray();
    }

    /// <summary>A TIFF block with one other entry and the orientation, as cameras write it.</summary>
    private static byte[] Block(int turn, bool isBig)
    {
        var block = new byte[8 + 2 + 2 * 12 + 4];
        (isBig ? "MM\0*"u8 : "II*\0"u8).CopyTo(block);
        Four(4, 8);
        Two(8, 2);
        Two(10, 0x010f);
        Two(12, 2);
        Four(14, 4);
        Two(22, 0x0112);
        Two(24, 3);
        Four(26, 1);
        Two(30, turn);
        return block;

        void Two(int at, int value)
        {
            if (isBig) BinaryPrimitives.WriteUInt16BigEndian(block.AsSpan(at), (ushort)value);
            else BinaryPrimitives.WriteUInt16LittleEndian(block.AsSpan(at), (ushort)value);
        }

        void Four(int at, int value)
        {
            if (isBig) BinaryPrimitives.WriteInt32BigEndian(block.AsSpan(at), value);
            else BinaryPrimitives.WriteInt32LittleEndian(block.AsSpan(at), value);
        }
    }

    private static byte[] With(string format, byte[] picture, byte[] block)
    {
        switch (format)
        {
            case "jpeg":
                byte[] body = [.. "Exif\0\0"u8, .. block];
                return [.. picture[..2], 0xff, 0xe1, (byte)((body.Length + 2) >> 8), (byte)(body.Length + 2), .. body, .. picture[2..]];
            case "png":
                const int AfterHeader = 8 + 25;
                byte[] named = [.. "eXIf"u8, .. block];
                var (length, sum) = (new byte[4], new byte[4]);
                BinaryPrimitives.WriteInt32BigEndian(length, block.Length);
                BinaryPrimitives.WriteUInt32BigEndian(sum, System.IO.Hashing.Crc32.HashToUInt32(named));
                return [.. picture[..AfterHeader], .. length, .. named, .. sum, .. picture[AfterHeader..]];
            default:
                // The extended form: its header says that there is EXIF, which follows the picture.
                byte[] extended = [.. "VP8X"u8, 10, 0, 0, 0, 8, 0, 0, 0, 39, 0, 0, 23, 0, 0];
                byte[] exif = [.. "EXIF"u8, (byte)block.Length, 0, 0, 0, .. block];
                byte[] file = [.. picture[..12], .. extended, .. picture[12..], .. exif];
                BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(4), file.Length - 8);
                return file;
        }
    }
}
