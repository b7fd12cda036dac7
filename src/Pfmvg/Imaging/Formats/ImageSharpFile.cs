using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Formats;
using SixLabors.ImageSharp.Formats.Png;
using SixLabors.ImageSharp.Memory;
using SixLabors.ImageSharp.PixelFormats;
using SkiaSharp;
using Settings = SixLabors.ImageSharp.Configuration;

namespace Pfmvg.Imaging.Formats;

/// <summary>
/// What ImageSharp does here: it decodes TIFF and TGA that were checked before, and it writes PNG. Why only these, and what
/// its other decoders did with damaged files: docs/decisions/007-pictures.md.
/// </summary>
internal static class ImageSharpFile
{
    /// <summary>The most pixels of a picture that is decoded here; a TIFF's take up to 17 bytes each.</summary>
    internal const int MaxPixels = 25_000_000;

    // No format is registered: a decoder runs only when it is named.
    private static readonly Settings Limited = new()
    {
        MaxDegreeOfParallelism = 1,
        MemoryAllocator =
            MemoryAllocator.Create(new MemoryAllocatorOptions { MaximumPoolSizeMegabytes = 0, AllocationLimitMegabytes = 256 }),
    };

    // Level 4 takes a quarter of the default's time for files 6 % larger.
    private static readonly PngEncoder Encoder =
        new() { ColorType = PngColorType.Rgb, BitDepth = PngBitDepth.Bit8, CompressionLevel = PngCompressionLevel.Level4 };

    private static readonly PngEncoder GrayEncoder =
        new() { ColorType = PngColorType.Grayscale, BitDepth = PngBitDepth.Bit8, CompressionLevel = PngCompressionLevel.Level4 };

    /// <summary>Decodes a file that was checked; gray stays one channel, alpha is dropped.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="decoder">The decoder of its format.</param>
    /// <param name="header">What the check found.</param>
    /// <param name="gray">Whether the picture is gray.</param>
    /// <param name="picture">Names it in errors.</param>
    /// <param name="buffer">Memory to decode into.</param>
    /// <param name="scaled">Whether the picture has 16-bit gray.</param>
    public static DecodedImage Decode(ReadOnlySpan<byte> file, IImageDecoder decoder, ImageHeader header, bool gray, PictureName picture,
        DecodeBuffer buffer, bool scaled = false)
    {
        try
        {
            var count = header.Width * header.Height;
            var pixels = buffer.Pixels(count * (gray ? 1 : 3));
            string? note = null;
            ReadOnlyMemory<ushort> values = default;
            if (gray)
            {
                using var image = Image.Load<L16>(Limited, file, decoder);
                var wide = buffer.Wide(count);
                CopyRows(image, header, (row, y) =>
                {
                    for (var x = 0; x < row.Length; x++) wide[y * header.Width + x] = row[x].PackedValue;
                });
                if (scaled) (note, values) = (WideGray.Narrow(wide.AsSpan(0, count), pixels), wide.AsMemory(0, count));
                else for (var i = 0; i < count; i++) pixels[i] = (byte)((wide[i] + 128) / 257); // 8 bits and fewer were widened
            }
            else
            {
                using var image = Image.Load<Rgb48>(Limited, file, decoder);
                CopyRows(image, header, (row, y) =>
                {
                    for (var (x, to) = (0, 3 * y * header.Width); x < row.Length; x++, to += 3) // the high bytes, as in Pillow
                    {
                        var pixel = row[x];
                        (pixels[to], pixels[to + 1], pixels[to + 2]) =
                            ((byte)(pixel.R >> 8), (byte)(pixel.G >> 8), (byte)(pixel.B >> 8));
                    }
                });
            }

            return new DecodedImage(header.Width, header.Height, gray ? 1 : 3, pixels) { Note = note, Wide = values };
        }
        catch (Exception e) when (e is not InputException) // the decoders throw whatever a broken file leads them to
        {
            throw picture.Damaged($"its {header.Format} data are broken", e);
        }
    }

    /// <summary>Writes a drawn picture as PNG.</summary>
    /// <param name="path">The file, written as a whole or not at all.</param>
    /// <param name="bitmap">Opaque, of the colour type Rgba8888.</param>
    public static unsafe void WritePng(string path, SKBitmap bitmap)
    {
        if (bitmap.ColorType != SKColorType.Rgba8888) throw new ArgumentException("The colour type is not Rgba8888.", nameof(bitmap));
        // The bitmap's own memory: a copy of a large picture would be beyond the limit.
        using var image = Image.WrapMemory<Rgba32>(Limited, (void*)bitmap.GetPixels(), bitmap.Width, bitmap.Height);
        AtomicFile.Write(path, stream => image.Save(stream, Encoder));
    }

    /// <summary>Writes a decoded picture as PNG: a gray one in gray, with the same pixels.</summary>
    public static void WritePng(string path, DecodedImage picture) => AtomicFile.Write(path, stream => WritePng(stream, picture));

    /// <summary>The same in memory.</summary>
    public static byte[] ToPng(DecodedImage picture)
    {
        using var stream = new MemoryStream();
        WritePng(stream, picture);
        return stream.ToArray();
    }

    private static unsafe void WritePng(Stream stream, DecodedImage picture)
    {
        fixed (byte* pixels = picture.Pixels)
        {
            using Image image = picture.Channels == 1
                ? Image.WrapMemory<L8>(Limited, pixels, picture.Width, picture.Height)
                : Image.WrapMemory<Rgb24>(Limited, pixels, picture.Width, picture.Height);
            image.Save(stream, picture.Channels == 1 ? GrayEncoder : Encoder);
        }
    }

    private delegate void RowAction<TPixel>(ReadOnlySpan<TPixel> row, int y);

    private static void CopyRows<TPixel>(Image<TPixel> image, ImageHeader header, RowAction<TPixel> copy)
        where TPixel : unmanaged, IPixel<TPixel>
    {
        if ((image.Width, image.Height) != (header.Width, header.Height)) throw new InvalidDataException("The size is another one.");
        image.ProcessPixelRows(rows =>
        {
            for (var y = 0; y < rows.Height; y++) copy(rows.GetRowSpan(y), y);
        });
    }
}
