using Pfmvg.Geometry;

namespace Pfmvg.Tests.Geometry;

public class RegionTests
{
    [Fact]
    public void Overlap_counts_once()
    {
        Assert.Equal(7, new Region(new Box(0, 0, 2, 2), new Box(1, 1, 3, 3)).Area);
        Assert.Equal(4, new Region(new Box(0, 0, 2, 2), new Box(0, 0, 2, 2), new Box(0, 0, 1, 1)).Area);
    }

    [Fact]
    public void Area_and_intersection_are_those_of_counted_unit_squares()
    {
        var random = new Random(1);
        for (var round = 0; round < 300; round++)
        {
            var (a, b) = (RandomRegion(random, 12), RandomRegion(random, 12));
            var squares = from x in Enumerable.Range(0, 20) from y in Enumerable.Range(0, 20) select new Box(x, y, x + 1, y + 1);
            Assert.Equal(squares.Count(square => Covers(a, square)), a.Area);
            Assert.Equal(squares.Count(square => Covers(a, square) && Covers(b, square)), Region.IntersectionArea(a, b));
        }

        static bool Covers(Region region, Box square) => region.Boxes.Any(box => box.Intersect(square).Area == 1);
    }

    [Fact]
    public void Iou_and_Dice_are_symmetric_and_within_0_and_1()
    {
        var random = new Random(2);
        for (var round = 0; round < 500; round++)
        {
            var (a, b) = (RandomRegion(random, 5, real: true), RandomRegion(random, 5, real: true));
            Assert.Equal(Region.Iou(a, b), Region.Iou(b, a));
            Assert.Equal(Region.Dice(a, b), Region.Dice(b, a));
            Assert.InRange(Region.Iou(a, b), 0, 1);
            Assert.InRange(Region.Dice(a, b), 0, 1);
            Assert.True(Region.Dice(a, b) >= Region.Iou(a, b));
        }
    }

    [Fact]
    public void A_region_equals_itself_made_of_other_boxes()
    {
        var random = new Random(3);
        for (var round = 0; round < 500; round++)
        {
            var a = RandomRegion(random, 6, real: true);
            if (a.IsEmpty) continue;
            var again = new Region([.. a.Boxes.Reverse(), a.Boxes[0]]);
            Assert.Equal(1, Region.Iou(a, a));
            Assert.Equal(1, Region.Dice(a, a));
            Assert.Equal(1, Region.Iou(a, again));
        }
    }

    [Fact]
    public void A_union_grows_with_each_box_and_by_no_more_than_the_box()
    {
        var random = new Random(4);
        for (var round = 0; round < 200; round++)
        {
            var a = RandomRegion(random, 8);
            var box = RandomBox(random, real: false);
            var more = new Region([.. a.Boxes, box]);
            Assert.InRange(more.Area, a.Area, a.Area + box.Area);
            Assert.Equal(a.Area + box.Area - Region.IntersectionArea(a, new Region(box)), more.Area);
        }
    }

    [Fact]
    public void Dice_of_two_regions_follows_from_their_IoU()
    {
        var random = new Random(5);
        for (var round = 0; round < 500; round++)
        {
            var (a, b) = (new Region(RandomBox(random, real: true)), new Region(RandomBox(random, real: true)));
            var iou = Region.Iou(a, b);
            Assert.Equal(2 * iou / (1 + iou), Region.Dice(a, b), 1e-12);
        }
    }

    [Fact]
    public void Neither_scale_nor_place_changes_IoU()
    {
        var random = new Random(6);
        for (var round = 0; round < 200; round++)
        {
            var (a, b) = (RandomRegion(random, 4), RandomRegion(random, 4));
            Assert.Equal(Region.Iou(a, b), Region.Iou(Change(a), Change(b)), 1e-12);
        }

        static Region Change(Region region) => new([.. region.Boxes.Select(box => box.Scale(12.7, 30.5).Move(-31, 1000))]);
    }

    [Fact]
    public void Boxes_that_only_touch_or_lie_apart_have_nothing_in_common()
    {
        var box = new Region(new Box(0.1, 0.1, 0.4, 0.4));
        Assert.Equal(0, Region.IntersectionArea(box, new Region(new Box(0.4, 0.1, 0.7, 0.4))));
        Assert.Equal(0, Region.Iou(box, new Region(new Box(5, 5, 6, 6), new Box(0.1, 9, 0.4, 10))));
    }

    [Fact]
    public void What_covers_nothing_scores_0()
    {
        var nothing = new Region();
        var swapped = new Region(new Box(5, 5, 1, 1), new Box(2, 2, 2, 9));
        var box = new Region(new Box(0, 0, 1, 1));
        Assert.True(nothing.IsEmpty && swapped.IsEmpty && !box.IsEmpty);
        Assert.Equal(0, swapped.Area);
        foreach (var (a, b) in new[] { (nothing, nothing), (nothing, box), (box, swapped), (swapped, swapped) })
        {
            Assert.Equal(0, Region.Iou(a, b));
            Assert.Equal(0, Region.Dice(a, b));
        }
    }

    [Fact]
    public void Pixel_inclusive_boxes_are_one_wider_and_higher()
    {
        var a = new Region(new Box(10, 20, 19, 29)).PixelInclusive();
        var b = new Region(new Box(15, 20, 24, 29)).PixelInclusive();
        Assert.Equal(100, a.Area);
        Assert.Equal(50.0 / 150, Region.Iou(a, b), 1e-15);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_coordinate_that_is_not_a_number_is_refused(double value) =>
        Assert.Throws<ArgumentException>(() => new Region(new Box(0, 0, value, 1)));

    [Fact]
    public void Tens_of_thousands_of_boxes_are_measured()
    {
        var random = new Random(7);
        var (a, b) = (Many(), Many());
        Assert.Equal(a.Area, Region.IntersectionArea(a, a), 1e-9);
        var both = new Region([.. a.Boxes, .. b.Boxes]);
        Assert.Equal(a.Area + b.Area - Region.IntersectionArea(a, b), both.Area, 1e-6);

        Region Many() => new([.. Enumerable.Range(0, 40_000).Select(_ => RandomBox(random, real: true))]);
    }

    private static Region RandomRegion(Random random, int most, bool real = false) =>
        new([.. Enumerable.Range(0, random.Next(1, most + 1)).Select(_ => RandomBox(random, real))]);

    /// <summary>Within 0..20, on whole numbers unless real; some are swapped or flat.</summary>
    private static Box RandomBox(Random random, bool real)
    {
        double Next() => real ? 20 * random.NextDouble() : random.Next(21);
        var (left, top) = (Next(), Next());
        return random.Next(8) == 0 ? new Box(left, top, Next(), Next())
            : new Box(left, top, left + (20 - left) * (real ? random.NextDouble() : 1), Math.Max(top, Next()));
    }
}
