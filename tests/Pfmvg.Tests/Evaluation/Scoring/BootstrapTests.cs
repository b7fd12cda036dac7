using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Evaluation.Scoring;

public sealed class BootstrapTests
{
    [Fact]
    public void The_same_seed_gives_the_same_intervals_and_another_seed_others()
    {
        var predictions = Answers.Varied(150);
        Estimate Interval(long seed) => Scorer.Score(predictions, new ScoringOptions { Resamples = 500, Seed = seed }).Mean[Metric.Iou];
        Assert.Equal(Interval(1), Interval(1));
        Assert.NotEqual(Interval(1).Low, Interval(2).Low);
    }

    [Fact]
    public void A_second_bootstrap_written_plainly_gives_the_same_intervals()
    {
        var table = Scorer.Score(Answers.Varied(300), new ScoringOptions { Resamples = 20_000, Intervals = IntervalMethod.Percentile });
        var byPatient = table.Samples.GroupBy(sample => sample.Cluster).Select(group => group.ToList()).ToList();
        var random = new Random(11);
        Dictionary<string, List<double>> resampled = [];
        for (var r = 0; r < 20_000; r++)
        {
            List<ScoredSample> drawn = [];
            foreach (var _ in byPatient) drawn.AddRange(byPatient[random.Next(byPatient.Count)]);
            Add("weighted", drawn.Average(s => s.Iou));
            Add("mean", drawn.GroupBy(s => s.Prediction.Class).Average(c => c.Average(s => s.Iou)));
            Add("median", Median([.. drawn.Select(s => s.Iou).Order()]));
            Add("accuracy", drawn.Average(s => s.Iou > 0.5 ? 1.0 : 0));
            Add("Cardiomegaly", drawn.Where(s => s.Prediction.Class == "Cardiomegaly").DefaultIfEmpty().Average(s => s?.Iou ?? double.NaN));
        }

        AssertNear(table.Weighted[Metric.Iou], "weighted");
        AssertNear(table.Mean[Metric.Iou], "mean");
        AssertNear(table.Weighted[Metric.MedianIou], "median", 0.012);
        AssertNear(table.Weighted[Metric.Accuracy50], "accuracy");
        AssertNear(table.Classes.Single(row => row.Name == "Cardiomegaly")[Metric.Iou], "Cardiomegaly");

        void Add(string name, double value)
        {
            if (!resampled.TryGetValue(name, out var list)) resampled.Add(name, list = []);
            if (!double.IsNaN(value)) list.Add(value);
        }

        void AssertNear(Estimate estimate, string name, double tolerance = 0.003) // a few standard errors of 20,000 resamples
        {
            var sorted = resampled[name].Order().ToArray();
            Assert.Equal(sorted[(int)(0.025 * sorted.Length)], estimate.Low, tolerance);
            Assert.Equal(sorted[(int)(0.975 * sorted.Length)], estimate.High, tolerance);
        }

        static double Median(double[] ascending) => (ascending[(ascending.Length - 1) / 2] + ascending[ascending.Length / 2]) / 2;
    }

    /// <summary>
    /// Patients whose phrases resemble each other, true mean IoU 0.5 in each class. The share of intervals that hold it
    /// must be 95 %; 600 simulations estimate the share to 0.9 % (one standard error).
    /// </summary>
    [Fact]
    public void Intervals_cover_the_truth_at_their_nominal_rate_and_only_when_patients_are_drawn_together()
    {
        const int Simulations = 600, Patients = 120;
        var (overall, inClass, mean, alone) = (0, 0, 0, 0);
        for (var s = 0; s < Simulations; s++)
        {
            var random = new CounterRandom(s, "simulation");
            List<Prediction> predictions = [];
            for (var patient = 0; patient < Patients; patient++)
            {
                var level = 0.3 * (random.NextDouble() - 0.5);
                for (var phrase = random.Next(4); phrase >= 0; phrase--)
                    predictions.Add(Answers.WithIou($"{patient}-{phrase}", 0.5 + level + 0.3 * (random.NextDouble() - 0.5),
                        random.Next(2) == 0 ? "Edema" : "Pneumonia", $"p{patient}"));
            }

            var table = Scorer.Score(predictions, new ScoringOptions { Resamples = 1000, Seed = s });
            overall += Covers(table.Weighted);
            mean += Covers(table.Mean);
            inClass += Covers(table.Classes[0]);
            alone += Covers(Scorer.Score(predictions.ConvertAll(p => p with { Patient = null }), table.Options).Weighted);
        }

        Assert.InRange(overall / (double)Simulations, 0.92, 0.975);
        Assert.InRange(mean / (double)Simulations, 0.92, 0.975);
        Assert.InRange(inClass / (double)Simulations, 0.92, 0.975);
        Assert.InRange(alone / (double)Simulations, 0.5, 0.91); // phrases taken as independent: too narrow

        static int Covers(ScoreRow row) => row[Metric.Iou] is { Low: <= 0.5, High: >= 0.5 } ? 1 : 0;
    }

    /// <summary>
    /// The same draws in numpy 1.24, and Efron's formula written down there: z0 from the share below the mean (equal ones by half),
    /// a from the jackknife, numpy.quantile at the two points, statistics.NormalDist for the normal distribution.
    /// </summary>
    [Fact]
    public void A_BCa_interval_is_that_of_Efron_s_formula_in_numpy()
    {
        // Sums of 64th parts are exact, so that ties are ties in every order of adding.
        double[] x = [.. ((int[])[0, 3, 7, 8, 12, 13, 22, 23, 30, 33, 51, 61]).Select(part => part / 64.0)];
        var draw = Draws(7);
        var resampled = Enumerable.Range(0, 400).Select(_ => Enumerable.Range(0, 12).Average(_ => x[draw() % 12])).ToArray();
        var interval = Bootstrap.Bca(x.Average(), resampled, [.. x.Select(left => (x.Sum() - left) / 11)]);
        Assert.Equal(0.203125, interval.Low, 1e-9);
        Assert.Equal(0.5423340049607374, interval.High, 1e-9);

        int[] clusters = [0, 0, 1, 2, 2, 2, 3, 4, 4, 5, 6, 7];
        var mean = new MeanStatistic(x, clusters);
        draw = Draws(11);
        resampled = [.. Enumerable.Range(0, 400).Select(_ =>
        {
            var drawn = new int[8];
            for (var i = 0; i < 8; i++) drawn[draw() % 8]++;
            return mean.Evaluate(drawn).Value;
        })];
        var without = Enumerable.Range(0, 8)
            .Select(left => mean.Evaluate([.. Enumerable.Range(0, 8).Select(c => c == left ? 0 : 1)]).Value);
        interval = Bootstrap.Bca(x.Average(), resampled, [.. without]);
        Assert.Equal(0.18238797650000263, interval.Low, 1e-9);
        Assert.Equal(0.5803059579360508, interval.High, 1e-9);

        static Func<int> Draws(ulong state) => () =>
        {
            unchecked { state = state * 6364136223846793005UL + 1442695040888963407UL; }
            return (int)(state >> 33);
        };
    }

    [Theory] // statistics.NormalDist().cdf
    [InlineData(-8, 6.106226635438361e-16)]
    [InlineData(-3.7, 0.00010779973347740945)]
    [InlineData(-1.959963984540054, 0.025000000000000022)]
    [InlineData(-0.3, 0.3820885778110474)]
    [InlineData(0, 0.5)]
    [InlineData(1, 0.8413447460685429)]
    [InlineData(2.5, 0.9937903346742238)]
    public void The_normal_distribution_is_that_of_the_tables(double z, double share)
    {
        Assert.Equal(share, Normal.Below(z), 1e-14);
        if (Math.Abs(z) < 7) Assert.Equal(z, Normal.Quantile(share), 1e-9);
    }

    [Fact]
    public void A_figure_that_no_resample_moves_has_an_interval_of_that_value_and_one_beyond_all_of_them_a_finite_one()
    {
        Assert.Equal(new Estimate(0.5, 0.5, 0.5), Bootstrap.Bca(0.5, [0.5, 0.5, 0.5], [0.5, 0.5]));
        var beyond = Bootstrap.Bca(0.1, [0.2, 0.3, 0.4], [0.1, 0.12]);
        Assert.Equal((0.2, 0.2), (Math.Round(beyond.Low, 2), Math.Round(beyond.Low, 2)));
        Assert.InRange(beyond.High, 0.2, 0.4);
    }

    [Fact]
    public void Very_many_clusters_are_left_out_in_groups_and_the_interval_stays_nearly_the_same()
    {
        var random = new CounterRandom(3, "groups");
        var values = Enumerable.Range(0, 4001).Select(_ => Math.Pow(random.NextDouble(), 20)).ToArray();
        var mean = new MeanStatistic(values, [.. Enumerable.Range(0, values.Length)]);
        double[] resampled = [.. Enumerable.Range(0, 2000).Select(_ => values.Average() + 0.0015 * random.NextNormal())];
        var exact = Bootstrap.Bca(values.Average(), resampled, [.. values.Select(left => (values.Sum() - left) / 4000)]);
        var grouped = Bootstrap.Bca(values.Average(), resampled, [.. Enumerable.Range(0, 2000).Select(group =>
            values.Where((_, i) => i % 2000 != group).Average())]);
        Assert.Equal(exact.Low, grouped.Low, 2e-4);
        Assert.Equal(exact.High, grouped.High, 2e-4);
        var estimate = Bootstrap.Estimates(values.Length, 200, 1, 1, (drawn, figures) => figures[0] = mean.Evaluate(drawn).Value)[0];
        Assert.InRange(values.Average(), estimate.Low, estimate.High);
    }

    [Fact]
    public void Medians_keep_the_percentile_interval_and_the_other_figures_have_it_when_asked_for()
    {
        var bca = Scorer.Score(Answers.Varied(80), new ScoringOptions { Resamples = 400 }).Weighted;
        var percentile = Scorer.Score(
            Answers.Varied(80), new ScoringOptions { Resamples = 400, Intervals = IntervalMethod.Percentile }).Weighted;
        Assert.Equal(percentile[Metric.MedianIou], bca[Metric.MedianIou]);
        Assert.NotEqual(percentile[Metric.Iou].Low, bca[Metric.Iou].Low);
        Assert.Equal(percentile[Metric.Iou].Value, bca[Metric.Iou].Value);
    }

    [Fact]
    public void A_weighted_median_is_the_median_of_the_repeated_values()
    {
        var random = new CounterRandom(4, "median");
        for (var trial = 0; trial < 300; trial++)
        {
            var values = Enumerable.Range(0, 1 + random.Next(9)).Select(_ => (double)random.Next(6)).ToArray();
            var drawn = values.Select(_ => random.Next(4)).ToArray();
            var repeated = values.SelectMany((value, i) => Enumerable.Repeat(value, drawn[i])).Order().ToArray();
            var expected = repeated.Length == 0 ? double.NaN : (repeated[(repeated.Length - 1) / 2] + repeated[repeated.Length / 2]) / 2;
            Assert.Equal(expected, new MedianStatistic(values, [.. Enumerable.Range(0, values.Length)]).Evaluate(drawn).Value);
        }
    }
}
