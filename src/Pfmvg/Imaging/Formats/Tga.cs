using System.Buffers.Binary;
using SixLabors.ImageSharp.Formats.Tga;

namespace Pfmvg.Imaging.Formats;

/// <summary>Decodes TGA, gray or true colour, through ImageSharp, which does not mind when image data are missing.</summary>
internal static class Tga
{
    private const int HeaderSize = 18, Colour = 2, Gray = 3, RunLength = 8;

    /// <summary>
    /// Whether this can be the header of such a TGA. The format has no mark of its own, so every field must be in order.
    /// </summary>
    public static bool Is(ReadOnlySpan<byte> file) => file.Length >= HeaderSize && file[1..8].IndexOfAnyExcept((byte)0) == 1
        && ((file[2] & ~RunLength, file[16]) is (Gray, 8) or (Colour, 24 or 32)) && (file[17] & 0xc0) == 0;

    public static ImageHeader Header(ReadOnlySpan<byte> file, PictureName picture)
    {
        int width = BinaryPrimitives.ReadUInt16LittleEndian(file[12..]), height = BinaryPrimitives.ReadUInt16LittleEndian(file[14..]);
        picture.CheckSize(width, height, limit: ImageSharpFile.MaxPixels);
        return new ImageHeader("TGA", width, height);
    }

    public static DecodedImage Decode(ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer)
    {
        var header = Header(file, picture);
        var data = file[Math.Min(file.Length, HeaderSize + file[0])..];
        if (!IsWhole(data, header.Width * header.Height, file[16] / 8, (file[2] & RunLength) != 0)) throw picture.Damaged("it ends early");
        return ImageSharpFile.Decode(file, new TgaDecoder(), header, file[16] == 8, picture, buffer);
    }

    private static bool IsWhole(ReadOnlySpan<byte> data, int pixels, int pixelBytes, bool packed)
    {
        if (!packed) return data.Length >= (long)pixels * pixelBytes;
        while (pixels > 0)
        {
            if (data.Length == 0) return false;
            var count = (data[0] & 0x7f) + 1;
            var bytes = 1 + pixelBytes * (data[0] < 0x80 ? count : 1);
            if (data.Length < bytes) return false;
            data = data[bytes..];
            pixels -= count;
        }

        return pixels == 0;
    }
}
