using Pfmvg.Answering;
using Pfmvg.Data;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Answering;

public sealed class ConstantMapsTests
{
    private const int Grid = ConstantMaps.Grid;

    private static Sample Asked(string text, params Box[] boxes) => new()
    {
        Id = text, Task = SampleTask.Refer, Image = $"{text}.png", Width = 10 * Grid, Height = 5 * Grid, Text = text, Class = "Edema",
        Source = "ms-cxr", Boxes = boxes,
    };

    [Fact]
    public void Phrases_with_one_region_have_that_region()
    {
        Box box = new(100, 50, 300, 200); // along the cells, which are of 10 x 5 pixels
        var maps = new ConstantMaps([Asked("edema", box), Asked("oedema", box)]);
        var map = maps.Map(maps.KeyOf(Asked("any edema")));
        for (var i = 0; i < map.Length; i++)
        {
            var (row, column) = Math.DivRem(i, Grid);
            Assert.Equal(row is >= 10 and < 40 && column is >= 10 and < 30 ? 1 : 0, map[i]);
        }
    }

    [Fact]
    public void Boxes_of_one_phrase_are_one_region_whose_overlap_counts_once()
    {
        var together = ConstantMaps.Coverage([Asked("a", new Box(0, 0, 25, 10), new Box(20, 5, 40, 10), new Box(-50, -50, 5, 5))]);
        Assert.Equal(2 * 2.5 + 1.5, together.Sum(share => (double)share), 1e-5);
        Assert.Equal(0.5, together[2], 1e-6);
        Assert.Equal(1, together[Grid + 2], 1e-6);
        Assert.Equal(0, together[Grid + 4], 1e-6);
    }

    [Fact]
    public void No_cell_more_or_less_fits_better_and_no_rectangle_does()
    {
        var random = new Random(3);
        List<float[]> truths = [];
        for (var i = 0; i < 12; i++)
        {
            var (left, top) = (random.Next(0, 40), random.Next(10, 40));
            truths.Add(ConstantMaps.Coverage([Asked($"{i}", new Box(10 * left + 3, 5 * top, 10 * (left + random.Next(4, 24)),
                5 * (top + random.Next(4, 24)) + 2))]));
        }

        var best = ConstantMaps.Best(truths);
        var reached = Fit(best);
        for (var c = 0; c < best.Length; c++)
        {
            best[c] = !best[c];
            Assert.True(Fit(best) <= reached + 1e-9);
            best[c] = !best[c];
        }

        for (var round = 0; round < 3000; round++)
        {
            var (left, top) = (random.Next(0, Grid - 1), random.Next(0, Grid - 1));
            var (right, bottom) = (random.Next(left + 1, Grid), random.Next(top + 1, Grid));
            Assert.True(Fit([.. Enumerable.Range(0, Grid * Grid).Select(c => c / Grid >= top && c / Grid < bottom
                && c % Grid >= left && c % Grid < right)]) <= reached + 1e-9);
        }

        double Fit(bool[] region) => truths.Average(truth =>
        {
            var common = truth.Where((_, c) => region[c]).Sum(share => (double)share);
            return common / (region.Count(isIn => isIn) + truth.Sum(share => (double)share) - common);
        });
    }

    [Fact]
    public void A_side_that_was_never_seen_takes_the_map_of_its_class_and_a_class_that_was_never_seen_that_of_all()
    {
        var maps = new ConstantMaps([Asked("left edema", new Box(0, 0, 100, 100)),
            Asked("left effusion", new Box(300, 0, 400, 100)) with { Class = "Effusion" }]);
        Assert.Equal(maps.KeyOf(Asked("another left edema")), maps.KeyOf(Asked("left edema")));
        Assert.Equal(("Edema", null), maps.KeyOf(Asked("right edema")));
        Assert.Equal((null, null), maps.KeyOf(Asked("left") with { Class = "Nodule" }));
        Assert.Contains("no training split", Assert.Throws<InputException>(() => new ConstantMaps([])).Message, StringComparison.Ordinal);
    }
}
