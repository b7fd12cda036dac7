using System.Buffers.Binary;

namespace Pfmvg.Data;

/// <summary>Decodes JPEG: the usual gray radiograph by <see cref="GrayJpeg"/>, all others through libjpeg-turbo.</summary>
internal static class Jpeg
{
    /// <summary>Every 8x8 block needs a bit at least, so a byte can stand for 512 pixels and no more.</summary>
    internal const long MostPixelsPerByte = 512;

    public static bool Is(ReadOnlySpan<byte> file) => file.StartsWith((ReadOnlySpan<byte>)[0xff, 0xd8, 0xff]);

    /// <summary>Whether the file ends with the end mark; without it, or with something behind it, only decoding tells.</summary>
    public static bool EndsWhole(ReadOnlySpan<byte> end) => end.EndsWith((ReadOnlySpan<byte>)[0xff, 0xd9]);

    /// <summary>Reads the size from the beginning of a file; null when that beginning is too short.</summary>
    public static ImageHeader? Header(ReadOnlySpan<byte> start, PictureName picture)
    {
        for (var position = 2; position + 9 <= start.Length;) // 9: up to the size in its segment
        {
            var segment = start[position..];
            if (segment[0] != 0xff) throw picture.Damaged("its header is broken");
            var marker = segment[1];
            if (marker == 0xff) position++; // fill byte
            else if (marker is 0x01 or (>= 0xd0 and <= 0xd8)) position += 2; // markers without content
            else if (marker is 0xd9 or 0xda) throw picture.Damaged("it has no size");
            else if (marker is >= 0xc0 and <= 0xcf and not (0xc4 or 0xc8 or 0xcc))
            {
                int height = BinaryPrimitives.ReadUInt16BigEndian(segment[5..]), width = BinaryPrimitives.ReadUInt16BigEndian(segment[7..]);
                picture.CheckSize(width, height);
                return new ImageHeader("JPEG", width, height);
            }
            else
            {
                var length = BinaryPrimitives.ReadUInt16BigEndian(segment[2..]);
                if (length < 2) throw picture.Damaged("its header is broken");
                position += 2 + length;
            }
        }

        return null;
    }

    public static DecodedImage Decode(ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer) =>
        GrayJpeg.TryDecode(file, buffer, picture, out var image) ? image : SkiaPicture.Decode(file, picture, buffer);
}
