using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Evaluation.Scoring;

public class SpreadAndCurveTests
{
    /// <summary>From numpy.percentile(x, [25, 50, 75]), numpy.mean, and the values within 1.5 (q3 - q1) of the quartiles.</summary>
    [Fact]
    public void A_spread_has_the_quartiles_of_numpy_and_the_whiskers_of_Tukey()
    {
        var spread = Spread.Of([0.52, 0.0, 0.61, 0.55, 0.58, 0.49, 0.97, 0.5]);
        Assert.Equal(8, spread.Count);
        Assert.Equal(0.4975, spread.First, 1e-12);
        Assert.Equal(0.535, spread.Median, 1e-12);
        Assert.Equal(0.5875, spread.Third, 1e-12);
        Assert.Equal(0.5275, spread.Mean, 1e-12);
        Assert.Equal((0.49, 0.61), (spread.Low, spread.High));
        Assert.Equal([0.0, 0.97], spread.Beyond);
        Assert.Equal(new Spread(1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, []) with { Beyond = spread.Beyond },
            Spread.Of([0.3]) with { Beyond = spread.Beyond });
    }

    [Fact]
    public void A_box_plot_s_line_is_the_table_s_median()
    {
        var table = Scorer.Score(Answers.Varied(300), new ScoringOptions { Resamples = 0 });
        Assert.All(table.Classes, row => Assert.Equal(row[Metric.MedianIou].Value,
            Spread.Of(table.Samples.Where(sample => sample.Prediction.Class == row.Name).Select(sample => sample.Iou)).Median, 1e-12));
    }

    /// <summary>Boxes by falling confidence: right, wrong, right, and a third finding that no box is right for.</summary>
    [Fact]
    public void A_curve_is_what_one_draws_by_hand()
    {
        var table = Scorer.Score(
        [
            Answers.WithIou("a", 0.9) with { Confidence = [0.9] },
            Answers.WithIou("b", 0.2) with { Confidence = [0.8] },
            Answers.WithIou("c", 0.7) with { Confidence = [0.6] },
        ], new ScoringOptions { Resamples = 0 });
        var curve = table.Curves[1];
        Assert.Equal(("Edema", 3), (curve.Name, curve.Boxes));
        Assert.Equal([(1 / 3.0, 1.0), (2 / 3.0, 2 / 3.0)], curve.Steps);
        Assert.Equal([1, 1, 2 / 3.0, 0], [curve.At(0), curve.At(1 / 3.0), curve.At(0.5), curve.At(0.7)]);
        Assert.Equal((34 * 1.0 + 33 * 2 / 3.0) / 101, curve.AveragePrecision, 1e-12);
    }

    [Fact]
    public void The_area_below_a_curve_is_the_table_s_average_precision()
    {
        var stray = Answers.Make("stray", [], [new Box(1, 1, 90, 90)]) with { Confidence = [0.97] }; // a false positive
        var table = Scorer.Score([.. Answers.Varied(400), stray], new ScoringOptions { Protocol = Protocol.Map50, Resamples = 0 });
        Assert.Equal(table.Classes.Select(row => row.Name).Prepend("mean"), table.Curves.Select(curve => curve.Name));
        foreach (var (curve, row) in table.Curves.Zip(table.Classes.Prepend(table.Mean)))
        {
            Assert.Equal(row.Count, curve.Boxes);
            Assert.Equal(row[Metric.AveragePrecision50].Value, curve.AveragePrecision, 1e-12);
            Assert.Equal(row[Metric.AveragePrecision50].Value, Enumerable.Range(0, 101).Average(i => curve.At(i / 100.0)), 1e-12);
            var (area, from) = (0.0, 0.0);
            foreach (var (recall, precision) in curve.Steps) (area, from) = (area + (recall - from) * precision, recall);
            Assert.Equal(row[Metric.AveragePrecision50AllPoints].Value, area, 1e-12);
        }
    }

    [Fact]
    public void Without_confidences_there_is_no_curve()
    {
        var answers = Answers.Varied(40).ConvertAll(answer => answer with { Confidence = null });
        Assert.Empty(Scorer.Score(answers, new ScoringOptions { Resamples = 0 }).Curves);
        Assert.NotEmpty(Scorer.Score(Answers.Varied(40), new ScoringOptions { Resamples = 0 }).Curves);
    }
}
