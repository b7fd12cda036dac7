using Pfmvg.Fuzz.Mutating;
using Pfmvg.Imaging;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Formats;
using SixLabors.ImageSharp.Formats.Bmp;
using SixLabors.ImageSharp.Formats.Gif;
using SixLabors.ImageSharp.Formats.Tga;
using SixLabors.ImageSharp.Formats.Tiff;
using SixLabors.ImageSharp.Formats.Tiff.Constants;
using SixLabors.ImageSharp.PixelFormats;
using SkiaSharp;

namespace Pfmvg.Fuzz.Reading;

/// <summary>Pictures. Most seeds are made by other programs' encoders, from one small picture.</summary>
internal static class PictureFormats
{
    private const int Side = 40;

    public static Format GrayJpeg(string folder) => new(
        [.. Of(folder, "jpg", [Skia(SKEncodedImageFormat.Jpeg, gray: true, 60), Skia(SKEncodedImageFormat.Jpeg, gray: true, 98)]),
            .. Files(folder, "Fixtures/preprocess", "gray_baseline.jpg"), .. Files(folder, "Fixtures/formats/pictures", "strip.jpg")],
        Mutating.Jpeg.Segments);

    public static Format OtherJpeg(string folder) => new(
        [.. Of(folder, "jpg", [Skia(SKEncodedImageFormat.Jpeg, gray: false, 75)]), .. Files(folder, "Fixtures/preprocess",
            "rgb_progressive*.jpg"),
            .. Files(folder, "Imaging/Codecs/files", "8bit-lossless.jpg"), .. Files(folder, "Imaging/Codecs/files", "extended-12.jpg")],
        Mutating.Jpeg.Segments);

    public static Format Png(string folder) => new(
        [.. Of(folder, "png", [Skia(SKEncodedImageFormat.Png, gray: true, 100), Skia(SKEncodedImageFormat.Png, gray: false, 100)]),
            .. Files(folder, "Fixtures/preprocess", "*.png", 20 << 10), .. Files(folder, "Fixtures/formats/pictures", "*.png")],
        Mutating.Png.Chunks);

    public static Format Bmp(string folder) => new([.. Of(folder, "bmp", [.. Enum.GetValues<BmpBitsPerPixel>().Select(bits =>
        Encoded(new BmpEncoder { BitsPerPixel = bits }))])]);

    public static Format Gif(string folder) => new([.. Of(folder, "gif", [Encoded(new GifEncoder()),
        Encoded(new GifEncoder { ColorTableMode = GifColorTableMode.Local })])]);

    public static Format WebP(string folder) => new(
        [.. Of(folder, "webp", [Skia(SKEncodedImageFormat.Webp, gray: false, 60), Skia(SKEncodedImageFormat.Webp, gray: false, 100)])],
            Riff.Chunks);

    public static Format Tiff(string folder) => new([.. Of(folder, "tif", [.. from compression in (TiffCompression[])
            [TiffCompression.None, TiffCompression.Lzw, TiffCompression.Deflate, TiffCompression.PackBits]
        from bits in (TiffBitsPerPixel[])[TiffBitsPerPixel.Bit8, TiffBitsPerPixel.Bit24]
        select Encoded(new TiffEncoder { Compression = compression, BitsPerPixel = bits }),
        Encoded(new TiffEncoder { BitsPerPixel = TiffBitsPerPixel.Bit1, Compression = TiffCompression.CcittGroup4Fax })])],
            Mutating.Tiff.Entry);

    public static Format Tga(string folder) => new([.. Of(folder, "tga", [.. from packed in (TgaCompression[])
            [TgaCompression.None, TgaCompression.RunLength]
        from bits in (TgaBitsPerPixel[])[TgaBitsPerPixel.Pixel8, TgaBitsPerPixel.Pixel16, TgaBitsPerPixel.Pixel24, TgaBitsPerPixel.Pixel32]
        select Encoded(new TgaEncoder { Compression = packed, BitsPerPixel = bits })])]);

    /// <summary>Reads a picture in every way that the program has.</summary>
    public static void Read(string path)
    {
        var buffer = new DecodeBuffer();
        try
        {
            ImageFile.ReadHeader(path);
            ImageFile.Check(path, buffer);
        }
        catch (InputException)
        {
            // Decoding may not trust that somebody looked before.
        }

        var image = ImageFile.Decode(path, buffer);
        if (image.Width <= 0 || image.Height <= 0 || image.Pixels.Length != image.Width * image.Height * image.Channels)
            throw new InvalidOperationException($"{image.Width} x {image.Height} x {image.Channels} with {image.Pixels.Length} values");
        ImageFile.DecodeFullRange(path, buffer);
    }

    private static IEnumerable<Seed> Of(string folder, string extension, IEnumerable<byte[]> pictures)
    {
        var way = new Way(Path.Combine(folder, $"input.{extension}"), Read);
        return pictures.Select(bytes => new Seed(bytes, way));
    }

    private static IEnumerable<Seed> Files(string folder, string below, string pattern, int largest = 48 << 10) =>
        Of(folder, Path.GetExtension(pattern)[1..], Formats.Small(below, pattern, largest).Select(File.ReadAllBytes).Where(bytes =>
            bytes.Length > 0));

    private static byte Shade(int x, int y, int channel) => (byte)(x * 5 + y * (channel + 1) + x * y % 7 * channel);

    private static byte[] Skia(SKEncodedImageFormat format, bool gray, int quality)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(Side, Side, gray ? SKColorType.Gray8 : SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (var y = 0; y < Side; y++)
            for (var x = 0; x < Side; x++)
                bitmap.SetPixel(x, y, gray ? new SKColor(Shade(x, y, 0), Shade(x, y, 0), Shade(x, y, 0))
                    : new SKColor(Shade(x, y, 0), Shade(x, y, 1), Shade(x, y, 2)));
        using var data = bitmap.Encode(format, quality);
        return data.ToArray();
    }

    private static byte[] Encoded(IImageEncoder encoder)
    {
        using var image = new Image<Rgba32>(Side, Side);
        for (var y = 0; y < Side; y++)
            for (var x = 0; x < Side; x++) image[x, y] = new Rgba32(Shade(x, y, 0), Shade(x, y, 1), Shade(x, y, 2));
        using var file = new MemoryStream();
        image.Save(file, encoder);
        return file.ToArray();
    }
}
