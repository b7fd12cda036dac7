using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.Formats.Png;
using SixLabors.ImageSharp.PixelFormats;
using SkiaSharp;

namespace Pfmvg.Tests.Imaging.Formats;

/// <summary>BMP, GIF, WebP, TIFF and TGA: Pillow's pixels, or one sentence. And PNG as it is written.</summary>
public sealed class PictureFormatTests : IDisposable
{
    private const int Bits = 258, Compression = 259, Photometric = 262, Rows = 278, Counts = 279, Predictor = 317;

    private static readonly string Source = Path.Combine(Folder(), "files");
    private static readonly JsonNode Expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Source, "expected.json")))!["pictures"]!;

    private readonly string _folder = Directory.CreateTempSubdirectory("pfmvg-format-").FullName;

    public static TheoryData<string> Pictures => [.. Expected.AsObject().Select(picture => picture.Key)];

    public static TheoryData<string> Refused =>
        [.. Directory.GetFiles(Path.Combine(Source, "refused")).Select(path => Path.GetFileName(path)).Order()];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Pictures))]
    public void Decodes_to_Pillows_pixels(string name)
    {
        var facts = Expected[name]!;
        var image = ImageFile.Decode(Path.Combine(Source, name));
        Assert.Equal((facts["width"]!.GetValue<int>(), facts["height"]!.GetValue<int>()), (image.Width, image.Height));
        var rgb = new byte[3 * image.Width * image.Height];
        for (var i = 0; i < rgb.Length; i++) rgb[i] = image.Pixels[image.Channels == 3 ? i : i / 3];
        Assert.Equal(facts["rgb_sha256"]!.GetValue<string>(), Convert.ToHexStringLower(SHA256.HashData(rgb)));
        Assert.Equal(facts["scaled"] is not null, image.Note is not null);

        var header = ImageFile.Check(Path.Combine(Source, name), new DecodeBuffer());
        Assert.Equal(new ImageHeader(Path.GetExtension(name)[1..].ToUpperInvariant().Replace("TIF", "TIFF", StringComparison.Ordinal),
            image.Width, image.Height) { Note = image.Note }, header);
    }

    [Theory, MemberData(nameof(Refused))]
    public void What_is_not_read_is_refused_in_one_sentence(string name)
    {
        var path = Path.Combine(Source, "refused", name);
        AssertSentence(path, Assert.Throws<InputException>(() => ImageFile.Decode(path)));
    }

    [Theory, MemberData(nameof(Pictures))]
    public void A_picture_cut_anywhere_is_refused_unless_it_lost_no_pixel(string name)
    {
        var file = File.ReadAllBytes(Path.Combine(Source, name));
        var whole = ImageFile.Decode(file, "whole").Pixels.ToArray();
        var refused = 0;
        for (var length = 0; length < file.Length; length += 1 + length / 60)
        {
            try
            {
                Assert.Equal(whole, ImageFile.Decode(file.AsSpan(0, length), "cut").Pixels.ToArray());
            }
            catch (InputException refusal)
            {
                AssertSentence("cut", refusal);
                refused++;
            }
        }

        Assert.NotEqual(0, refused);
    }

    [Theory, MemberData(nameof(Pictures))]
    public void A_changed_picture_gives_a_picture_or_one_sentence(string name)
    {
        var file = File.ReadAllBytes(Path.Combine(Source, name));
        var random = new Random(name.Length);
        byte[] extremes = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
        for (var trial = 0; trial < 400; trial++)
        {
            var changed = (byte[])file.Clone();
            for (var i = random.Next(1, 5); i > 0; i--)
            {
                // Directories stand at the beginning or at the end.
                var place = random.Next(3) switch
                {
                    0 => random.Next(64),
                    1 => file.Length - 1 - random.Next(200),
                    _ => random.Next(file.Length),
                };
                changed[place] = random.Next(2) == 0 ? extremes[random.Next(extremes.Length)] : (byte)random.Next(256);
            }

            try
            {
                Assert.NotEmpty(ImageFile.Decode(changed, "changed").Pixels.ToArray());
            }
            catch (InputException refusal)
            {
                AssertSentence("changed", refusal);
            }
        }
    }

    [Theory]
    [InlineData("gray16_little_endian.tif")]
    [InlineData("one_bit_packbits.tif")]
    [InlineData("rgb_packbits.tif")]
    [InlineData("gray_lzw_predictor.tif")]
    [InlineData("rgb_deflate.tif")]
    public void A_strip_that_unpacks_to_too_little_is_refused(string name)
    {
        // The bytes are all there, but the directory gives fewer of them to the first strip.
        var file = File.ReadAllBytes(Path.Combine(Source, name));
        foreach (var share in new[] { 0.0, 0.3, 0.6, 0.9 })
        {
            var changed = (byte[])file.Clone();
            var counts = Values(changed, Counts);
            Write(changed, counts.Place, counts.Width, (uint)(counts.First * share));
            AssertSentence("short", Assert.Throws<InputException>(() => ImageFile.Decode(changed, "short")));
        }
    }

    [Theory]
    [InlineData(Compression, 4u, "not read")]      // fax
    [InlineData(Compression, 7u, "not read")]      // JPEG
    [InlineData(Photometric, 6u, "not read")]      // YCbCr
    [InlineData(Predictor, 3u, "not read")]        // for floating point
    [InlineData(Bits, 12u, "not read")]
    [InlineData(Rows, 0u, "strips")]
    [InlineData(Rows, 1u, "strips")]
    public void A_kind_of_TIFF_that_is_not_read_says_so(int tag, uint value, string problem)
    {
        var file = File.ReadAllBytes(Path.Combine(Source, "gray_lzw_predictor.tif"));
        var (place, width, _) = Values(file, tag);
        Write(file, place, width, value);
        AssertRefusal(problem, file);
    }

    [Fact]
    public void Strips_that_lie_over_each_other_are_refused()
    {
        var file = File.ReadAllBytes(Path.Combine(Source, "white_is_zero16.tif")); // eight strips, not compressed
        var counts = Values(file, Counts);
        for (var i = 0; i < 7; i++) Write(file, counts.Place + i * counts.Width, counts.Width, 390);
        AssertRefusal("over each other", file);
    }

    [Theory]
    [InlineData("rgb.bmp", 18, 22, 4)]
    [InlineData("gray.gif", 6, 8, 2)]
    [InlineData("lossless.webp", -1, -1, 0)]
    [InlineData("gray.tga", 12, 14, 2)]
    [InlineData("white_is_zero.tif", -1, -1, 0)]
    public void A_size_that_is_too_large_takes_no_memory(string name, int width, int height, int bytes)
    {
        var file = File.ReadAllBytes(Path.Combine(Source, name));
        if (bytes > 0)
        {
            Write(file, width, bytes, 30_000);
            Write(file, height, bytes, 30_000);
        }
        else if (name.EndsWith(".webp", StringComparison.Ordinal)) Write(file, 21, 4, 16_383 | 16_383 << 14); // both sides, less one
        else foreach (var tag in new[] { 256, 257 }) Write(file, Values(file, tag).Place, 2, 30_000);

        var before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Assert.Throws<InputException>(() => ImageFile.Decode(file, "large"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Contains("more than", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Many_frames_are_refused_before_they_are_counted()
    {
        // libwebp needs minutes to count these.
        var still = File.ReadAllBytes(Path.Combine(Source, "refused", "frames.webp"));
        var frame = still.AsSpan().IndexOf("ANMF"u8);
        var size = (8 + BinaryPrimitives.ReadInt32LittleEndian(still.AsSpan(frame + 4)) + 1) & ~1;
        byte[] file = [.. still[..frame], .. Enumerable.Repeat(still[frame..(frame + size)], 100_000).SelectMany(copy => copy)];
        Write(file, 4, 4, (uint)file.Length - 8);
        AssertRefusal("several pictures", file);
    }

    [Fact]
    public void A_picture_is_drawn_on_in_every_format()
    {
        foreach (var name in Expected.AsObject().Select(picture => picture.Key))
        {
            var path = Path.Combine(_folder, Path.ChangeExtension(name, ".png"));
            Overlay.WriteOne(path, Path.Combine(Source, name), [], [new Pfmvg.Geometry.Box(5, 6, 20, 25)]);
            Assert.Equal((43, 30, 3), (ImageFile.Decode(path).Width, ImageFile.Decode(path).Height, ImageFile.Decode(path).Channels));
        }
    }

    [Fact]
    public void A_PNG_is_written_pixel_for_pixel()
    {
        var random = new Random(3);
        using var bitmap = new SKBitmap(57, 31, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var y = 0; y < bitmap.Height; y++)
            for (var x = 0; x < bitmap.Width; x++)
                bitmap.SetPixel(x, y, new SKColor((byte)random.Next(256), (byte)random.Next(256), (byte)random.Next(256)));
        var path = Path.Combine(_folder, "a.png");
        ImageSharpFile.WritePng(path, bitmap);

        var image = ImageFile.Decode(path);
        Assert.Equal((57, 31, 3), (image.Width, image.Height, image.Channels));
        for (var i = 0; i < 57 * 31; i++)
        {
            var color = bitmap.GetPixel(i % 57, i / 57);
            Assert.Equal((color.Red, color.Green, color.Blue), (image.Pixels[3 * i], image.Pixels[3 * i + 1], image.Pixels[3 * i + 2]));
        }
    }

    [Fact]
    public void ImageSharp_still_takes_a_cut_PNG_for_whole_which_is_why_PNG_has_a_decoder_of_its_own()
    {
        var rows = Enumerable.Range(0, 64).Select(y => Enumerable.Range(0, 64).Select(x => x * y % 251).ToArray()).ToArray();
        var cut = PngWriter.Write(0, 8, rows, missing: 400);
        using var image = Image.Load<L8>(cut, new PngDecoder());
        Assert.Equal((64, 64), (image.Width, image.Height));
        Assert.Throws<InputException>(() => ImageFile.Decode(cut, "cut"));
    }

    private static void AssertRefusal(string problem, byte[] file)
    {
        var refusal = Assert.Throws<InputException>(() => ImageFile.Decode(file, "x"));
        AssertSentence("x", refusal);
        Assert.Contains(problem, refusal.Message, StringComparison.Ordinal);
    }

    private static void AssertSentence(string path, InputException refusal)
    {
        Assert.StartsWith(path + ": ", refusal.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    /// <summary>Where the values of a tag are in a little-endian TIFF, how wide each is, and the first.</summary>
    private static (int Place, int Width, uint First) Values(byte[] file, int tag)
    {
        var start = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(4));
        for (var entry = start + 2; ; entry += 12)
        {
            if (BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(entry)) != tag) continue;
            var width = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(entry + 2)) == 3 ? 2 : 4;
            var inside = width * BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(entry + 4)) <= 4;
            var place = inside ? entry + 8 : BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(entry + 8));
            var value = BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(place));
            return (place, width, width == 2 ? (ushort)value : value);
        }
    }

    private static void Write(byte[] file, int place, int width, uint value)
    {
        for (var i = 0; i < width; i++) file[place + i] = (byte)(value >> (8 * i));
    }

    private static string Folder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
