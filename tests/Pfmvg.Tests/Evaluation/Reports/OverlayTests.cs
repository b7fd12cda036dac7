using Pfmvg.Evaluation.Reports;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
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

    public void Dispose() => _folder.Dispose();

    private void AssertSame(string picture)
    {
        var path = _folder.In("overlay.png");
        Overlay.WriteOne(path, picture, [], []);
        var (seen, drawn) = (ImageFile.Decode(picture), ImageFile.Decode(path));
        Assert.Equal((seen.Width, seen.Height, 3), (drawn.Width, drawn.Height, drawn.Channels));
        var expected = new byte[3 * seen.Width * seen.Height];
        for (var i = 0; i < expected.Length; i++) expected[i] = seen.Pixels[seen.Channels == 3 ? i : i / 3];
        Assert.True(drawn.Pixels.SequenceEqual(expected));
    }
}
