using System.Runtime.InteropServices;
using Pfmvg.Imaging;
using static TorchSharp.torch;

namespace Pfmvg.Rivals;

/// <summary>
/// A picture as BioViL sees it: the full range of its values spread over 8 bits, the shorter side resized, the middle cropped. This is not
/// how our own model reads pictures.
/// </summary>
/// <param name="Pixels">Side * Side gray values.</param>
/// <param name="Side">Pixels per row, and rows.</param>
internal sealed record RivalPicture(byte[] Pixels, int Side)
{
    private const int RedShare = 19595, GreenShare = 38470, BlueShare = 7471, HalfUnit = 32768; // Pillow's "L", in 16 bits

    /// <summary>Prepares a decoded picture.</summary>
    /// <param name="image">The picture; of 16-bit gray its full depth is used.</param>
    /// <param name="resize">Length of the shorter side.</param>
    /// <param name="crop">Side of the square in the middle, at most <paramref name="resize"/>.</param>
    /// <param name="path">Names the picture in errors.</param>
    /// <exception cref="InputException">All its values are equal.</exception>
    public static RivalPicture Prepare(DecodedImage image, int resize, int crop, string path) =>
        FromGray(ToGray(image, path), resize, crop, path);

    /// <summary>Resizes and crops what <see cref="ToGray"/> gives.</summary>
    public static RivalPicture FromGray(DecodedImage gray, int resize, int crop, string path)
    {
        var isWide = gray.Width > gray.Height;
        var (shorter, longer) = isWide ? (gray.Height, gray.Width) : (gray.Width, gray.Height);
        var length = (long)resize * longer / shorter;
        if (length > 1 << 24)
            throw new InputException($"{path}: the picture of {gray.Width} x {gray.Height} is too narrow to be resized; leave it out.");
        var (width, height) = isWide ? ((int)length, resize) : (resize, (int)length);
        var window = new Crop(Middle(width, crop), Middle(height, crop), crop, crop);
        return new RivalPicture(
            PillowResize.Run(gray, Crop.Whole(gray.Width, gray.Height), width, height, ResizeFilter.Bilinear, window), crop);
    }

    /// <summary>(1, 3, S, S): value / 255, three times.</summary>
    public Tensor ToTensor()
    {
        using var scope = NewDisposeScope();
        var values = empty([3, Side, Side]);
        var planes = MemoryMarshal.Cast<byte, float>(values.bytes);
        for (var i = 0; i < Pixels.Length; i++) planes[i] = Pixels[i] / 255f;
        planes[..Pixels.Length].CopyTo(planes[Pixels.Length..]);
        planes[..Pixels.Length].CopyTo(planes[(2 * Pixels.Length)..]);
        return values.unsqueeze(0).MoveToOuterDisposeScope();
    }

    /// <summary>The full range of the values as 8 bits, cut off, not rounded; then colours to gray.</summary>
    internal static DecodedImage ToGray(DecodedImage image, string path)
    {
        var pixels = new byte[image.Width * image.Height];
        if (!image.Wide.IsEmpty)
        {
            var wide = image.Wide.Span;
            var (low, high) = (wide[0], wide[0]);
            foreach (var value in wide) (low, high) = (Math.Min(low, value), Math.Max(high, value));
            var table = Spread(low, high, path);
            for (var i = 0; i < pixels.Length; i++) pixels[i] = table[wide[i] - low];
            return new DecodedImage(image.Width, image.Height, 1, pixels);
        }

        var samples = image.Pixels;
        var (first, last) = ((int)byte.MaxValue, 0);
        foreach (var value in samples) (first, last) = (Math.Min(first, value), Math.Max(last, value));
        var spread = Spread(first, last, path);
        if (image.Channels == 1)
            for (var i = 0; i < pixels.Length; i++) pixels[i] = spread[samples[i] - first];
        else
            for (var i = 0; i < pixels.Length; i++)
                pixels[i] = (byte)((RedShare * spread[samples[3 * i] - first] + GreenShare * spread[samples[3 * i + 1] - first]
                    + BlueShare * spread[samples[3 * i + 2] - first] + HalfUnit) >> 16);
        return new DecodedImage(image.Width, image.Height, 1, pixels);
    }

    private static byte[] Spread(int low, int high, string path)
    {
        if (low == high)
            throw new InputException($"{path}: all pixels have the value {low}, and BioViL divides by the range of the values; "
                + "leave the picture out.");
        var (table, range) = (new byte[high - low + 1], (double)(high - low));
        for (var i = 0; i < table.Length; i++) table[i] = (byte)(i / range * 255);
        return table;
    }

    // Halves go to the even neighbour, as Python rounds.
    private static int Middle(int size, int crop) => (int)Math.Round((size - crop) / 2.0, MidpointRounding.ToEven);
}
