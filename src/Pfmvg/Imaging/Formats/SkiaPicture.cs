using SkiaSharp;

namespace Pfmvg.Imaging.Formats;

/// <summary>
/// Decodes through SkiaSharp: JPEG (libjpeg-turbo), BMP, GIF and WebP (libwebp). Its decoders say when a file ends early.
/// </summary>
internal static class SkiaPicture
{
    /// <summary>Whether the file is a BMP, GIF or WebP.</summary>
    public static bool Is(ReadOnlySpan<byte> file) => file.StartsWith("BM"u8) || IsGif(file) || IsWebp(file);

    /// <summary>The format and size of a BMP, GIF or WebP.</summary>
    public static unsafe ImageHeader Header(ReadOnlySpan<byte> file, PictureName picture)
    {
        fixed (byte* bytes = file)
        {
            using var data = SKData.Create((nint)bytes, file.Length);
            using var codec = Open(data, file, picture);
            return new ImageHeader(codec.EncodedFormat.ToString().ToUpperInvariant(), codec.Info.Width, codec.Info.Height);
        }
    }

    /// <summary>Decodes a JPEG, BMP, GIF or WebP.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="picture">Names it in errors.</param>
    /// <param name="buffer">Memory to decode into.</param>
    public static unsafe DecodedImage Decode(ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer)
    {
        fixed (byte* bytes = file)
        {
            using var data = SKData.Create((nint)bytes, file.Length);
            using var codec = Open(data, file, picture);
            var (width, height) = (codec.Info.Width, codec.Info.Height);
            var gray = codec.Info.ColorType == SKColorType.Gray8;
            var pixels = buffer.Pixels(checked(width * height * (gray ? 1 : 4)));
            // Without a colour space in the request nothing is colour-managed, as in Pillow. Colours are not multiplied by alpha.
            var request = new SKImageInfo(width, height, gray ? SKColorType.Gray8 : SKColorType.Rgba8888,
                codec.Info.AlphaType == SKAlphaType.Opaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul);
            fixed (byte* target = pixels)
            {
                var result = codec.GetPixels(request, (nint)target);
                if (result != SKCodecResult.Success)
                    throw picture.Damaged(result == SKCodecResult.IncompleteInput ? "it ends early" : "its data are broken");
            }

            if (CanHaveHoles(file) && HasHoles(pixels.AsSpan(0, 4 * width * height)))
                throw picture.Bad("the picture has transparent places, whose colour is not known", "save it as a PNG without transparency");
            if (!gray) DropAlpha(pixels, width * height);
            return new DecodedImage(width, height, gray ? 1 : 3, pixels);
        }
    }

    /// <summary>The decoded picture as one to draw with.</summary>
    public static SKBitmap ToBitmap(DecodedImage image)
    {
        var bitmap = new SKBitmap(image.Width, image.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        var target = bitmap.GetPixelSpan();
        var pixels = image.Pixels;
        var (green, blue) = image.Channels == 3 ? (1, 2) : (0, 0);
        for (var (i, from) = (0, 0); from < pixels.Length; i += 4, from += image.Channels)
            (target[i], target[i + 1], target[i + 2], target[i + 3]) = (pixels[from], pixels[from + green], pixels[from + blue], 255);
        return bitmap;
    }

    private static SKCodec Open(SKData data, ReadOnlySpan<byte> file, PictureName picture)
    {
        // Read from the header, because libwebp takes minutes to count many frames.
        if (IsWebp(file) && file.Length > 20 && file[12..16].SequenceEqual("VP8X"u8) && (file[20] & 2) != 0)
            throw picture.SeveralPictures();
        var codec = SKCodec.Create(data) ?? throw picture.Damaged("its header is broken");
        try
        {
            if (codec.EncodedFormat == SKEncodedImageFormat.Jpeg)
                picture.CheckSize(codec.Info.Width, codec.Info.Height, file.Length * Jpeg.MostPixelsPerByte);
            else picture.CheckSize(codec.Info.Width, codec.Info.Height, limit: ImageLimits.OtherPixels);
            if (IsGif(file) && codec.FrameCount > 1) throw picture.SeveralPictures();
            return codec;
        }
        catch
        {
            codec.Dispose();
            throw;
        }
    }

    private static bool IsGif(ReadOnlySpan<byte> file) => file.StartsWith("GIF87a"u8) || file.StartsWith("GIF89a"u8);

    private static bool IsWebp(ReadOnlySpan<byte> file) =>
        file.Length >= 16 && file.StartsWith("RIFF"u8) && file[8..12].SequenceEqual("WEBP"u8);

    /// <summary>Transparent pixels of a GIF lose their colour, and a run-length coded BMP can leave pixels out.</summary>
    private static bool CanHaveHoles(ReadOnlySpan<byte> file) =>
        IsGif(file) || (file.StartsWith("BM"u8) && file.Length > 28 && file[28] <= 8);

    private static bool HasHoles(ReadOnlySpan<byte> pixels)
    {
        for (var i = 3; i < pixels.Length; i += 4)
            if (pixels[i] == 0) return true;
        return false;
    }

    /// <summary>Closes up from four bytes a pixel to three.</summary>
    private static void DropAlpha(Span<byte> pixels, int count)
    {
        for (var i = 1; i < count; i++)
        {
            var (from, to) = (4 * i, 3 * i);
            (pixels[to], pixels[to + 1], pixels[to + 2]) = (pixels[from], pixels[from + 1], pixels[from + 2]);
        }
    }
}
