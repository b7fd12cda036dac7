using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Tests.Evaluation.Scoring;

/// <summary>
/// How often an interval holds the truth. Patients have one to four phrases of their own level; IoU is between 0 and 1 and skewed.
/// PFMVG_COVERAGE sets the number of simulations; with it the shares are printed, as they stand in docs/notebook.md.
/// </summary>
public sealed class CoverageTests(ITestOutputHelper output)
{
    private static readonly double[][] Shares = [[0.5, 0.5], [0.16, 0.21, 0.10, 0.05, 0.04, 0.29, 0.07, 0.08]];

    // IoU with misses, skewed to the right; a good model's IoU, skewed to the left; a rare hit, as in an accuracy.
    private static readonly (string Name, Func<double, CounterRandom, double> Draw)[] Worlds =
    [
        ("weak model, IoU", (level, random) =>
            Math.Pow(random.NextDouble(), 0.5 + 4 * level * level) * (random.NextDouble() < 0.15 ? 0 : 1)),
        ("good model, IoU", (level, random) =>
            (1 - 0.35 * Math.Pow(random.NextDouble(), 3) - 0.1 * level) * (random.NextDouble() < 0.02 + 0.25 * Math.Pow(level, 3) ? 0 : 1)),
        ("rare hits, accuracy", (level, random) => random.NextDouble() < 0.03 + 0.3 * Math.Pow(level, 3) ? 1 : 0),
    ];

    [Fact]
    public void BCa_intervals_hold_the_truth_more_often_than_percentile_intervals_and_both_the_more_the_more_patients()
    {
        var given = int.TryParse(Environment.GetEnvironmentVariable("PFMVG_COVERAGE"), out var asked);
        var simulations = given ? asked : 150;
        foreach (var (shares, row) in ((double[], string)[])[(Shares[0], "weighted"), (Shares[1], "mean")])
        {
            Dictionary<int, (double Bca, double Percentile)> overall = [];
            foreach (var patients in (int[])[20, 60, 200])
            {
                List<(double Bca, double Percentile)> worlds = [];
                for (var world = 0; world < Worlds.Length; world++)
                {
                    worlds.Add(Coverage(world, shares, patients, simulations, row == "mean"));
                    if (given)
                        output.WriteLine($"{Worlds[world].Name}, {row} over {shares.Length} classes, {patients} patients: "
                            + $"BCa {worlds[^1].Bca:0.0}, percentile {worlds[^1].Percentile:0.0}");
                }

                overall[patients] = (worlds.Average(w => w.Bca), worlds.Average(w => w.Percentile));
            }

            // 150 simulations of three worlds estimate a share to 1.1 points, and the difference of two methods on the same data to less.
            Assert.InRange(overall[200].Bca, 92.5, 97.5);
            Assert.InRange(overall[60].Bca, 91, 97.5);
            Assert.True(overall[60].Bca > overall[60].Percentile, $"{row}, 60 patients: {overall[60]}");
            Assert.True(overall[20].Percentile < overall[200].Percentile, $"{row}: {overall[20]}, {overall[200]}");
        }
    }

    private static (double Bca, double Percentile) Coverage(int world, double[] shares, int patients, int simulations, bool ofMean)
    {
        var truth = shares.Select((_, c) => Truth(world, c)).ToArray();
        var held = new int[2];
        for (var s = 0; s < simulations; s++)
        {
            var random = new CounterRandom(s, "coverage", world, shares.Length);
            var samples = shares.Select(_ => (Values: new List<double>(), Clusters: new List<int>())).ToArray();
            for (var patient = 0; patient < patients; patient++)
            {
                var level = random.NextDouble();
                for (var phrase = random.Next(4); phrase >= 0; phrase--)
                {
                    var c = random.Weighted(shares);
                    samples[c].Values.Add(Worlds[world].Draw(level, random) * Scale(c));
                    samples[c].Clusters.Add(patient);
                }
            }

            var present = Enumerable.Range(0, shares.Length).Where(c => samples[c].Values.Count > 0).ToArray();
            var classes = present.Select(c => new MeanStatistic([.. samples[c].Values], [.. samples[c].Clusters])).ToArray();
            var expected = ofMean ? present.Average(c => truth[c]) : shares.Zip(truth, (share, value) => share * value).Sum();
            foreach (var method in Enum.GetValues<IntervalMethod>())
            {
                var estimate = Bootstrap.Estimates(patients, 400, s, 1, (drawn, figures) =>
                {
                    var (sum, weight) = (0.0, 0.0);
                    foreach (var statistic in classes)
                    {
                        var (value, count) = statistic.Evaluate(drawn);
                        if (count > 0) (sum, weight) = ofMean ? (sum + value, weight + 1) : (sum + count * value, weight + count);
                    }

                    figures[0] = sum / weight;
                }, method)[0];
                if (estimate.Low <= expected && expected <= estimate.High) held[(int)method]++;
            }
        }

        return (100.0 * held[0] / simulations, 100.0 * held[1] / simulations);
    }

    /// <summary>The mean that the classes' figures estimate, from a million draws.</summary>
    private static double Truth(int world, int c)
    {
        var random = new CounterRandom(1, "truth", world, c);
        var sum = 0.0;
        for (var i = 0; i < 1_000_000; i++) sum += Worlds[world].Draw(random.NextDouble(), random);
        return sum / 1_000_000 * Scale(c);
    }

    private static double Scale(int c) => 1 - 0.08 * (c % 5);
}
