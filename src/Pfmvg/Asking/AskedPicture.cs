using Pfmvg.Configuration;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;

namespace Pfmvg.Asking;

/// <summary>A picture as it is sent: pixels alone, without a name or anything else of its file.</summary>
/// <param name="Png">The PNG file.</param>
/// <param name="Frame">The size that pixels in an answer belong to; null for the original one.</param>
internal sealed record AskedPicture(byte[] Png, PictureFrame? Frame)
{
    /// <summary>Resizes a picture as the settings say.</summary>
    public static AskedPicture Of(DecodedImage picture, AskSettings settings)
    {
        var (width, height) = SizeOf(picture.Width, picture.Height, settings);
        if ((width, height) == (picture.Width, picture.Height)) return new AskedPicture(ImageSharpFile.ToPng(picture), null);
        var resized = PillowResize.Run(picture, Crop.Whole(picture.Width, picture.Height), width, height);
        return new AskedPicture(
            ImageSharpFile.ToPng(new DecodedImage(width, height, picture.Channels, resized)), PictureFrame.Fixed(width, height));
    }

    /// <summary>The size in which a picture is sent.</summary>
    public static (int Width, int Height) SizeOf(int width, int height, AskSettings settings)
    {
        var (most, multiple) = (settings.LongestSide, settings.Multiple);
        var scale = most == 0 ? 1 : Math.Min(1, (double)most / Math.Max(width, height));
        return (Side(width), Side(height));

        int Side(int length)
        {
            var units = Math.Max(1, (int)Math.Round(length * scale / multiple));
            return multiple * (most == 0 ? units : Math.Min(units, Math.Max(1, most / multiple)));
        }
    }
}
