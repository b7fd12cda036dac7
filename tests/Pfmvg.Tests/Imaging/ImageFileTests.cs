using Pfmvg.Imaging;
using Pfmvg.Tests.Imaging.Formats;
using SkiaSharp;

namespace Pfmvg.Tests.Imaging;

public sealed class ImageFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pfmvg-image-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<int, int, bool> Layouts
    {
        get
        {
            var data = new TheoryData<int, int, bool>();
            foreach (var (colour, depths) in new[] { (0, new[] { 1, 2, 4, 8, 16 }), (2, [8, 16]), (3, [1, 2, 4, 8]), (4, [8, 16]),
                (6, [8, 16]) })
                foreach (var depth in depths)
                    foreach (var interlaced in new[] { false, true }) data.Add(colour, depth, interlaced);
            return data;
        }
    }

    [Theory, MemberData(nameof(Layouts))]
    public void Every_png_layout_decodes_to_its_samples(int colour, int depth, bool interlaced)
    {
        foreach (var (width, height) in new[] { (1, 1), (3, 5), (8, 8), (29, 17) })
        {
            var random = new Random(colour * 100 + depth + width);
            var perPixel = colour switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };
            var samples = Enumerable.Range(0, height)
                .Select(_ => Enumerable.Range(0, width * perPixel).Select(_ => random.Next(1 << depth)).ToArray()).ToArray();
            var palette = colour == 3 ? Enumerable.Range(0, 3 << depth).Select(_ => (byte)random.Next(256)).ToArray() : null;
            var image = ImageFile.Decode(PngWriter.Write(colour, depth, samples, interlaced, palette), "x.png");

            Assert.Equal((width, height, colour is 0 or 4 ? 1 : 3), (image.Width, image.Height, image.Channels));
            for (var y = 0; y < height; y++)
            {
                for (var x = 0; x < width; x++)
                {
                    for (var c = 0; c < image.Channels; c++)
                    {
                        var value = samples[y][x * perPixel + (colour == 3 ? 0 : c)];
                        var expected = (colour, depth) switch
                        {
                            (3, _) => palette![3 * value + c],
                            (0, 16) => (int)Math.Round(value * 255 / 65535.0), // scaled, where Pillow clips
                            (_, 16) => value >> 8,                             // Pillow takes the high byte
                            _ => value * 255 / ((1 << depth) - 1),
                        };
                        Assert.Equal(expected, image.Pixels[(y * width + x) * image.Channels + c]);
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(0, 8, false), InlineData(1, 8, true), InlineData(255, 8, false), InlineData(256, 9, false), InlineData(511, 9, true)]
    [InlineData(4095, 12, false), InlineData(4095, 12, true), InlineData(4096, 13, false), InlineData(16_383, 14, true)]
    [InlineData(32_767, 15, false), InlineData(32_768, 16, false), InlineData(65_535, 16, true)]
    public void Sixteen_bit_gray_is_scaled_by_the_bits_that_its_highest_value_needs(int highest, int bits, bool interlaced)
    {
        var random = new Random(highest);
        var samples = Enumerable.Range(0, 13)
            .Select(_ => Enumerable.Range(0, 11).Select(_ => random.Next(highest + 1)).ToArray()).ToArray();
        samples[7][3] = highest;
        var buffer = new DecodeBuffer(); // a picture before it leaves nothing behind
        ImageFile.Decode(PngWriter.Write(0, 16, [[65_535, 1, 65_535, 2], [3, 65_535, 65_535, 65_535]]), "before.png", buffer);
        var image = ImageFile.Decode(PngWriter.Write(0, 16, samples, interlaced), "x.png", buffer);
        var white = Math.Pow(2, bits) - 1;
        Assert.Equal(samples.SelectMany(row => row).Select(value => (byte)Math.Round(value * 255 / white)), image.Pixels.ToArray());
        Assert.Equal(bits < 16, image.Note!.Contains($"with values of {bits} bits was scaled to 8 bits, {white} as white",
            StringComparison.Ordinal));
        Assert.Contains("16-bit gray", image.Note, StringComparison.Ordinal);
    }

    [Fact]
    public void The_header_alone_gives_the_size()
    {
        Assert.Equal(new ImageHeader("JPEG", 70, 50), ImageFile.ReadHeader(Save("a.jpg", JpegBytes(70, 50))));
        Assert.Equal(new ImageHeader("PNG", 6, 4), ImageFile.ReadHeader(Save("a.png", GrayPng(6, 4))));
        byte[] jpeg = JpegBytes(70, 50), comment = [0xff, 0xfe, 0xff, 0xff, .. new byte[65533]];
        Assert.Equal(new ImageHeader("JPEG", 70, 50),
            ImageFile.ReadHeader(Save("b.jpg", [.. jpeg[..2], .. comment, .. comment, .. jpeg[2..]])));
    }

    [Fact]
    public void Fill_bytes_and_markers_without_content_do_not_hide_the_size_of_a_jpeg()
    {
        byte[] jpeg = JpegBytes(70, 50), padded = [.. jpeg[..2], 0xff, 0xff, 0xff, 0x01, 0xff, .. jpeg[2..]];
        Assert.Equal(new ImageHeader("JPEG", 70, 50), ImageFile.ReadHeader(Save("padded.jpg", padded)));
        byte[] filled = [.. jpeg[..2], 0xff, 0xff, .. jpeg[2..]];
        Assert.Equal(ImageFile.Decode(jpeg, "plain.jpg").Pixels, ImageFile.Decode(filled, "filled.jpg").Pixels);
    }

    [Theory]
    [InlineData("end of the picture", new byte[] { 0xff, 0xd9 }, "it has no size")]
    [InlineData("no marker", new byte[] { 0x00, 0x10 }, "its header is broken")]
    [InlineData("a length of one", new byte[] { 0xff, 0xe0, 0x00, 0x01 }, "its header is broken")]
    public void A_jpeg_whose_size_cannot_come_is_damaged(string what, byte[] next, string problem)
    {
        byte[] jpeg = [0xff, 0xd8, 0xff, 0xff, .. next, .. new byte[16]];
        if (next[0] != 0xff) jpeg = [0xff, 0xd8, 0xff, 0xfe, 0x00, 0x02, .. next, .. new byte[16]];
        var error = Assert.Throws<InputException>(() => ImageFile.ReadHeader(Save($"{what}.jpg", jpeg))).Message;
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_content_decides_the_kind_not_the_name() =>
        Assert.Equal(6, ImageFile.Decode(Save("really-png.jpg", GrayPng(6, 4))).Width);

    [Fact]
    public void A_picture_cut_anywhere_is_refused()
    {
        foreach (var file in new[] { GrayPng(40, 30), JpegBytes(40, 30) })
            // without the last two bytes a JPEG only lacks its end mark
            for (var length = 0; length < file.Length - 2; length += 1 + length / 40)
                Assert.Throws<InputException>(() => ImageFile.Decode(file.AsSpan(0, length), "cut"));
    }

    [Fact]
    public void A_PNG_whose_compressed_data_are_short_is_refused_though_every_checksum_is_right()
    {
        var rows = Enumerable.Range(0, 40).Select(y => Enumerable.Range(0, 40).Select(x => x * y % 251).ToArray()).ToArray();
        foreach (var interlaced in new[] { false, true })
            foreach (var missing in new[] { 20, 100, 300 })
                Assert.Throws<InputException>(() => ImageFile.Decode(PngWriter.Write(0, 8, rows, interlaced, missing: missing), "short"));
    }

    [Fact]
    public void A_changed_byte_gives_a_picture_or_one_sentence()
    {
        var random = new Random(1);
        foreach (var file in new[] { GrayPng(40, 30), JpegBytes(40, 30) })
        {
            for (var trial = 0; trial < 500; trial++)
            {
                var changed = (byte[])file.Clone();
                for (var i = random.Next(1, 4); i > 0; i--) changed[random.Next(changed.Length)] = (byte)random.Next(256);
                try
                {
                    Assert.NotEmpty(ImageFile.Decode(changed, "changed").Pixels.ToArray());
                }
                catch (InputException refusal)
                {
                    Assert.StartsWith("changed: ", refusal.Message, StringComparison.Ordinal);
                }
            }
        }
    }

    [Theory]
    [InlineData(13000, 13000)]  // within the limit, but these few bytes cannot hold it
    [InlineData(60000, 60000)]
    [InlineData(1, 70000)]
    [InlineData(0, 5)]
    [InlineData(-1, 5)]
    public void A_size_that_cannot_be_true_takes_no_memory(int width, int height)
    {
        var jpeg = JpegBytes(64, 64);
        var size = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xff, 0xc0]);
        (jpeg[size + 5], jpeg[size + 6], jpeg[size + 7], jpeg[size + 8]) =
            ((byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width);
        var png = PngWriter.Write(0, 8, [[1, 2], [3, 4]], claimWidth: width, claimHeight: height);
        foreach (var file in Math.Min(width, height) > 0 && Math.Max(width, height) < 65536 ? new[] { png, jpeg } : [png])
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Throws<InputException>(() => ImageFile.Decode(file, "bomb"));
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        }
    }

    [Fact]
    public void A_path_that_is_no_file_is_refused_by_name()
    {
        var missing = Path.Combine(_folder, "missing.jpg");
        Assert.Equal($"{missing}: there is no such picture; check the image folder.",
            Assert.Throws<InputException>(() => ImageFile.Decode(missing)).Message);
        Assert.Contains("folder", Assert.Throws<InputException>(() => ImageFile.Decode(_folder)).Message, StringComparison.Ordinal);
        Assert.Contains("this is a device", Assert.Throws<InputException>(() => ImageFile.ReadHeader("/dev/zero")).Message,
            StringComparison.Ordinal);
        Assert.Contains("the file is no JPEG, PNG",
            Assert.Throws<InputException>(() => ImageFile.Decode(Save("a.gif", "a text"u8.ToArray()))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_name_the_picture_and_hide_the_patient()
    {
        var error = Assert.Throws<InputException>(
            () => ImageFile.Decode("/data/files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg")).Message;
        Assert.StartsWith("/data/files/p10/p********/s********/02aa804e-bde0afdd.jpg: ", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_buffer_is_used_again_and_changes_nothing()
    {
        var buffer = new DecodeBuffer();
        foreach (var name in new[] { Save("large.jpg", JpegBytes(300, 200)), Save("small.png", GrayPng(9, 7)),
            Save("colour.png", PngWriter.Write(2, 8, [[1, 2, 3, 4, 5, 6]])) })
            Assert.Equal(ImageFile.Decode(name).Pixels, ImageFile.Decode(name, buffer).Pixels);
    }

    private string Save(string name, byte[] content)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    private static byte[] GrayPng(int width, int height) =>
        PngWriter.Write(0, 8, [.. Enumerable.Range(0, height)
            .Select(y => Enumerable.Range(0, width).Select(x => (7 * x + 13 * y * y) & 255).ToArray())]);

    private static byte[] JpegBytes(int width, int height)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Gray8, SKAlphaType.Opaque));
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++) bitmap.SetPixel(x, y, new SKColor((byte)(5 * x), (byte)(5 * x), (byte)(5 * x)));
        using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 90);
        return data.ToArray();
    }
}
