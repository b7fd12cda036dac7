using Pfmvg.Evaluation.Comparing;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Evaluation.Comparing;

public sealed class ComparingTests
{
    [Fact]
    public void Holm_s_correction_is_that_of_R_s_p_adjust() =>
        Assert.Equal([0.03, 0.06, 0.06, 0.02], Holm.Adjust([0.01, 0.04, 0.03, 0.005]).Select(p => Math.Round(p, 12)));

    [Fact]
    public void Of_equal_methods_one_corrected_p_value_below_5_percent_is_as_rare_as_it_should_be()
    {
        var (raw, corrected) = (0, 0);
        for (var s = 0; s < 150; s++)
        {
            var random = new CounterRandom(s, "equal methods");
            ScoreTable Method() => Score([.. Enumerable.Range(0, 40)
                .Select(i => Answers.WithIou($"s{i}", 0.1 + 0.8 * random.NextDouble(), patient: $"p{i}"))], 300);
            var comparison = MethodComparison.Between([Method(), Method(), Method(), Method()], withFirst: false);
            if (comparison.Pairs.Any(pair => pair.Comparison.Rows[^1].Figures[Metric.Iou].P < 0.05)) raw++;
            if (comparison.Adjusted(Metric.Iou)[^1].Any(p => p < 0.05)) corrected++;
        }

        Assert.InRange(corrected, 0, 18); // 7.5 at most are expected
        Assert.True(raw > 20, $"{raw}"); // six pairs without a correction: about 30
    }

    [Fact]
    public void All_pairs_or_each_with_the_first_are_compared_and_two_methods_are_corrected_as_ever()
    {
        var tables = Enumerable.Range(1, 4).Select(seed => Score(Answers.Varied(60, seed))).ToList();
        Assert.Equal(6, MethodComparison.Between(tables, withFirst: false).Pairs.Count);
        var first = MethodComparison.Between(tables, withFirst: true);
        Assert.Equal([(0, 1), (0, 2), (0, 3)], first.Pairs.Select(pair => (pair.A, pair.B)));
        Assert.Equal(10 * 3, first.Differences(Metric.Iou).Rows.Count);
        Assert.Contains(first.Differences(Metric.Dice).Notes,
            note => note.Contains("over the 24 pairs of all classes", StringComparison.Ordinal));

        var two = MethodComparison.Between([.. tables.Take(2)], withFirst: false);
        Assert.Equal(Comparison.Between(tables[0], tables[1]).Rows.Select(row => row.Figures[Metric.Iou].Adjusted),
            two.Adjusted(Metric.Iou).Select(row => row[0]));
    }

    [Theory]
    [InlineData(Protocol.PhraseUnion)]
    [InlineData(Protocol.Map50)]
    public void The_order_of_the_rows_and_the_names_of_the_patients_in_each_file_change_nothing(Protocol protocol)
    {
        var sets = Enumerable.Range(1, 4).Select(seed => Certain(Answers.Varied(60, seed), seed)).ToList();
        var others = sets.Select((set, s) => (List<Prediction>)[.. set.OrderBy(row => new CounterRandom(s, row.Id).NextDouble())]).ToList();
        others[0] = others[0].ConvertAll(row => row with { Patient = $"another name of {row.Patient}" });
        var (tables, same) = (sets.ConvertAll(set => Score(set, 200, protocol)), others.ConvertAll(set => Score(set, 200, protocol)));
        var (methods, equal) = (MethodComparison.Between(tables, false), MethodComparison.Between(same, false));
        foreach (var metric in Comparison.MetricsOf(tables[0]))
            Assert.Equal(methods.Differences(metric).Rows, equal.Differences(metric).Rows);
        string[] names = ["a", "b", "c", "d"];
        var (runs, again) = (RunComparison.Between(tables[..2], tables[2..], names), RunComparison.Between(same[..2], same[2..], names));
        foreach (var metric in Comparison.MetricsOf(tables[0])) Assert.Equal(runs.Grid(metric).Rows, again.Grid(metric).Rows);

        // Average precision takes equally certain boxes in the file's order, so there are none.
        static List<Prediction> Certain(List<Prediction> rows, int seed) => [.. rows.Select((row, i) => row with
        {
            Confidence = row.Confidence is null ? null : [.. row.Confidence.Select((_, box) => (i * 7 % 61 * 2 + box + seed / 10.0) / 200)],
        })];
    }

    [Fact]
    public void With_one_run_each_the_interval_is_that_of_the_two_sets()
    {
        var (a, b) = (Score(Answers.Varied(80, 1), 500), Score(Answers.Varied(80, 2), 500));
        b = b with { Options = b.Options with { Intervals = IntervalMethod.Percentile } }; // as over runs
        a = a with { Options = b.Options };
        var (two, runs) = (Comparison.Between(a, b), RunComparison.Between([a], [b], ["a", "b"]));
        foreach (var (r, row) in two.Rows.Index())
            foreach (var (metric, expected) in row.Figures)
            {
                var found = runs.Difference(r, metric);
                Assert.Equal(expected.Difference.Value, found.Value, 1e-12);
                Assert.Equal(expected.Difference.Low, found.Low, 1e-12);
                Assert.Equal(expected.Difference.High, found.High, 1e-12);
                Assert.True(double.IsNaN(runs.Figure(0, r, metric).Deviation));
            }
    }

    [Fact]
    public void Where_runs_and_patients_add_up_the_interval_is_that_of_the_sum_of_their_variances()
    {
        var random = new CounterRandom(4, "additive");
        var (runs, patients) = (Effects(20, 0.06), Effects(60, 0.12));
        var tables = runs.Select(run => Score([.. patients.Select((patient, i) =>
            Answers.WithIou($"s{i}", 0.5 + run + patient, patient: $"p{i}"))], 20_000)).ToList();
        var found = RunComparison.Of(tables, [.. runs.Select((_, r) => $"run {r}")]).Figure(0, 2, Metric.Iou);
        Assert.Equal(RunStatistics.Deviation(runs), found.Deviation, 1e-9);
        var deviation = Math.Sqrt(Variance(runs) / runs.Length + Variance(patients) / patients.Length);
        Assert.Equal(2 * 1.96 * deviation, found.Mean.High - found.Mean.Low, 0.03 * 2 * 1.96 * deviation);

        double[] Effects(int count, double width) => [.. Enumerable.Range(0, count).Select(_ => width * (2 * random.NextDouble() - 1))];
        static double Variance(double[] values) => values.Average(value => Math.Pow(value - values.Average(), 2)); // what drawing sees
    }

    [Fact]
    public void Sets_about_other_samples_are_refused_by_name_and_compared_on_what_all_have_when_asked()
    {
        List<Prediction>[] sets = [Answers.Varied(30, 1), Answers.Varied(30, 2), Answers.Varied(30, 3)[5..]];
        var tables = sets.Select(set => Score(set, 10)).ToList();
        Assert.Contains("A has 36 samples and C has 31: 5 are in A, but not in C",
            Assert.Throws<InputException>(() => MethodComparison.Between(tables, false)).Message, StringComparison.Ordinal);
        Assert.Contains("one.jsonl has 36 samples and three.jsonl has 31", Assert.Throws<InputException>(
            () => RunComparison.Of(tables, ["one.jsonl", "two.jsonl", "three.jsonl"])).Message, StringComparison.Ordinal);

        var (common, note) = CommonSamples.Among(sets, ["A", "B", "C"]);
        Assert.All(common, set => Assert.Equal(25, set.Count));
        Assert.Equal("Compared: the 25 samples that are in all 3 sets; left out are 5 of A, 5 of B, 0 of C.", note);
        Assert.Contains("nothing to compare", Assert.Throws<InputException>(
            () => CommonSamples.Among([sets[0][..5], sets[1], sets[2]], ["A", "B", "C"])).Message, StringComparison.Ordinal);
    }

    private static ScoreTable Score(IReadOnlyList<Prediction> predictions, int resamples = 100, Protocol protocol = Protocol.PfmvgBox)
    {
        var table = Scorer.Score(predictions, new ScoringOptions { Protocol = protocol, Resamples = 0 });
        return table with { Options = table.Options with { Resamples = resamples } };
    }
}
