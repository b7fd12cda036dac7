using Pfmvg.Evaluation.Reports;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using Pfmvg.Phantoms.Files;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Tests.Support;
using SkiaSharp;

namespace Pfmvg.Tests.Evaluation.Reports;

public sealed class OverlayTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Pictures => [.. Directory.GetFiles(Fixtures.Path("preprocess"))
        .Where(path => Path.GetExtension(path) is ".png" or ".jpg").Select(path => Path.GetFileName(path)!)];

    [Theory, MemberData(nameof(Pictures))]
    public void An_overlay_shows_what_the_model_saw(string name) => AssertSame(Fixtures.Path("preprocess", name));

    [Fact]
    public void A_JPEG_without_its_end_is_drawn_as_it_was_seen()
    {
        var path = _folder.In("cut.jpg");
        File.WriteAllBytes(path, File.ReadAllBytes(Fixtures.Path("preprocess", "gray_baseline.jpg"))[..^2]);
        AssertSame(path);
    }

    [Fact]
    public void A_large_picture_keeps_its_size()
    {
        using var bitmap = new SKBitmap(2600, 40, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var x = 0; x < bitmap.Width; x++)
            for (var y = 0; y < bitmap.Height; y++) bitmap.SetPixel(x, y, new SKColor((byte)x, (byte)(x >> 8), (byte)(7 * y)));
        var path = _folder.In("wide.png");
        ImageSharpFile.WritePng(path, bitmap);
        AssertSame(path);
    }

    [Fact, Trait("Category", "Slow")]
    public void A_very_large_picture_keeps_its_size()
    {
        var gray = new byte[65_000 * 1_100]; // as RGBA more than ImageSharp may take
        for (var i = 0; i < gray.Length; i++) gray[i] = (byte)(i / 65_000 + i % 65_000 / 256);
        ImageSharpFile.WritePng(_folder.In("huge.png"), new DecodedImage(65_000, 1_100, 1, gray));
        AssertSame(_folder.In("huge.png"));
    }

    [Fact]
    public void DICOM_is_drawn_and_reported_by_the_rule_of_the_model()
    {
        byte[] gray = [.. Enumerable.Range(0, 64 * 48).Select(i => (byte)(60 + i % 64 + i / 64))];
        DicomWriter.Write(_folder.In("x"), new PhantomImage(64, 48, gray, []), "x", inverted: true);
        var distinct = new HashSet<string>();
        foreach (var dicom in Enum.GetValues<DicomGray>())
        {
            AssertSame(_folder.In("x"), dicom);
            var seen = ImageFile.Decode(_folder.In("x"), dicom: dicom).Pixels.ToArray();
            var small = ImageFile.Decode(ReportImage.Thumbnail(_folder.In("x"), 448, 60_000, dicom), "small").Pixels.ToArray();
            Assert.InRange(seen.Zip(small, (a, b) => Math.Abs(a - b)).Average(), 0, 2);
            distinct.Add(Convert.ToHexString(seen));
        }

        Assert.Equal(3, distinct.Count);
    }

    public void Dispose() => _folder.Dispose();

    private void AssertSame(string picture, DicomGray dicom = DicomGray.Window)
    {
        var path = _folder.In("overlay.png");
        Overlay.WriteOne(path, picture, [], [], dicom: dicom);
        var (seen, drawn) = (ImageFile.Decode(picture, dicom: dicom), ImageFile.Decode(path));
        Assert.Equal((seen.Width, seen.Height, 3), (drawn.Width, drawn.Height, drawn.Channels));
        var expected = new byte[3 * seen.Width * seen.Height];
        var pixels = seen.Pixels;
        for (var i = 0; i < expected.Length; i++) expected[i] = pixels[seen.Channels == 3 ? i : i / 3];
        Assert.True(drawn.Pixels.SequenceEqual(expected));
    }
}
