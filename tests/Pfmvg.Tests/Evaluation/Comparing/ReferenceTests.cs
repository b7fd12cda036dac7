using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Comparing;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Comparing;

/// <summary>
/// Comparisons beside a transcription in NumPy 1.24.2, whose numbers are in compare.json: 40 samples of 10 patients and 3 classes, three
/// methods with 3 runs each. There the p values count all 1,024 exchanges; Holm's correction is written out; intervals are the 2.5 and
/// 97.5 per cent points of 400,000 resamples (12,000 for average precision) of the patients by numpy.random.multinomial and of the runs
/// by integers(0, 3); average precision is the mean over the recalls 0, 0.01, ..., 1 of the running maximum of cumsum(hits) /
/// cumsum(boxes).
/// </summary>
public sealed class ReferenceTests
{
    private const int Resamples = 40_000;
    private const double Random = 0.009; // four standard deviations of a p value of 0.3, and more of a per cent point here

    private static readonly JsonNode Reference = JsonNode.Parse(File.ReadAllText(Path.Combine(
        Fixtures.Repository, "tests", "Pfmvg.Tests", "Evaluation", "Files", "compare.json")))!;

    // The rows of the reference; ours are in the order of the classes in the paper.
    private static readonly string[] Rows = ["Edema", "Pneumonia", "Atelectasis", "mean", "weighted"];

    [Fact]
    public void Differences_intervals_p_values_and_their_correction_over_pairs_are_those_of_the_transcription()
    {
        var comparison = MethodComparison.Between([.. "ABC".Select(method => Score(method, 0))], withFirst: false);
        var adjusted = comparison.Adjusted(Metric.Iou);
        foreach (var (p, pair) in comparison.Pairs.Index())
        {
            var expected = Reference["pairs"]![$"{comparison.Names[pair.A]}{comparison.Names[pair.B]}"]!;
            foreach (var (r, row) in pair.Comparison.Rows.Index())
            {
                var (at, found) = (Array.IndexOf(Rows, row.Name), row.Figures[Metric.Iou]);
                Assert.Equal(Number(expected["difference"]![at]), found.Difference.Value, 1e-6);
                Near(expected["interval"]![at]!, found.Difference, 0.006);
                Assert.Equal(Number(expected["p"]![at]), found.P, Random);
                Assert.Equal(Number(expected["holm"]![at]), adjusted[r][p], 9 * Random); // a p value times nine at most
            }
        }
    }

    [Fact]
    public void Means_deviations_and_intervals_over_runs_and_patients_are_those_of_the_transcription()
    {
        var expected = Reference["runs"]!;
        var comparison = RunComparison.Between(Runs('A'), Runs('B'), ["a0", "a1", "a2", "b0", "b1", "b2"]);
        foreach (var (r, name) in RowNames(Score('A', 0)).Index())
        {
            var at = Array.IndexOf(Rows, name);
            foreach (var (m, method) in ((string[])["A", "B"]).Index())
            {
                var figure = comparison.Figure(m, r, Metric.Iou);
                Assert.Equal(Number(expected[method]!["mean"]![at]), figure.Mean.Value, 1e-6);
                Assert.Equal(Number(expected[method]!["sd"]![at]), figure.Deviation, 1e-6);
                Near(expected[method]!["interval"]![at]!, figure.Mean, 0.006);
            }

            Near(expected["interval"]![at]!, comparison.Difference(r, Metric.Iou), 0.006);
        }

        static IReadOnlyList<ScoreTable> Runs(char method) => [.. Enumerable.Range(0, 3).Select(run => Score(method, run))];
    }

    [Fact]
    public void The_difference_of_average_precision_its_interval_and_p_value_are_those_of_the_transcription()
    {
        var expected = Reference["precision"]!;
        var comparison = Comparison.Between(Score('A', 0, Protocol.Map50, 12_000), Score('B', 0, Protocol.Map50, 12_000));
        foreach (var row in comparison.Rows)
        {
            var (at, found) = (Array.IndexOf(Rows, row.Name), row.Figures[Metric.AveragePrecision50]);
            Assert.Equal(Number(expected["A"]![at]), found.A, 1e-6);
            Assert.Equal(Number(expected["B"]![at]), found.B, 1e-6);
            Assert.Equal(found.B - found.A, found.Difference.Value, 1e-12);
            Near(expected["interval"]![at]!, found.Difference, 0.02);
            Assert.Equal(Number(expected["p"]![at]), found.P, 0.018); // four standard deviations of 12,000 draws
        }
    }

    private static IEnumerable<string> RowNames(ScoreTable table) => [.. table.Classes.Select(row => row.Name), "mean", "weighted"];

    private static ScoreTable Score(char method, int run, Protocol protocol = Protocol.PfmvgBox, int resamples = Resamples)
    {
        var (iou, confidence) = (Reference["iou"]![$"{method}"]![run]!.AsArray(), Reference["confidence"]![$"{method}"]![run]!.AsArray());
        return Scorer.Score([.. iou.Select((value, i) => Answers.WithIou($"s{i}", Number(value), $"{Reference["classes"]![i]}",
            $"p{Reference["patients"]![i]}") with { Confidence = [Number(confidence[i])] })],
            new ScoringOptions { Protocol = protocol, Resamples = 0 }) is var table
            ? table with { Options = table.Options with { Resamples = resamples, Intervals = IntervalMethod.Percentile } } : null!;
    }

    private static double Number(JsonNode? node) => node!.GetValue<double>();

    private static void Near(JsonNode expected, Estimate found, double tolerance)
    {
        Assert.Equal(Number(expected[0]), found.Low, tolerance);
        Assert.Equal(Number(expected[1]), found.High, tolerance);
    }
}
