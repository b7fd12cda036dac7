using System.Text.Json.Nodes;
using Pfmvg.Imaging;
using Pfmvg.Rivals;
using Pfmvg.Tests.Imaging.Formats;
using Pfmvg.Tests.Support;
using SkiaSharp;

namespace Pfmvg.Tests.Rivals;

/// <summary>Pictures of more than 8 bits as BioViL sees them: the full range of their values, cut off to 8 bits.</summary>
public sealed class RivalPictureTests : IDisposable
{
    private static readonly string Root = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Imaging", "Dicom", "files");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Readable => [.. JsonNode.Parse(File.ReadAllText(Path.Combine(Root, "expected.json")))!["files"]!
        .AsArray().Where(file => file!["outcome"]!.GetValue<string>() == "picture").Select(file => file!["file"]!.GetValue<string>())];

    // Our own full range is rounded where BioViL cuts off, and inverts the rounded values: one level at most.
    [Theory, MemberData(nameof(Readable))]
    public void A_DICOM_file_is_seen_in_its_full_range_whatever_window_sign_or_inversion_it_has(string file)
    {
        var path = Path.Combine(Root, file);
        DecodedImage full, seen;
        try
        {
            full = ImageFile.Decode(path, dicom: DicomGray.Full);
            seen = ImageFile.DecodeFullRange(path, new DecodeBuffer());
        }
        catch (InputException refusal) when (refusal.Message.Contains("needs the library", StringComparison.Ordinal))
        {
            Assert.Skip(refusal.Message);
            return;
        }

        if (full.Pixels.IndexOfAnyExcept(full.Pixels[0]) < 0) // one value has no range
        {
            Assert.Contains("all pixels have the value", Assert.Throws<InputException>(
                () => RivalPicture.ToGray(seen, path)).Message, StringComparison.Ordinal);
            return;
        }

        var gray = RivalPicture.ToGray(seen, path);
        Assert.Equal((full.Width, full.Height, 1), (gray.Width, gray.Height, gray.Channels));
        for (var i = 0; i < gray.Pixels.Length; i++) Assert.InRange(gray.Pixels[i] - full.Pixels[i], -1, 1);
    }

    [Fact]
    public void A_PNG_of_16_bits_is_seen_in_its_full_depth()
    {
        var path = _folder.In("deep.png");
        ushort[] values = [.. Enumerable.Range(0, 32 * 24).Select(i => (ushort)(1000 + 7 * i))]; // all within 21 of 255 levels of 16 bits
        File.WriteAllBytes(path, PngWriter.Write(0, 16, [.. values.Chunk(32).Select(row => row.Select(value => (int)value).ToArray())]));
        var gray = RivalPicture.ToGray(ImageFile.DecodeFullRange(path, new DecodeBuffer()), path);
        var range = (double)(values[^1] - values[0]);
        Assert.Equal(values.Select(value => (byte)((value - values[0]) / range * 255)), gray.Pixels.ToArray());
    }

    [Fact]
    public void Alpha_is_dropped_and_colours_become_gray_after_the_range_is_spread()
    {
        var path = _folder.In("colour.png");
        (byte R, byte G, byte B)[] colours = [(10, 20, 30), (110, 60, 40), (30, 90, 10), (100, 100, 100)];
        using (var bitmap = new SKBitmap(2, 2, SKColorType.Rgba8888, SKAlphaType.Unpremul))
        {
            foreach (var (i, (r, g, b)) in colours.Index()) bitmap.SetPixel(i % 2, i / 2, new SKColor(r, g, b, (byte)(60 * i + 10)));
            using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
            File.WriteAllBytes(path, data.ToArray());
        }

        var gray = RivalPicture.ToGray(ImageFile.DecodeFullRange(path, new DecodeBuffer()), path);
        static int Spread(byte value) => (int)((value - 10) / 100.0 * 255);
        Assert.Equal(colours.Select(c => (byte)((19595 * Spread(c.R) + 38470 * Spread(c.G) + 7471 * Spread(c.B) + 32768) >> 16)),
            gray.Pixels.ToArray());
    }
}
