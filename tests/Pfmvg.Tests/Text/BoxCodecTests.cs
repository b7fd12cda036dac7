using System.Diagnostics;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Tests.Text;

public class BoxCodecTests
{
    [Fact]
    public void Numbers_are_truncated_hundredths_in_double_precision() =>
        Assert.Equal("{<28><0><57><100>}", BoxCodec.Format([new Box(290, 0, 580, 1000)], 1000, 1000)); // 0.29 * 100 is below 29

    [Fact]
    public void Several_boxes_are_joined_and_read_again_in_order()
    {
        var text = BoxCodec.Format([new Box(0, 0, 50, 50), new Box(20, 30, 100, 100)], 100, 100);
        Assert.Equal("{<0><0><50><50>}<delim>{<20><30><100><100>}", text);
        Assert.Equal([new GridBox(0, 0, 50, 50), new GridBox(20, 30, 100, 100)], BoxCodec.Parse(text).Boxes);
    }

    [Fact]
    public void What_is_written_is_read_within_one_cell()
    {
        var random = new Random(1);
        for (var round = 0; round < 2000; round++)
        {
            var (width, height) = (random.Next(100, 4000), random.Next(100, 4000));
            var (left, top) = (random.NextDouble() * width, random.NextDouble() * height);
            var box = new Box(left, top, left + random.NextDouble() * (width - left), top + random.NextDouble() * (height - top));
            var read = Assert.Single(BoxCodec.Parse(BoxCodec.Format([box], width, height)).Boxes)
                .ToPixels(width, height, sortAndClamp: false);
            foreach (var (before, after, size) in new[] { (box.Left, read.Left, width), (box.Top, read.Top, height),
                (box.Right, read.Right, width), (box.Bottom, read.Bottom, height) })
                Assert.InRange(before - after, -1e-9 * size, (0.01 + 1e-9) * size); // truncation only moves a corner to the top left
        }
    }

    [Fact]
    public void A_rounded_corner_is_read_within_half_a_cell_and_right_on_average()
    {
        var random = new Random(2);
        var (sums, sides) = (new double[2], 0);
        for (var round = 0; round < 4000; round++)
        {
            var (left, top) = (random.NextDouble() * 50, random.NextDouble() * 50);
            var box = new Box(left, top, left + random.NextDouble() * 50, top + random.NextDouble() * 50);
            foreach (var writing in Enum.GetValues<BoxWriting>())
            {
                var read = Assert.Single(BoxCodec.Parse(BoxCodec.Format([box], 100, 100, writing)).Boxes).ToPixels(100, 100, false);
                foreach (var (before, after) in new[] { (box.Left, read.Left), (box.Top, read.Top), (box.Right, read.Right),
                    (box.Bottom, read.Bottom) })
                {
                    if (writing == BoxWriting.Rounded) Assert.InRange(before - after, -0.5 - 1e-9, 0.5 + 1e-9);
                    sums[(int)writing] += before - after;
                }
            }

            sides += 4;
        }

        Assert.InRange(sums[(int)BoxWriting.Truncated] / sides, 0.47, 0.53);
        Assert.InRange(sums[(int)BoxWriting.Rounded] / sides, -0.03, 0.03);
    }

    [Theory]
    [InlineData(28.4999, 28), InlineData(12.5, 13), InlineData(99.6, 100), InlineData(100.9, 100), InlineData(-0.9, 0), InlineData(0, 0)]
    public void The_nearest_hundredth_is_written_and_stays_on_the_grid(double left, int expected) =>
        Assert.Equal(expected, BoxCodec.ToGrid(new Box(left, 0, left, 0), 100, 100, BoxWriting.Rounded).X1);

    [Theory]
    [InlineData(-20, 0, 50, 50)]
    [InlineData(0, 0, 101, 50)]
    [InlineData(0, double.NaN, 50, 50)]
    public void A_box_outside_its_picture_cannot_be_written(double left, double top, double right, double bottom) =>
        Assert.Throws<ArgumentException>(() => BoxCodec.Format([new Box(left, top, right, bottom)], 100, 100));

    [Theory]
    [InlineData("{<1><2><30><40>}", Flaw.None)]
    [InlineData("  it is { <1> <2> <30> <40> }.", Flaw.None)]
    [InlineData("{<1><2><30><<unk>40>}", Flaw.None)]
    [InlineData("{<5><5><5><9>} {<1><2><30><40>}", Flaw.None)]
    [InlineData("", Flaw.NoBox)]
    [InlineData(" \n<unk>", Flaw.NoBox)]
    [InlineData("no acute finding", Flaw.NoBox)]
    [InlineData("<<15><3><56><35>>", Flaw.NoBox)]
    [InlineData("an open { brace", Flaw.NoBox)]
    [InlineData("{<58><33><93>}", Flaw.TooFewNumbers)]
    [InlineData("{}", Flaw.TooFewNumbers)]
    [InlineData("{<1><2><3><4><5>}", Flaw.Malformed)]
    [InlineData("{<20.5><57><66><97>}", Flaw.Malformed)]
    [InlineData("{<\uff11><57><66><97>}", Flaw.Malformed)]
    [InlineData("{12,57,66,97}", Flaw.Malformed)]
    [InlineData("{<49><40><83><84>", Flaw.CutOff)]
    [InlineData("{<49><40><8", Flaw.CutOff)]
    [InlineData("{", Flaw.CutOff)]
    [InlineData("{<-5><49><45><87>}", Flaw.OutOfRange)]
    [InlineData("{<0><21><1000><70>}", Flaw.OutOfRange)]
    [InlineData("{<51><15><150><49>}", Flaw.OutOfRange)]
    [InlineData("{<60><21><53><6>}", Flaw.Swapped)]
    [InlineData("{<72><58><72><91>}", Flaw.Empty)]
    public void An_answer_without_a_sound_box_says_why(string answer, Flaw failure) =>
        Assert.Equal(failure, BoxCodec.Parse(answer).Failure);

    [Fact]
    public void Flawed_boxes_are_kept_raw_beside_the_sound_ones()
    {
        var parsed = BoxCodec.Parse("{<5><5><5><9>}<delim>{<1><2><30><40>}<delim>{<0><0><999><50>}");
        Assert.Equal(3, parsed.Boxes.Count);
        Assert.Equal(new GridBox(1, 2, 30, 40), parsed.Boxes[1]);
        Assert.Equal([Flaw.Empty, Flaw.None, Flaw.OutOfRange], parsed.Boxes.Select(box => box.Flaw));
    }

    [Fact]
    public void The_original_s_test_wants_the_box_first_and_takes_any_decimal_digits()
    {
        Assert.Equal(new GridBox(12, 16, 71, 29), BoxCodec.ParseAtStart(" {<\uff11\uff12><16><71><29>} and more"));
        Assert.Null(BoxCodec.ParseAtStart("at {<12><16><71><29>}"));
    }

    [Fact]
    public void Repairing_sorts_and_clamps()
    {
        var box = new GridBox(150, 60, 20, 10);
        Assert.Equal(new Box(40, 30, 200, 180), box.ToPixels(200, 300, sortAndClamp: true));
        Assert.Equal(new Box(300, 180, 40, 30), box.ToPixels(200, 300, sortAndClamp: false));
        Assert.Equal("{<150><60><20><10>}", box.ToString());
    }

    [Theory]
    [InlineData("{", 1_000_000)]
    [InlineData("{<", 500_000)]
    [InlineData("{<1><2><3>", 100_000)]
    [InlineData("<unk>", 200_000)]
    [InlineData("{<1><2><3><4>}", 71_000)]
    [InlineData("\n", 1_000_000)]
    [InlineData("{<1>", 250_000)]
    [InlineData("7", 1_000_000)]
    public void A_million_characters_take_moments(string part, int times)
    {
        var answer = string.Concat(Enumerable.Repeat(part, times));
        var watch = Stopwatch.StartNew();
        foreach (var text in new[] { answer, answer + "}", "{<" + answer + ">}" })
        {
            var parsed = BoxCodec.Parse(text);
            BoxCodec.ParseAtStart(text);
            Assert.Equal(part.EndsWith('}'), parsed.Boxes.Count > 0);
        }

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"took {watch.Elapsed}");
    }
}
