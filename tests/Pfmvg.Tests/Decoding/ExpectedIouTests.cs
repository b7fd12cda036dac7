using Pfmvg.Decoding;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Tests.Decoding;

public sealed class ExpectedIouTests
{
    private static readonly GridBox Left = new(10, 20, 40, 60), Right = new(60, 20, 90, 60);

    [Fact]
    public void Draws_that_are_all_the_same_box_are_answered_by_it_with_full_agreement()
    {
        var (boxes, agreement) = ExpectedIou.Best([[Left], [Left], [Left]], BoxReading.Middle)!.Value;
        Assert.Equal([Left], boxes);
        Assert.Equal(1, agreement, 1e-12);

        // Read as written, an answer can only be near the middle of the hundredths that the draws name.
        (boxes, agreement) = ExpectedIou.Best([[Left], [Left], [Left]], BoxReading.Written)!.Value;
        var box = Assert.Single(boxes);
        Assert.All([box.X1 - Left.X1, box.Y1 - Left.Y1, box.X2 - Left.X2, box.Y2 - Left.Y2], off => Assert.InRange(off, 0, 1));
        Assert.InRange(agreement, Region.Iou(new Region(Area(Left, BoxReading.Written)), new Region(Area(Left, BoxReading.Middle))), 1);
    }

    [Theory, InlineData(BoxReading.Written), InlineData(BoxReading.Middle)]
    public void No_draw_and_no_box_one_step_away_has_a_larger_mean_iou(BoxReading reading)
    {
        for (var test = 0; test < 60; test++)
        {
            var draws = Draws(test, 12);
            var (boxes, agreement) = ExpectedIou.Best(draws, reading)!.Value;
            var best = Assert.Single(boxes);
            Assert.Equal(Mean(best), agreement, 1e-9);
            Assert.All(draws, draw => Assert.True(Mean(draw[0]) <= agreement + 1e-9));
            foreach (var by in (int[])[-1, 1])
                foreach (var moved in (GridBox[])[best with { X1 = best.X1 + by }, best with { Y1 = best.Y1 + by },
                    best with { X2 = best.X2 + by }, best with { Y2 = best.Y2 + by }])
                    if (moved.Flaw == Flaw.None) Assert.True(Mean(moved) <= agreement + 1e-9);

            double Mean(GridBox box) => draws.Average(draw =>
                Region.Iou(new Region(Area(box, reading)), new Region(Area(draw[0], BoxReading.Middle))));
        }
    }

    [Fact]
    public void On_average_it_is_better_than_the_draw_with_the_largest_mean_iou()
    {
        // The draws' common centre is between them: the best box is near it and need not be one of the draws.
        var gains = Enumerable.Range(0, 60).Select(test =>
        {
            var draws = Draws(test, 12);
            return ExpectedIou.Best(draws, BoxReading.Middle)!.Value.Agreement - draws.Max(draw => draws.Average(other =>
                Region.Iou(new Region(Area(draw[0], BoxReading.Middle)), new Region(Area(other[0], BoxReading.Middle)))));
        }).ToList();
        Assert.True(gains.Min() >= -1e-9);
        Assert.True(gains.Average() > 0.005);
    }

    [Fact]
    public void The_larger_of_two_groups_is_answered_not_the_middle_between_them()
    {
        var (boxes, agreement) = ExpectedIou.Best([[Left], [Right], [Left], [Right], [Left]], BoxReading.Middle)!.Value;
        Assert.Equal([Left], boxes);
        Assert.Equal(3.0 / 5, agreement, 1e-12);
    }

    [Fact]
    public void Draws_without_a_sound_box_have_IoU_0_with_every_answer()
    {
        IReadOnlyList<GridBox>[] draws = [[Left], [], [new GridBox(50, 20, 40, 60)], [new GridBox(10, 20, 40, 160)]];
        var (boxes, agreement) = ExpectedIou.Best(draws, BoxReading.Middle)!.Value;
        Assert.Equal([Left], boxes);
        Assert.Equal(1.0 / 4, agreement, 1e-12);
        Assert.Null(ExpectedIou.Best([[], [new GridBox(5, 5, 5, 9)]], BoxReading.Written));
    }

    [Fact]
    public void The_answer_has_as_many_boxes_as_most_draws_and_regions_are_compared()
    {
        var (boxes, agreement) = ExpectedIou.Best([[Left, Right], [Right, Left], [Left]], BoxReading.Middle)!.Value;
        Assert.Equal(2, boxes.Count);
        Assert.Equal([Left, Right], boxes.OrderBy(box => box.X1));
        Assert.Equal((1 + 1 + 0.5) / 3, agreement, 1e-12); // the two boxes are equally large
        // Of two numbers that are equally frequent the smaller one.
        Assert.Single(ExpectedIou.Best([[Left, Right], [Left]], BoxReading.Middle)!.Value.Boxes);
        // One box against draws of two: what it misses counts.
        Assert.Equal((1 + 1 + 0.5) / 3, ExpectedIou.Best([[Left], [Left], [Left, Right]], BoxReading.Middle)!.Value.Agreement, 1e-12);
    }

    private static Box Area(GridBox box, BoxReading reading) => box.ToPixels(100, 100, sortAndClamp: false, reading);

    /// <summary>Boxes around a common one, every edge off by a normal number of 4 hundredths.</summary>
    private static IReadOnlyList<IReadOnlyList<GridBox>> Draws(int test, int count)
    {
        var random = new CounterRandom(test, "draws");
        return [.. Enumerable.Range(0, count).Select(_ => (IReadOnlyList<GridBox>)[new GridBox(Near(20), Near(30), Near(60), Near(75))])];

        int Near(int value) => Math.Clamp(value + (int)Math.Round(4 * random.NextNormal()), 0, 100);
    }
}
