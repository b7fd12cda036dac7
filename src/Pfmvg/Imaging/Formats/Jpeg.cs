namespace Pfmvg.Imaging.Formats;

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
            var isGrayBaseline = segments.Marker is 0xc0 or 0xc1 && segments.Content.Length > 5 && segments.Content[5] == 1;
            picture.CheckSize(width, height, limit: isGrayBaseline ? ImageLimits.Pixels : ImageLimits.OtherPixels);
            return new ImageHeader("JPEG", width, height);
        }

        return segments.Broken ? throw picture.Damaged("its header is broken") : null;
    }

    public static DecodedImage Decode(ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer)
    {
        if (GrayJpeg.TryDecode(file, buffer, picture, out var image)) return image;
        if (Header(file, picture) is null) throw picture.Damaged("it ends before its size");
        JpegBudget.Check(file, picture);
        return SkiaPicture.Decode(file, picture, buffer).EndingEarly(JpegWholeness.Problem(file));
    }
}
