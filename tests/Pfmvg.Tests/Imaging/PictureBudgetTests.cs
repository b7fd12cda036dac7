using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using Pfmvg.Tests.Imaging.Formats;

namespace Pfmvg.Tests.Imaging;

/// <summary>What few bytes claim is refused before it is decoded.</summary>
public sealed class PictureBudgetTests
{
    [Theory]
    [InlineData(0xc2, 13_377, 13_377, 3)] // progressive colour: coefficients of two bytes for each sample
    [InlineData(0xc2, 13_377, 13_377, 1)]
    [InlineData(0xc0, 13_377, 13_377, 3)]
    [InlineData(0xc2, 6_326, 6_326, 3)]   // just above 40 million
    public void A_large_picture_of_another_kind_than_the_usual_gray_one_is_refused_by_its_header(
        int process, int width, int height, int parts)
    {
        var file = WrittenJpeg.Claim((byte)process, width, height, parts, scans: 1, bytes: 400_000);
        Assert.Contains("more than 40,000,000 in all", Refused(() => ImageFile.Decode(file, "x.jpg")), StringComparison.Ordinal);
        Assert.Contains("more than 40,000,000 in all", Refused(() => ImageFile.ReadHeader(file, "x.jpg")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100, 100, 101)]   // scans
    [InlineData(5_000, 5_000, 41)] // samples of all scans together
    public void Too_many_scans_are_refused_before_any_is_decoded(int width, int height, int scans)
    {
        var file = WrittenJpeg.Claim(0xc2, width, height, 3, scans, bytes: width * height / 500);
        Assert.Contains("pixels x components x scans", Refused(() => ImageFile.Decode(file, "x.jpg")), StringComparison.Ordinal);
    }

    [Fact]
    public void The_scripts_of_encoders_stay_within_the_budget_up_to_the_largest_picture()
    {
        // libjpeg's own script in colour: 14 times all pixels.
        const int side = 6_324;
        Assert.True(side * side <= ImageLimits.OtherPixels && 14L * side * side < JpegBudget.MostSamples);
        JpegBudget.Check(WrittenJpeg.Claim(0xc2, side, side, 3, scans: 14), new PictureName("x"));
    }

    [Fact]
    public void A_large_colour_or_deep_png_is_refused_by_its_header()
    {
        foreach (var (colour, depth, isRefused) in new[] { (0, 8, false), (0, 16, true), (2, 8, true), (6, 16, true), (3, 8, true) })
        {
            var file = PngHeader(13_000, 13_000, (byte)depth, (byte)colour);
            if (isRefused)
                Assert.Contains("more than 80,000,000", Refused(() => ImageFile.ReadHeader(file, "x.png")), StringComparison.Ordinal);
            else Assert.Equal(13_000, ImageFile.ReadHeader(file, "x.png").Width);
        }
    }

    private static string Refused(Action work) => Assert.Throws<InputException>(work).Message;

    private static byte[] PngHeader(int width, int height, byte depth, byte colour)
    {
        byte[] chunk = [.. "IHDR"u8, .. Big(width), .. Big(height), depth, colour, 0, 0, 0];
        return [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, .. chunk,
            .. Big((int)System.IO.Hashing.Crc32.HashToUInt32(chunk))];

        static byte[] Big(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];
    }
}
