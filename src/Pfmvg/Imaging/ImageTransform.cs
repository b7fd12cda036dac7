using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Pfmvg.Imaging;

/// <summary>
/// From decoded pixels to what the vision tower sees: bicubic resize to a square without keeping the aspect ratio, then
/// CLIP's normalisation. Gray pictures stay one channel as long as possible: the same pixels for a third of the work.
/// </summary>
public static class ImageTransform
{
    private static readonly float[] Mean = [0.48145466f, 0.4578275f, 0.40821073f], Std = [0.26862954f, 0.26130258f, 0.27577711f];

    /// <summary>The normalised value of every sample value, channel after channel.</summary>
    private static readonly float[] Normalised =
        [.. Enumerable.Range(0, 3).SelectMany(c => Enumerable.Range(0, 256).Select(v => (v / 255f - Mean[c]) / Std[c]))];

    /// <summary>Resizes a picture, or a rectangle of it, to <paramref name="size"/> x <paramref name="size"/> as Pillow does.</summary>
    /// <exception cref="ArgumentException">The size is not positive, or the rectangle is empty or reaches outside.</exception>
    public static DecodedImage Resize(DecodedImage image, int size, Crop? crop = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        var from = crop ?? Crop.Whole(image.Width, image.Height);
        if (from.Left < 0 || from.Top < 0 || from.Width <= 0 || from.Height <= 0
            || from.Left + from.Width > image.Width || from.Top + from.Height > image.Height)
            throw new ArgumentException($"{from} is not inside a picture of {image.Width} x {image.Height}.", nameof(crop));
        return new DecodedImage(size, size, image.Channels, PillowResize.Run(image, from, size, size)) { Note = image.Note };
    }

    /// <summary>Normalises: v / 255, minus CLIP's mean, divided by CLIP's deviation; gray becomes three channels.</summary>
    /// <returns>float32 (3, height, width); owned by the caller's dispose scope.</returns>
    public static Tensor ToTensor(DecodedImage image)
    {
        var values = empty([3, image.Height, image.Width], ScalarType.Float32);
        Normalise(image.Pixels, image.Channels, MemoryMarshal.Cast<byte, float>(values.bytes));
        return values;
    }

    /// <summary>Writes the three normalised planes of interleaved samples one after the other.</summary>
    public static void Normalise(ReadOnlySpan<byte> pixels, int channels, Span<float> planes)
    {
        var count = pixels.Length / channels;
        for (var c = 0; c < 3; c++)
        {
            var table = Normalised.AsSpan(256 * c, 256);
            var plane = planes.Slice(count * c, count);
            var offset = channels == 1 ? 0 : c;
            for (var i = 0; i < plane.Length; i++) plane[i] = table[pixels[i * channels + offset]];
        }
    }
}
