using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using SkiaSharp;

namespace Pfmvg.Evaluation.Reports;

/// <summary>Pictures for people to look at, in reports and overlays.</summary>
internal static class ReportImage
{
    private const long MostPixels = 100_000_000;

    /// <summary>The picture as the model sees it, at its own size; null when it cannot be read.</summary>
    public static SKBitmap? Decode(string path)
    {
        try
        {
            return File.Exists(path) ? SkiaPicture.ToBitmap(ImageFile.Decode(path)) : null;
        }
        catch (InputException)
        {
            return null;
        }
    }

    // For a small copy a whole JPEG need not be decoded to its own size. What has no small form, or is cut, is decoded as for the model.
    private static SKBitmap? DecodeSmall(string path, int side)
    {
        if (!File.Exists(path)) return null;
        using var codec = SKCodec.Create(path);
        if (codec?.EncodedFormat != SKEncodedImageFormat.Jpeg) return Decode(path);
        if ((long)codec.Info.Width * codec.Info.Height > MostPixels) return null;
        var size = codec.Info.Size;
        for (var eighths = 1; eighths < 8; eighths++)
            if (codec.GetScaledDimensions(eighths / 8f) is var scaled && Math.Max(scaled.Width, scaled.Height) >= side)
            {
                size = scaled;
                break;
            }

        var bitmap = new SKBitmap(new SKImageInfo(size.Width, size.Height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        if (codec.GetPixels(bitmap.Info, bitmap.GetPixels()) == SKCodecResult.Success) return bitmap;
        bitmap.Dispose();
        return Decode(path);
    }

    /// <summary>
    /// A JPEG of at most <paramref name="side"/> pixels a side and about <paramref name="budget"/> bytes; null when it
    /// cannot be read.
    /// </summary>
    public static byte[]? Thumbnail(string path, int side, int budget)
    {
        using var picture = DecodeSmall(path, side);
        if (picture is null) return null;
        for (var (quality, scale) = (80, Math.Min(1.0, (double)side / Math.Max(picture.Width, picture.Height))); ; quality = 60)
        {
            var info = new SKImageInfo(
                Math.Max(1, (int)(picture.Width * scale)), Math.Max(1, (int)(picture.Height * scale)), SKColorType.Gray8);
            using var small = new SKBitmap(info);
            if (!picture.ScalePixels(small, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear))) return null;
            using var data = small.Encode(SKEncodedImageFormat.Jpeg, quality);
            if (data.Size <= budget || info.Width < 64 || info.Height < 64) return data.ToArray();
            if (quality == 60) scale *= Math.Min(0.9, Math.Sqrt((double)budget / data.Size)); // the file grows with the area
        }
    }
}
