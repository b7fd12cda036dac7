using FsCheck;
using FsCheck.Fluent;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Imaging.Formats;

/// <summary>A picture that was cut is known, whatever stands behind the cut; a whole one is never suspected.</summary>
public sealed class JpegWholenessTests
{
    private static readonly (int Across, int Down)[][] Samplings =
    [
        [(1, 1)], [(2, 2)], [(1, 1), (1, 1), (1, 1)], [(2, 2), (1, 1), (1, 1)], [(2, 1), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 1)],
        [(4, 1), (1, 1), (1, 1)], [(1, 1), (1, 1), (1, 1), (1, 1)],
    ];

    private static readonly Gen<(WrittenJpeg Jpeg, byte[] File)> Files =
        from seed in Gen.Choose(0, int.MaxValue)
        from width in Gen.Choose(1, 90)
        from height in Gen.Choose(1, 90)
        from sampling in Gen.Elements(Samplings)
        from restart in Gen.Elements(0, 0, 1, 3, 7)
        from isProgressive in Gen.Elements(false, true)
        let jpeg = new WrittenJpeg(seed, width, height, sampling, restart)
        select (jpeg, isProgressive ? jpeg.Progressive() : jpeg.Sequential());

    [Fact]
    public void A_whole_picture_is_never_said_to_end_early() =>
        Check(Files, made => Assert.Null(JpegWholeness.Problem(made.File)));

    [Fact]
    public void A_picture_that_ends_anywhere_before_its_last_bit_is_said_to_end_early() =>
        Check(from made in Files from place in Gen.Choose(0, int.MaxValue) select (made.Jpeg, made.File, place), cut =>
        {
            var (first, end) = cut.Jpeg.Data;
            Assert.NotNull(JpegWholeness.Problem(WrittenJpeg.Cut(cut.File, first + cut.place % (end - first))));
        });

    /// <summary>The writer is right: libjpeg-turbo finds the same pixels in both codings of the same coefficients.</summary>
    [Fact]
    public void Scans_that_refine_each_other_end_in_the_pixels_of_one_scan()
    {
        foreach (var (i, sampling) in Samplings[..6].Index())
        {
            var jpeg = new WrittenJpeg(i, 61, 43, sampling, restart: i % 3);
            var (one, several) = (ImageFile.Decode(jpeg.Sequential(), "one"), ImageFile.Decode(jpeg.Progressive(), "several"));
            Assert.Equal(one.Pixels.ToArray(), several.Pixels.ToArray());
            Assert.Null(one.EndsEarly ?? several.EndsEarly);
        }
    }

    [Theory]
    [InlineData(false, "ends early (its compressed data end at row")]
    [InlineData(true, "ends early (scans are missing that bring its details)")]
    public void Decoding_says_where_a_picture_ends(bool isProgressive, string expected)
    {
        var jpeg = new WrittenJpeg(3, 64, 64, [(1, 1)]);
        var file = isProgressive ? jpeg.Progressive() : jpeg.Sequential();
        var length = isProgressive ? file.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0xff, 0xda]) : (jpeg.Data.First + jpeg.Data.End) / 2;
        var cut = ImageFile.Decode(WrittenJpeg.Cut(file, length), "x.jpg");
        Assert.Contains(expected, cut.EndsEarly, StringComparison.Ordinal);
        Assert.Null(ImageFile.Decode(file, "x.jpg").EndsEarly);
    }

    [Fact]
    public void Data_that_are_broken_between_restart_markers_are_said_to_be()
    {
        var jpeg = new WrittenJpeg(4, 64, 64, [(1, 1), (1, 1), (1, 1)], restart: 4);
        var file = jpeg.Sequential();
        var marker = file.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xff, 0xd3]);
        byte[] shorter = [.. file[..(marker - 20)], .. file[marker..]];
        Assert.Contains("the picture is damaged (its compressed data are broken at row", JpegWholeness.Problem(shorter),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_that_ends_early_is_said_once_or_refused()
    {
        using var folder = new TemporaryFolder();
        var jpeg = new WrittenJpeg(5, 80, 80, [(1, 1)]);
        var path = folder.In("s50414267.jpg");
        File.WriteAllBytes(path, WrittenJpeg.Cut(jpeg.Sequential(), jpeg.Data.First + 40));
        List<string> told = [];
        var guard = new TruncationGuard(TruncatedPictures.Warn, told.Add);
        for (var i = 0; i < 3; i++) Assert.Equal(80, guard.Judge(ImageFile.Decode(path), path).Width);
        Assert.Contains("s********.jpg: the picture ends early", Assert.Single(told), StringComparison.Ordinal);
        var refused = Assert.Throws<InputException>(
            () => new TruncationGuard(TruncatedPictures.Refuse).Judge(ImageFile.Decode(path), path));
        Assert.Contains("data.truncated_pictures: warn", refused.Message, StringComparison.Ordinal);
    }

    private static void Check<T>(Gen<T> values, Action<T> law) =>
        FsCheck.Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(Arb.From(values), law));
}
