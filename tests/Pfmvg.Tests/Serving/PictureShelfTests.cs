using Pfmvg.Imaging;
using Pfmvg.Serving;
using Pfmvg.Tests.Cli.Serving;

namespace Pfmvg.Tests.Serving;

public class PictureShelfTests
{
    private static PictureShelf Shelf(int places = 4, long pixels = 1 << 20) => new(28, DicomGray.Window, pixels, places);

    private static byte[] File(int side) => ServedWorkspace.Png(side, side + 1);

    [Fact]
    public void A_picture_is_seen_as_an_evaluation_sees_it()
    {
        var seen = Shelf().Read(File(9));
        Assert.Equal((9, 10, null), (seen.Width, seen.Height, seen.Dicom));
        Assert.Equal(ImageTransform.Resize(ImageFile.Decode(File(9), "x"), 28).Pixels, seen.Image!.Pixels);
    }

    [Fact]
    public void The_same_content_is_decoded_once_and_the_one_used_longest_ago_leaves_first()
    {
        var shelf = Shelf(places: 2);
        var (first, second) = (shelf.Read(File(5)), shelf.Read(File(6)));
        Assert.Same(first, shelf.Read(File(5)));
        _ = shelf.Read(File(7)); // the second one leaves
        Assert.Same(first, shelf.Read(File(5)));
        Assert.NotSame(second, shelf.Read(File(6)));
        Assert.Equal((2, 4), (shelf.Hits, shelf.Misses));
    }

    [Fact]
    public void A_picture_that_is_refused_takes_no_place()
    {
        var shelf = Shelf(pixels: 50);
        var refused = Assert.Throws<InputException>(() => shelf.Read(File(9)));
        Assert.Equal("image: the picture has 9 x 10 pixels, and this server takes 50 in all; send a smaller one.", refused.Message);
        foreach (var none in (byte[][])[[], [1, 2, 3]])
            for (var tries = 0; tries < 2; tries++) Assert.Throws<InputException>(() => shelf.Read(none));
        Assert.Equal(0, shelf.Hits);
    }

    [Fact]
    public void Threads_that_bring_one_picture_get_one()
    {
        var shelf = Shelf();
        var seen = new ServedPicture[16];
        Parallel.For(0, seen.Length, i => seen[i] = shelf.Read(File(40)));
        Assert.Single(seen.Distinct());
        Assert.Equal((15, 1), (shelf.Hits, shelf.Misses));
    }
}
