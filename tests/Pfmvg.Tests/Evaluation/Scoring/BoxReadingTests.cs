using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Scoring;

public class BoxReadingTests
{
    private const int Width = 380, Height = 270;

    private static Prediction Row(int number, string answer, Box truth) => new()
    {
        Id = $"set/{number}", Image = $"{number}.png", Class = "c", Phrase = "p", Width = Width, Height = Height, Truth = [truth],
        Answer = answer,
    };

    [Fact]
    public void The_middle_of_a_unit_is_within_half_a_unit_of_what_was_truncated()
    {
        foreach (var (box, answer) in Written(2000))
        {
            var read = BoxCodec.Parse(answer).Boxes[0].ToPixels(Width, Height, sortAndClamp: false, BoxReading.Middle);
            foreach (var (before, after, size) in new[] { (box.Left, read.Left, Width), (box.Top, read.Top, Height),
                (box.Right, read.Right, Width), (box.Bottom, read.Bottom, Height) })
                Assert.InRange(before - after, (-0.005 - 1e-9) * size, (0.005 + 1e-9) * size);
        }
    }

    [Fact]
    public void The_edge_of_the_picture_stays_where_it_is() => Assert.Equal(new Box(Width * 0.005, Height * 0.995, Width, Height),
        new GridBox(0, 99, 100, 100).ToPixels(Width, Height, sortAndClamp: false, BoxReading.Middle));

    [Fact]
    public void Perfect_answers_score_more_when_they_are_read_at_the_middle()
    {
        var rows = Written(500).Select((written, i) => Row(i, written.Answer, written.Box)).ToList();
        double Mean(BoxReading reading) =>
            Scorer.Score(rows, new ScoringOptions { Resamples = 0, BoxReading = reading }).Samples.Average(sample => sample.Iou);
        var (written, middle) = (Mean(BoxReading.Written), Mean(BoxReading.Middle));
        Assert.True(middle > written + 0.01, $"{written} written, {middle} at the middle");
    }

    [Theory]
    [InlineData("{<10><20><10><50>}", "empty box")]
    [InlineData("{<50><20><10><50>}", "swapped corners")]
    [InlineData("{<10><20><101><50>}", "out of range")]
    public void Flaws_are_the_same_for_both_readings(string answer, string flaw)
    {
        foreach (var reading in Enum.GetValues<BoxReading>())
            Assert.Equal(flaw, ScoreGrid.Label(AnswerLine.Read(Row(1, answer, new Box(0, 0, 9, 9)), reading).Flaw));
    }

    [Fact]
    public void Boxes_that_are_given_as_numbers_stay_as_they_are()
    {
        var given = Row(1, "", new Box(0, 0, 9, 9)) with { Answer = null, Boxes = [new Box(1, 2, 3, 4)] };
        Assert.Equal([new Box(1, 2, 3, 4)], AnswerLine.Read(given, BoxReading.Middle).Boxes);
    }

    [Fact]
    public void A_table_says_how_numbers_were_read()
    {
        var rows = new[] { Row(1, "{<10><20><30><50>}", new Box(0, 0, 9, 9)) };
        string Rule(BoxReading reading) => ScoringRules.Of(rows, new ScoringOptions { BoxReading = reading })
            .Single(rule => rule.Key == "box_reading").Value;
        Assert.StartsWith("written", Rule(BoxReading.Written), StringComparison.Ordinal);
        Assert.StartsWith("middle", Rule(BoxReading.Middle), StringComparison.Ordinal);
    }

    private static IEnumerable<(Box Box, string Answer)> Written(int count)
    {
        var random = new Random(1);
        for (var i = 0; i < count; i++)
        {
            var (left, top) = (random.NextDouble() * 0.6, random.NextDouble() * 0.6);
            var (right, bottom) = (left + 0.1 + 0.3 * random.NextDouble(), top + 0.1 + 0.3 * random.NextDouble());
            var box = new Box(left * Width, top * Height, right * Width, bottom * Height);
            yield return (box, BoxCodec.Format([box], Width, Height));
        }
    }
}
