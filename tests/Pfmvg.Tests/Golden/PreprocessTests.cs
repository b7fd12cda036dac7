using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Pfmvg.Imaging;
using Pfmvg.Tests.Support;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.PixelFormats;
using TorchSharp;

namespace Pfmvg.Tests.Golden;

/// <summary>Decoding, resizing and normalising against Pillow's pixels.</summary>
[Trait("Category", "Golden")]
public sealed class PreprocessTests
{
    private static readonly JsonNode Expected = Fixtures.Json("preprocess", "expected.json");

    public static TheoryData<string> Pictures => [.. Expected["images"]!.AsObject().Select(image => image.Key)];

    public static TheoryData<string> HostileFiles =>
        [.. Directory.GetFiles(Fixtures.Path("preprocess", "hostile")).Select(path => Path.GetFileName(path)).Order()];

    [Theory, MemberData(nameof(Pictures))]
    public void Decodes_to_Pillows_pixels(string name)
    {
        var facts = Expected["images"]![name]!;
        var image = ImageFile.Decode(Fixtures.Path("preprocess", name));
        Assert.Equal((facts["width"]!.GetValue<int>(), facts["height"]!.GetValue<int>()), (image.Width, image.Height));
        var mode = facts["pil_mode"]!.GetValue<string>();
        Assert.Equal(mode is "RGB" or "RGBA" or "P" ? 3 : 1, image.Channels);
        if (mode == "I") return; // 16-bit gray: a test of its own
        var rgb = ToRgb(image);

        if (!IsJpeg(name))
        {
            Assert.Equal(facts["decoded_rgb_sha256"]!.GetValue<string>(), Convert.ToHexStringLower(SHA256.HashData(rgb)));
            return;
        }

        var (pixels, top, left, rows, columns) = Decoded(facts);
        var largest = 0;
        for (var y = 0; y < rows; y++)
            for (var i = 0; i < 3 * columns; i++)
                largest = Math.Max(largest, Math.Abs(pixels[3 * columns * y + i] - rgb[3 * ((top + y) * image.Width + left) + i]));
        Assert.InRange(largest, 0, image.Channels == 1 ? 2 : 4);
    }

    [Theory, MemberData(nameof(Pictures))]
    public void Sixteen_bit_gray_is_scaled_with_a_note_where_Pillow_clips(string name)
    {
        var facts = Expected["images"]![name]!;
        var image = ImageFile.Decode(Fixtures.Path("preprocess", name));
        if (facts["pil_mode"]!.GetValue<string>() != "I")
        {
            Assert.DoesNotContain("16-bit", image.Note ?? "", StringComparison.Ordinal); // an EXIF orientation has a note of its own
            return;
        }

        Assert.Contains("16-bit", image.Note, StringComparison.Ordinal);
        var clipped = Decoded(facts).Pixels; // min(value, 255)
        var values = new L16[image.Width * image.Height];
        using (var stored = Image.Load<L16>(Fixtures.Path("preprocess", name))) stored.CopyPixelDataTo(values);
        var bits = Math.Max(8, (int)Math.Floor(Math.Log2(values.Max(value => value.PackedValue))) + 1);
        Assert.Equal(name == "gray16.png" ? 16 : 10, bits);
        Assert.Equal(bits < 16, image.Note!.Contains($"values of {bits} bits", StringComparison.Ordinal));
        for (var i = 0; i < values.Length; i++)
        {
            Assert.Equal(clipped[3 * i], Math.Min(values[i].PackedValue, (ushort)255));
            Assert.Equal((int)Math.Round(values[i].PackedValue * 255 / (Math.Pow(2, bits) - 1)), image.Pixels[i]);
        }
    }

    [Theory, MemberData(nameof(Pictures))]
    public void Resizes_Pillows_pixels_to_the_bit(string name)
    {
        var facts = Expected["images"]![name]!;
        foreach (var (size, files) in facts["sizes"]!.AsObject())
        {
            DecodedImage image;
            if (facts["decoded"] is not null)
            {
                var (pixels, _, _, rows, columns) = Decoded(facts);
                image = new DecodedImage(columns, rows, 3, pixels);
            }
            else image = ImageFile.Decode(Fixtures.Path("preprocess", name)); // too large to be shipped decoded

            var expected = Bytes(files!["u8"]!.GetValue<string>());
            var resized = ImageTransform.Resize(image, int.Parse(size));
            if (facts["decoded"] is not null) Assert.True(expected.AsSpan().SequenceEqual(resized.Pixels), $"{name} at {size} differs");
            else Assert.InRange(Largest(expected, resized.Pixels), 0, 4);

            if (IsGray(image)) // one channel gives the same as three equal ones
            {
                var gray = new DecodedImage(image.Width, image.Height, 1, Channel(image.Pixels, 0));
                Assert.True(Channel(resized.Pixels, 0).AsSpan().SequenceEqual(ImageTransform.Resize(gray, int.Parse(size)).Pixels));
            }
        }
    }

    [Theory, MemberData(nameof(Pictures))]
    public void Normalises_as_the_reference(string name)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (size, files) in Expected["images"]![name]!["sizes"]!.AsObject())
        {
            var side = int.Parse(size);
            var resized = new DecodedImage(side, side, 3, Bytes(files!["u8"]!.GetValue<string>()));
            Fixtures.AssertClose(Fixtures.Npy("preprocess", files["f32"]!.GetValue<string>()), ImageTransform.ToTensor(resized), 5e-7,
                $"{name} at {size}");
        }
    }

    [Theory, MemberData(nameof(HostileFiles))]
    public void Hostile_pictures_are_refused_without_taking_what_they_claim(string name)
    {
        var path = Fixtures.Path("preprocess", "hostile", name);
        Assert.Throws<InputException>(() => ImageFile.Decode(path)); // also warms up
        var before = GC.GetAllocatedBytesForCurrentThread();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var refusal = Assert.Throws<InputException>(() => ImageFile.Decode(path));
        Assert.InRange(clock.ElapsedMilliseconds, 0, 1000);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
        Assert.StartsWith(path, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    private static (byte[] Pixels, int Top, int Left, int Rows, int Columns) Decoded(JsonNode facts)
    {
        var crop = facts["decoded_crop"];
        using var array = Fixtures.Npy("preprocess", (facts["decoded"] ?? crop!["file"])!.GetValue<string>());
        var (top, left) = crop is null ? (0, 0) : (crop["rows"]![0]!.GetValue<int>(), crop["cols"]![0]!.GetValue<int>());
        return (array.data<byte>().ToArray(), top, left, (int)array.shape[0], (int)array.shape[1]);
    }

    private static byte[] Bytes(string file)
    {
        using var array = Fixtures.Npy("preprocess", file);
        return array.data<byte>().ToArray();
    }

    private static bool IsJpeg(string name) => File.ReadAllBytes(Fixtures.Path("preprocess", name))[0] == 0xff;

    private static byte[] ToRgb(DecodedImage image)
    {
        if (image.Channels == 3) return image.Pixels.ToArray();
        var rgb = new byte[3 * image.Pixels.Length];
        for (var i = 0; i < rgb.Length; i++) rgb[i] = image.Pixels[i / 3];
        return rgb;
    }

    private static bool IsGray(DecodedImage image)
    {
        var pixels = image.Pixels;
        if (image.Channels == 1) return false;
        for (var i = 0; i < pixels.Length; i += 3)
            if (pixels[i] != pixels[i + 1] || pixels[i] != pixels[i + 2]) return false;
        return true;
    }

    private static byte[] Channel(ReadOnlySpan<byte> pixels, int channel)
    {
        var one = new byte[pixels.Length / 3];
        for (var i = 0; i < one.Length; i++) one[i] = pixels[3 * i + channel];
        return one;
    }

    private static int Largest(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var largest = 0;
        for (var i = 0; i < a.Length; i++) largest = Math.Max(largest, Math.Abs(a[i] - b[i]));
        return largest;
    }
}
