using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Scoring;

public sealed class CalibrationTests
{
    [Fact]
    public void Error_bins_and_risk_are_those_worked_out_by_hand()
    {
        // Right, wrong, wrong and right by falling confidence, the middle two equally certain.
        var calibration = Measure(Sure("a", 0.9, 0.95), Sure("b", 0.2, 0.65), Sure("c", 0.8, 0.65), Sure("d", 0.3, 0.15));
        Assert.Equal((Math.Abs(0.95 - 1) + Math.Abs(1.3 - 1) + 0.15) / 4, calibration.ExpectedError, 1e-12);
        Assert.Equal(calibration.ExpectedError, Value("calibration", "ece"), 1e-12);
        Assert.Equal(0, Value("coverage=0.2", "risk"), 1e-12);
        Assert.Equal(0.5 / 2, Value("coverage=0.5", "risk"), 1e-12); // one of the two that are equally certain: wrong by half
        Assert.Equal(0.5, Value("coverage=1.0", "risk"), 1e-12);
        Assert.Equal((0 + 0.5 / 2 + 1.0 / 3 + 2.0 / 4) / 4, Value("calibration", "aurc"), 1e-12);
        Assert.Equal((1 + 1 + 0.5 + 1) / 4, Value("calibration", "auroc"), 1e-12); // a above b and d, c beside b and above d
        Assert.Equal(0.5, Value("confidence=0.6..0.7", "accuracy"), 1e-12);
        Assert.Equal(0.5, Value("confidence=0.6..0.7", "iou"), 1e-12);
        Assert.Equal(2, calibration.Figures.Single(f => f is { Row: "confidence=0.6..0.7", Metric: "iou" }).N);

        double Value(string row, string metric) => calibration.Figures.Single(f => f.Row == row && f.Metric == metric).Value!.Value;
    }

    [Fact]
    public void What_has_no_box_or_no_confidence_is_counted_as_left_out()
    {
        var calibration = Measure(Sure("a", 0.9, 0.9), Answers.WithIou("b", 0.9), Answers.Make("c", [new Box(0, 0, 9, 9)], "none"),
            Answers.Make("d", [new Box(0, 0, 9, 9)], "no"));
        Assert.Equal((1, 2, 1), (calibration.Count, calibration.WithoutRegion, calibration.WithoutConfidence));
        Assert.Equal("1 of 4 samples; left out: 2 whose answer gives no region, 1 without a confidence.", calibration.Scope);
    }

    [Fact]
    public void Of_several_boxes_the_most_certain_one_tells_how_sure_the_answer_is()
    {
        var box = new Box(100, 100, 500, 300);
        var calibration = Calibration.Measure(Scorer.Score(
            [Answers.Make("a", [box], "{<80><80><90><90>}<delim>{<10><10><50><30>}") with { Confidence = [0.15, 0.85] }],
            new ScoringOptions { Protocol = Protocol.PhraseUnion, Resamples = 0 }))!;
        Assert.Equal(0.85, Assert.Single(calibration.Bins).Confidence);
        calibration = Calibration.Measure(Scorer.Score(
            [Answers.Make("a", [box], "{<80><80><90><90>}<delim>{<10><10><50><30>}") with { Confidence = [0.15, 0.85] }],
            new ScoringOptions { Protocol = Protocol.Map50, Resamples = 0 }))!;
        Assert.Equal((0.85, 1.0), (calibration.Bins[0].Confidence, calibration.Bins[0].Iou));
    }

    [Fact]
    public void Its_figures_and_their_intervals_are_in_scores_json()
    {
        using var folder = new TemporaryFolder();
        var table = Scorer.Score(Answers.Varied(120), new ScoringOptions { Resamples = 300 });
        ScoreReport.WriteAll(folder.Path, table, new ReportOptions { IncludeImages = false });
        var json = JsonNode.Parse(File.ReadAllText(folder.In("scores.json")))!["calibration"]!;
        Assert.Equal(table.Samples.Count,
            json["n"]!.GetValue<int>() + json["without_region"]!.GetValue<int>() + json["without_confidence"]!.GetValue<int>());
        var figures = json["figures"]!.AsArray();
        Assert.Equal(table.Calibration!.Figures.Count, figures.Count);
        var ece = figures.Single(figure => (string)figure!["metric"]! == "ece")!;
        Assert.Equal(table.Calibration.ExpectedError, ece["value"]!.GetValue<double>());
        Assert.InRange(ece["high"]!.GetValue<double>(), ece["low"]!.GetValue<double>() + 1e-6, 1);
        Assert.Contains("left out", File.ReadAllText(folder.In("report.html")), StringComparison.Ordinal);
        var reversed = Scorer.Score([.. Enumerable.Reverse(Answers.Varied(120))], table.Options);
        Assert.Equal(table.Calibration.Figures, reversed.Calibration!.Figures); // whatever the order of the rows
    }

    [Fact]
    public void Agreement_is_a_second_confidence_beside_the_first()
    {
        // The token probability is wrong about b and c, the agreement is right about all.
        Prediction[] answers = [Sure("a", 0.9, 0.8) with { Agreement = 0.9, Draws = 12 }, Sure("b", 0.2, 0.9) with { Agreement = 0.1 },
            Sure("c", 0.8, 0.1) with { Agreement = 0.7 }, Answers.Make("d", [new Box(0, 0, 9, 9)], "none") with { Agreement = 0 }];
        var table = Scorer.Score(answers, new ScoringOptions { Resamples = 0 });
        Assert.Equal((0, 1), (Area(table.Calibration!), Area(table.Agreement!)));
        Assert.Equal((0.1 + 0.1 + 0.3) / 3, table.Agreement!.ExpectedError, 1e-12);
        Assert.Equal((3, 1), (table.Agreement.Count, table.Agreement.WithoutRegion)); // d gives no region
        var grid = FurtherGrid.Confidences(table)!;
        Assert.Equal(["token probability", "agreement of the draws"], grid.Rows.Select(row => row[0]));
        Assert.Equal(["1.000", "0.000"], grid.Rows.Select(row => row[3]).Reverse());
        Assert.Equal("expected_iou: the box with the largest mean IoU with 12 draws",
            table.Rules.Single(rule => rule.Key == "decode").Value);
        using var folder = new TemporaryFolder();
        ScoreReport.WriteAll(folder.Path, table, new ReportOptions { IncludeImages = false });
        Assert.Equal(3, (int)JsonNode.Parse(File.ReadAllText(folder.In("scores.json")))!["agreement"]!["n"]!);

        var without = Scorer.Score([Sure("a", 0.9, 0.8)], new ScoringOptions { Resamples = 0 });
        Assert.Null(without.Agreement);
        Assert.Null(FurtherGrid.Confidences(without));
        Assert.DoesNotContain(without.Rules, rule => rule.Key == "decode");

        static double Area(Calibration calibration) => calibration.Figures.Single(figure => figure.Metric == "auroc").Value!.Value;
    }

    [Fact]
    public void Agreement_survives_a_file_and_other_meanings_of_the_word_are_left_alone()
    {
        using var folder = new TemporaryFolder();
        var path = folder.In("predictions.jsonl");
        PredictionFile.Write(path, [Sure("a", 0.9, 0.8) with { Agreement = 0.62, Draws = 12 }, Sure("b", 0.9, 0.8)]);
        Assert.Equal([(0.62, 12), (null, null)], PredictionFile.Read(path).Select(answer => (answer.Agreement, answer.Draws)));
        File.WriteAllText(path, File.ReadAllText(path).Replace("0.62", "\"high\"", StringComparison.Ordinal));
        Assert.Null(PredictionFile.Read(path)[0].Agreement);
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"high\"", "7", StringComparison.Ordinal));
        Assert.Contains("the agreement 7 is not in 0..1", Assert.Throws<InputException>(() => PredictionFile.Read(path)).Message,
            StringComparison.Ordinal);
    }

    private static Prediction Sure(string id, double iou, double confidence) => Answers.WithIou(id, iou) with { Confidence = [confidence] };

    private static Calibration Measure(params Prediction[] predictions) =>
        Scorer.Score(predictions, new ScoringOptions { Resamples = 0 }).Calibration!;
}
