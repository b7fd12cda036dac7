using SkiaSharp;

namespace Pfmvg.Imaging;

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
        var segments = new JpegSegments(start);
        while (segments.MoveNext())
        {
            if (segments.Marker is JpegSegments.EndOfImage or JpegSegments.StartOfScan) throw picture.Damaged("it has no size");
            if (!segments.IsFrame) continue;
            if (segments.Content.Length < 5) throw picture.Damaged("its header is broken");
            var (width, height) = segments.Size;
            picture.CheckSize(width, height);
            return new ImageHeader("JPEG", width, height);
        }

        return segments.Broken ? throw picture.Damaged("its header is broken") : null;
    }

    public static unsafe DecodedImage Decode(ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer)
    {
        if (GrayJpeg.TryDecode(file, buffer, picture, out var image)) return image;
        fixed (byte* bytes = file)
        {
            using var data = SKData.Create((nint)bytes, file.Length);
            using var codec = SKCodec.Create(data) ?? throw picture.Damaged("its header is broken");
            var (width, height) = (codec.Info.Width, codec.Info.Height);
            picture.CheckSize(width, height, file.Length * MostPixelsPerByte);
            var gray = codec.Info.ColorType == SKColorType.Gray8;
            var pixels = buffer.Pixels(checked(width * height * (gray ? 1 : 4)));
            // Without a colour space in the request nothing is colour-managed, as in Pillow.
            var request = new SKImageInfo(width, height, gray ? SKColorType.Gray8 : SKColorType.Rgba8888, SKAlphaType.Opaque);
            fixed (byte* target = pixels)
            {
                var result = codec.GetPixels(request, (nint)target);
                if (result != SKCodecResult.Success)
                    throw picture.Damaged(result == SKCodecResult.IncompleteInput ? "it ends early" : "its data are broken");
            }

            if (!gray) DropFourth(pixels, width * height);
            return new DecodedImage(width, height, gray ? 1 : 3, pixels);
        }
    }

    private static void DropFourth(Span<byte> pixels, int count)
    {
        for (var i = 1; i < count; i++)
        {
            var (from, to) = (4 * i, 3 * i);
            (pixels[to], pixels[to + 1], pixels[to + 2]) = (pixels[from], pixels[from + 1], pixels[from + 2]);
        }
    }
}
