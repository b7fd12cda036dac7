using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Comparing;

/// <summary>A figure over the runs of one method.</summary>
/// <param name="Mean">Mean of the runs, with its interval.</param>
/// <param name="Deviation">Standard deviation of the runs (by their number less one); NaN of a single run.</param>
/// <param name="Runs">The figure of each run.</param>
internal sealed record RunFigure(Estimate Mean, double Deviation, IReadOnlyList<double> Runs);

/// <summary>
/// Figures over several runs of one or two methods on the same questions. A resample draws patients and, for each method by itself, as
/// many runs as it has, all with replacement, so the interval speaks of other patients and of other runs.
/// </summary>
internal sealed class RunStatistics
{
    private readonly TableStatistics[][] _runs; // [method][run]
    private readonly int _clusters, _figures;   // figures per method

    /// <param name="methods">The tables of each method's runs, all about the same samples.</param>
    /// <param name="metrics">The figures wanted.</param>
    public RunStatistics(IReadOnlyList<IReadOnlyList<ScoreTable>> methods, Metric[] metrics)
    {
        var last = methods[^1][0];
        var counted = methods.Select(runs => runs.Select(run => PairedFigures.Aligned(run, last)).ToList()).ToList();
        var clusters = counted.SelectMany(runs => runs).Reverse() // the last method's patients first, as in a comparison of two sets
            .SelectMany(Scorer.InOrder).Select(sample => sample.Cluster).Distinct().Index()
            .ToDictionary(cluster => cluster.Item, cluster => cluster.Index);
        _runs = [.. counted.Select(runs => runs.Select(samples => new TableStatistics(metrics, [.. last.Classes.Select(row =>
            Ordered(samples).Where(sample => sample.Prediction.Class == row.Name).ToList())], clusters, last.Options)).ToArray())];
        (_clusters, _figures) = (clusters.Count, (last.Classes.Count + 2) * metrics.Length);

        // Average precision needs the file's order; all other sums do not depend on it.
        IEnumerable<ScoredSample> Ordered(IReadOnlyList<ScoredSample> samples) =>
            last.Options.Protocol == Protocol.Map50 ? samples : Scorer.InOrder(samples);
    }

    /// <summary>
    /// Of each method the figures as [row][metric] in one list (the classes, their mean, the weighted row), then of two methods the
    /// differences: the second less the first.
    /// </summary>
    public (IReadOnlyList<RunFigure[]> Methods, Estimate[] Differences) Estimate(int resamples, long seed)
    {
        var once = new int[_clusters];
        Array.Fill(once, 1);
        var plain = _runs.Select(runs => runs.Select(run => Figures(run, once)).ToArray()).ToArray();
        int[][] all = [.. _runs.Select(runs => Enumerable.Range(0, runs.Length).ToArray())];
        var values = Means(once, all);
        var drawn = new double[values.Length][];
        for (var f = 0; f < drawn.Length; f++) drawn[f] = new double[resamples];
        Parallel.For(0, resamples, r =>
        {
            var (random, times) = (new CounterRandom(seed, "bootstrap", r), new int[_clusters]);
            for (var i = 0; i < times.Length; i++) times[random.Next(times.Length)]++;
            int[][] chosen = [.. _runs.Select((runs, method) =>
            {
                var draw = new CounterRandom(seed, "runs", r, method);
                return runs.Select(_ => draw.Next(runs.Length)).ToArray();
            })];
            var row = Means(times, chosen);
            for (var f = 0; f < row.Length; f++) drawn[f][r] = row[f];
        });
        Estimate[] estimates = [.. values.Select((value, f) => Interval(value, drawn[f]))];
        return ([.. plain.Select((runs, method) => Enumerable.Range(0, _figures).Select(f =>
        {
            double[] values = [.. runs.Select(run => run[f])];
            return new RunFigure(estimates[method * _figures + f], Deviation(values), values);
        }).ToArray())], estimates[(_runs.Length * _figures)..]);
    }

    /// <summary>Standard deviation by the number less one.</summary>
    public static double Deviation(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        return values.Count < 2 ? double.NaN : Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
    }

    /// <summary>The mean over the chosen runs of each method, and the difference of two methods.</summary>
    private double[] Means(int[] times, int[][] chosen)
    {
        double[][] means = [.. _runs.Select((runs, method) =>
        {
            var sum = new double[_figures];
            foreach (var run in chosen[method].CountBy(run => run))
            {
                var figures = Figures(runs[run.Key], times);
                for (var f = 0; f < sum.Length; f++) sum[f] += run.Value * figures[f];
            }

            return sum.Select(value => value / chosen[method].Length).ToArray();
        })];
        return means.Length == 1 ? means[0] : [.. means[0], .. means[1], .. means[1].Zip(means[0], (b, a) => b - a)];
    }

    private double[] Figures(TableStatistics run, int[] times)
    {
        var figures = new double[run.Rows * run.Metrics];
        run.Evaluate(times, figures);
        return figures[.._figures];
    }

    private static Estimate Interval(double value, double[] resampled)
    {
        var sorted = Array.FindAll(resampled, double.IsFinite);
        if (double.IsNaN(value) || sorted.Length == 0) return new Estimate(value, double.NaN, double.NaN);
        Array.Sort(sorted);
        return new Estimate(value, Bootstrap.Quantile(sorted, 0.025), Bootstrap.Quantile(sorted, 0.975));
    }
}
