using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Measures;

/// <summary>Figures of abstention, and of answers as sets of boxes.</summary>
public sealed class AbstentionMeasureTests
{
    private const string Sound = "{<10><10><50><30>}";

    private static readonly ScoringOptions Options = new() { Resamples = 300, Seed = 5 };

    private static AnsweredNegative Negative(string id, string answer, string kind, string patient) =>
        new(Answers.Make(id, [], answer, "Edema", patient), kind);

    [Theory]
    [InlineData("none", true), InlineData(" None.", true), InlineData("NONE", true), InlineData("none of it", false), InlineData("", false)]
    [InlineData("no finding", false), InlineData("none {<1><2><3><4>}", false)]
    public void One_word_says_that_nothing_is_there(string answer, bool says) => Assert.Equal(says, BoxCodec.SaysNothing(answer));

    [Fact]
    public void The_word_is_no_box_in_any_notation() =>
        Assert.Equal((Flaw.NoBox, 0), (BoxCodec.Parse(BoxCodec.Nothing).Failure, BoxCodec.Parse(BoxCodec.Nothing).Boxes.Count));

    [Fact]
    public void Figures_are_shares_of_the_phrases_that_name_nothing_and_of_those_that_name_something()
    {
        Box[] truth = [new(100, 100, 500, 300)];
        Prediction[] asked = [Answers.Make("a", truth, Sound, patient: "1"), Answers.Make("b", truth, "none", patient: "2"),
            Answers.Make("c", truth, "{<10><10><50>}", patient: "3"), Answers.Make("d", truth, Sound, patient: "3")];
        AnsweredNegative[] negatives = [Negative("n1", "none", "absent class", "1"),
            Negative("n2", $"{Sound}<delim>{{<1><1><9><9>}}", "absent class", "2"),
            Negative("n3", "nothing to see", "normal sentence", "3")];
        var figures = AbstentionMeasures.Of(asked, negatives, Options);
        Figure At(string row, string metric) => figures.Single(figure => figure.Row == row && figure.Metric == metric);
        var (sensitivity, specificity) = (At("weighted", AbstentionMeasures.Sensitivity), At("weighted", AbstentionMeasures.Specificity));
        Assert.Equal((2 / 3.0, 3), (sensitivity.Value, sensitivity.N));
        Assert.Equal((3 / 4.0, 4), (specificity.Value, specificity.N));
        Assert.Equal(2 / 3.0, At("weighted", AbstentionMeasures.FalseBoxes).Value);
        Assert.Equal((0.5, 1), (At("kind=absent class", AbstentionMeasures.Sensitivity).Value, At("kind=normal sentence",
            AbstentionMeasures.Sensitivity).Value));
        Assert.Equal(0, At("kind=normal sentence", AbstentionMeasures.FalseBoxes).Value);
        Assert.All(figures.Where(figure => figure.Metric != AbstentionMeasures.FalseBoxes), figure =>
            Assert.True(figure.Low >= 0 && figure.Low <= figure.Value && figure.Value <= figure.High && figure.High <= 1, $"{figure}"));
    }

    [Fact]
    public void Scores_stay_as_they_are_beside_abstention_and_an_answer_that_says_nothing_scores_0()
    {
        var asked = Answers.Varied(60);
        asked[0] = asked[0] with { Answer = "none", Confidence = null };
        var table = Scorer.Score(asked, Options);
        Assert.Equal(0, table.Samples.First(sample => sample.Id == asked[0].Id).Iou);
        var (beside, grid) = AbstentionGrid.Beside(table, asked, [Negative("n", "none", "absent class", "p0")]);
        Assert.Equal(table.Rows, beside.Rows);
        Assert.Equal(table.Samples, beside.Samples);
        Assert.Contains(beside.Further, figure => figure is { Row: "weighted", Metric: AbstentionMeasures.Sensitivity, Value: 1, N: 1 });
        Assert.Contains("'none' is the answer to 1 of 60 phrases with a true box, which score IoU 0, and to 1 of 1 negatives.", grid.Notes);
        Assert.Equal(["sensitivity", "  absent class", "specificity", "false boxes per negative", "  absent class"],
            grid.Rows.Select(row => row[0]));
    }

    [Theory, InlineData(1, 1), InlineData(2, 3), InlineData(4, 4), InlineData(5, 7)]
    public void The_best_pairing_is_the_best_of_all_there_are(int rows, int columns)
    {
        var random = new CounterRandom(1, "gains");
        for (var trial = 0; trial < 50; trial++)
        {
            var gains = Enumerable.Range(0, rows * columns).Select(_ => random.Chance(0.4) ? 0 : random.NextDouble()).ToArray();
            double Best(int row, int free) => row == rows ? 0 : Enumerable.Range(0, columns).Where(c => (free >> c & 1) == 1)
                .Max(c => gains[row * columns + c] + Best(row + 1, free & ~(1 << c)));
            Assert.Equal(Best(0, (1 << columns) - 1), BoxSetMeasures.MostGain(rows, columns, (r, c) => gains[r * columns + c]), 1e-12);
        }
    }

    [Fact]
    public void Sets_are_judged_by_their_number_and_by_the_pairing_that_fits_best()
    {
        Box[] truth = [new(0, 0, 100, 100), new(40, 0, 140, 100)];
        Figure At(string metric, params Box[] boxes)
        {
            Prediction[] one = [Answers.Make("a", truth, boxes)];
            return FurtherMeasures.Of(Scorer.Score(one, Options), one, MeasureRequest.Parse("boxes", Protocol.PhraseUnion))
                .Single(figure => figure.Row == "weighted" && figure.Metric == metric);
        }

        Assert.Equal((1, 1), (At("set_iou", truth).Value, At("count_right", truth).Value));
        Assert.Equal((0.5, 0), (At("set_iou", truth[1]).Value, At("count_right", truth[1]).Value));
        Assert.Equal(0.5, At("set_iou", truth[0], new(500, 500, 600, 600)).Value);
        Assert.Equal(2 / 3.0, At("set_iou", truth[1], truth[0], new(500, 500, 600, 600)).Value!.Value, 1e-12);
        var (right, left) = (new Box(30, 0, 130, 100), new Box(20, 0, 120, 100));
        Assert.Equal((80 / 120.0 + 90 / 110.0) / 2, At("set_iou", left, right).Value!.Value, 1e-12);
    }
}
