using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using SkiaSharp;

namespace Pfmvg.Evaluation.Reports;

/// <summary>Pictures for people to look at, in reports and overlays: made of the pixels that the model saw, by no other decoder.</summary>
internal static class ReportImage
{
    /// <summary>The picture as the model sees it, at its own size; null when it cannot be read.</summary>
    /// <param name="path">The file.</param>
    /// <param name="dicom">How DICOM values become gray.</param>
    /// <param name="leftOut">Notes why it cannot be.</param>
    public static DecodedImage? Decode(string path, DicomGray dicom, LeftOutPictures? leftOut)
    {
        try
        {
            if (InputFile.KindOf(path) == FileKind.File) return ImageFile.Decode(path, dicom: dicom);
            leftOut?.Add(path, InputFile.Problem(path) ?? "there is no such file");
        }
        catch (InputException)
        {
            leftOut?.Add(path, "it cannot be read");
        }

        return null;
    }

    /// <summary>
    /// A JPEG of at most <paramref name="side"/> pixels a side and about <paramref name="budget"/> bytes; null when the picture
    /// cannot be read.
    /// </summary>
    public static byte[]? Thumbnail(string path, int side, int budget, DicomGray dicom, LeftOutPictures? leftOut = null)
    {
        if (Decode(path, dicom, leftOut) is not { } picture) return null;
        for (var (quality, scale) = (80, Math.Min(1.0, (double)side / Math.Max(picture.Width, picture.Height))); ; quality = 60)
        {
            var (width, height) = (Math.Max(1, (int)(picture.Width * scale)), Math.Max(1, (int)(picture.Height * scale)));
            var resized = PillowResize.Run(picture, Crop.Whole(picture.Width, picture.Height), width, height);
            using var small = SkiaPicture.ToBitmap(new DecodedImage(width, height, picture.Channels, resized));
            using var gray = small.Copy(SKColorType.Gray8);
            using var data = gray.Encode(SKEncodedImageFormat.Jpeg, quality);
            if (data.Size <= budget || width < 64 || height < 64) return data.ToArray();
            if (quality == 60) scale *= Math.Min(0.9, Math.Sqrt((double)budget / data.Size)); // the file grows with the area
        }
    }
}
