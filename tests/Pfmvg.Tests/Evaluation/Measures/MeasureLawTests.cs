using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Evaluation.Measures;

public sealed class MeasureLawTests
{
    private static readonly ScoringOptions Options = new() { Resamples = 200, Seed = 5 };

    private static readonly string[] Distances = ["center_error", "center_error_px"];

    [Fact]
    public void The_truth_as_the_answer_scores_1_and_no_answer_at_all_scores_0()
    {
        // One true box each: the rule of the single box cannot be right about two.
        var asked = Drawn.Boxes().FindAll(p => p.Truth.Count < 2);
        foreach (var figure in Measure([.. asked.Select(p => p with { Boxes = p.Truth, Confidence = [.. p.Truth.Select(_ => 0.5)] })]))
            Assert.Equal((figure.Metric, Distances.Contains(figure.Metric) ? 0 : 1), (figure.Metric, figure.Value!.Value));
        foreach (var figure in Measure([.. asked.Select(p => p with { Boxes = null, Confidence = null })]))
            Assert.Equal((figure.Metric, 0), (figure.Metric, figure.Value ?? 0));
    }

    [Fact]
    public void Figures_and_their_intervals_lie_in_0_to_1_and_hold_the_value()
    {
        foreach (var figure in Measure(Drawn.Boxes()).Where(figure => !Distances.Contains(figure.Metric)))
        {
            Assert.True(figure.Value is >= 0 and <= 1 && figure.Low is >= 0 && figure.High <= 1, figure.ToString());
            Assert.True(figure.Low <= figure.Value && figure.Value <= figure.High || figure.N < 60, figure.ToString());
        }
    }

    [Fact]
    public void Figures_and_intervals_do_not_depend_on_the_order_of_the_rows()
    {
        var rows = Drawn.Boxes();
        var expected = Measure(rows);
        Assert.Equal(expected, Measure([.. rows.AsEnumerable().Reverse()]));
        Assert.Equal(expected, Measure([.. rows.OrderBy(row => row.Phrase[^1]).ThenBy(row => row.Class)]));
    }

    [Fact]
    public void A_phrase_that_is_asked_once_for_each_of_its_boxes_counts_as_one_that_is_asked_once()
    {
        var rows = Drawn.Boxes();
        List<Prediction> repeated = [.. rows.SelectMany(row => row.Truth.Count < 2 ? [row]
            : row.Truth.Select((box, i) => row with { Id = $"{row.Id}.{i}", Truth = [box] }))];
        Assert.Equal(Measure(rows, "map,regions@0.5,set@0.5,pointing,center,radfact,coverage,abstention"),
            Measure(repeated, "map,regions@0.5,set@0.5,pointing,center,radfact,coverage,abstention"));
    }

    [Fact]
    public void What_is_precision_for_the_answer_is_recall_for_the_truth()
    {
        var rows = Drawn.Boxes().FindAll(p => p.Boxes is not null && p.Truth.Count > 0 && p.Boxes.Count > 0
            && p.Boxes.All(box => !box.IsEmpty && double.IsFinite(box.Left)));
        var (one, other) = (Measure(rows), Measure([.. rows.Select(p => p with { Truth = p.Boxes!, Boxes = p.Truth, Confidence = null })]));
        foreach (var (metric, mirrored) in ((string, string)[])[("precision@0.5", "recall@0.5"), ("recall@0.5", "precision@0.5"),
            ("f1@0.5", "f1@0.5"), ("set_f1@0.5", "set_f1@0.5"), ("set_exact@0.5", "set_exact@0.5"), ("coverage", "iobb"),
            ("iobb", "coverage"), ("radfact_precision", "radfact_recall"), ("radfact_recall", "radfact_precision")])
            Assert.Equal(one.At("weighted", metric).Value!.Value, other.At("weighted", mirrored).Value!.Value, 1e-12);
    }

    [Fact]
    public void A_higher_threshold_never_gives_a_higher_figure()
    {
        var names = string.Join(',', Enumerable.Range(1, 19).SelectMany(i => (string[])[$"acc@0.{5 * i:00}", $"regions@0.{5 * i:00}"]));
        foreach (var name in (string[])["acc", "precision", "recall"])
        {
            var values = Measure(Drawn.Boxes(), names).Where(figure => figure.Row == "weighted"
                && figure.Metric.StartsWith($"{name}@", StringComparison.Ordinal)).Select(figure => figure.Value!.Value).ToList();
            Assert.Equal(19, values.Count);
            Assert.Equal(values.OrderDescending(), values);
            Assert.True(values[0] > values[^1]);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_figures_that_the_table_has_too_are_the_table_s_with_the_same_intervals(bool inclusive)
    {
        var options = Options with { InclusiveAccuracy = inclusive };
        var rows = Drawn.Boxes();
        var (table, figures) = (Scorer.Score(rows, options), Measure(rows, "acc@0.3,acc@0.5", options));
        AssertSame(table, Metric.Accuracy50, figures, "acc@0.5");
        AssertSame(table, Metric.Accuracy30, figures, "acc@0.3");
        options = options with { Protocol = Protocol.Map50, InclusiveAccuracy = false };
        AssertSame(Scorer.Score(rows, options), Metric.AveragePrecision50, Measure(rows, "map@0.5", options), "map@0.5");

        static void AssertSame(ScoreTable table, Metric metric, IReadOnlyList<Figure> figures, string name)
        {
            foreach (var row in table.Rows.Take(table.Classes.Count + 2))
            {
                var figure = figures.At(row.Name, name);
                Assert.Equal((row.Name, row[metric].Value, row[metric].Low, row[metric].High, row.Count),
                    (row.Name, figure.Value!.Value, figure.Low!.Value, figure.High!.Value, figure.N));
            }
        }
    }

    [Fact]
    public void A_box_of_the_whole_picture_covers_everything_and_is_right_about_little()
    {
        var rows = Drawn.Boxes().FindAll(p => p.Truth.Count == 1);
        var figures = Measure([.. rows.Select(p => p with { Boxes = [new Box(0, 0, p.Width, p.Height)], Confidence = null })]);
        Assert.Equal(1, figures.At("mean", "coverage").Value);
        Assert.Equal(1, figures.At("mean", "radfact_recall").Value);
        Assert.Equal(rows.Average(p => p.Truth[0].Area / p.Width / p.Height), figures.At("weighted", "iobb").Value!.Value, 1e-12);
        Assert.Equal(0, figures.At("mean", "radfact_precision").Value);
    }

    [Theory]
    [InlineData("none", 1, 0)]                       // it says that there is nothing
    [InlineData("{<10><10><5><5>}", 0, 1)]           // a swapped box claims that there is something
    [InlineData("{<10><10><20>}", 0, 1)]             // so does a box with too few numbers
    [InlineData("{<10><10><20><20>}", 0, 1)]
    public void Only_an_answer_that_has_no_box_abstains(string answer, double whereNothingIs, double whereSomethingIs)
    {
        var figures = Measure([Answers.Make("a", [], answer), Answers.Make("b", [new Box(0, 0, 9, 9)], answer)], "abstention");
        Assert.Equal(whereNothingIs, figures.At("weighted", "n_acc").Value);
        Assert.Equal(whereSomethingIs, figures.At("weighted", "t_acc").Value);
    }

    [Fact]
    public void A_box_finds_one_partner_and_the_largest_overlap_goes_first()
    {
        // The first box overlaps both true ones enough; the second fits the first true one better.
        Box[] truth = [new(0, 0, 100, 100), new(40, 0, 140, 100)];
        var figures = Measure([Answers.Make("a", truth, (Box[])[new(20, 0, 120, 100), new(0, 0, 100, 100), new(0, 0, 100, 99)])],
            "regions@0.5,set@0.5");
        Assert.Equal(2 / 3.0, figures.At("weighted", "precision@0.5").Value!.Value, 1e-12);
        Assert.Equal(1, figures.At("weighted", "recall@0.5").Value);
        Assert.Equal(4 / 5.0, figures.At("weighted", "set_f1@0.5").Value!.Value, 1e-12);
        Assert.Equal(0, figures.At("weighted", "set_exact@0.5").Value);
    }

    [Theory]
    [InlineData("mAP50", "there is no such measure")]
    [InlineData("acc", "it needs a threshold of IoU, as in acc@0.5")]
    [InlineData("acc@1.5", "the threshold of IoU is above 0 and at most 1")]
    [InlineData("map@0", "the threshold of IoU is above 0 and at most 1")]
    [InlineData("pointing@0.5", "this measure has no threshold")]
    [InlineData("acc@[.5:.95]", "there is no such measure")]
    [InlineData("cnr", "the protocol pfmvg-box has no such measure")]
    [InlineData("", "there is no such measure")]
    public void A_measure_that_cannot_be_is_refused_by_its_name(string name, string reason)
    {
        var error = Assert.Throws<InputException>(() => MeasureRequest.Parse($"center,{name}", Protocol.PfmvgBox));
        Assert.StartsWith($"--metrics {name}: {reason}; use some of map, map@T", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_of_measures_is_read_as_it_is_written() => Assert.Equal(
        [
            new MeasureRequest(MeasureKind.Map), new MeasureRequest(MeasureKind.Acc, 0.4), new MeasureRequest(MeasureKind.RadFact),
        ],
        MeasureRequest.Parse("map@[.5:.95], acc@.4,RadFact,map,acc@0.40", Protocol.PhraseUnion));

    private static IReadOnlyList<Figure> Measure(IReadOnlyList<Prediction> predictions, string list = "all", ScoringOptions? options = null)
    {
        options ??= Options;
        return FurtherMeasures.Of(Scorer.Score(predictions, options), predictions, MeasureRequest.Parse(list, options.Protocol));
    }
}
