namespace Pfmvg.Evaluation.Scoring;

/// <summary>The mean difference of paired samples per class, over the classes and over all samples, with intervals and p values.</summary>
internal sealed class PairedStatistics
{
    private readonly MeanStatistic[] _classes;
    private readonly (double Sum, int Cluster)[][] _sums; // per class: the differences added up within each cluster
    private readonly int[] _counts;
    private readonly int _clusters;

    /// <param name="classes">The differences of each class and their clusters.</param>
    /// <param name="clusters">Number of clusters.</param>
    public PairedStatistics(IReadOnlyList<IReadOnlyList<(double Difference, int Cluster)>> classes, int clusters)
    {
        _clusters = clusters;
        _counts = [.. classes.Select(samples => samples.Count)];
        _classes = [.. classes.Select(samples =>
            new MeanStatistic([.. samples.Select(s => s.Difference)], [.. samples.Select(s => s.Cluster)]))];
        _sums = [.. classes.Select(samples => samples.GroupBy(s => s.Cluster).Select(same => (same.Sum(s => s.Difference), same.Key))
            .ToArray())];
    }

    private int Rows => _classes.Length + 2;

    /// <summary>For each class, then the mean over the classes and the mean over the samples. NaN p values without resamples.</summary>
    public (Estimate[] Differences, double[] P) Estimate(int resamples, long seed, IntervalMethod method = IntervalMethod.Bca)
    {
        var differences = Bootstrap.Estimates(_clusters, resamples, seed, Rows, Resampled, method);
        return (differences, resamples == 0 ? [.. differences.Select(_ => double.NaN)]
            : Exchanged([.. differences.Select(difference => difference.Value)], resamples, seed));
    }

    private void Resampled(ReadOnlySpan<int> drawn, Span<double> figures)
    {
        var (sum, present, weighted, count) = (0.0, 0, 0.0, 0L);
        for (var c = 0; c < _classes.Length; c++)
        {
            var (value, samples) = _classes[c].Evaluate(drawn);
            figures[c] = value;
            if (samples > 0) (sum, present, weighted, count) = (sum + value, present + 1, weighted + samples * value, count + samples);
        }

        (figures[^2], figures[^1]) = (sum / present, weighted / count);
    }

    /// <summary>
    /// Under the null hypothesis A and B are exchangeable within a patient: each patient's differences keep or change
    /// their sign together.
    /// </summary>
    private double[] Exchanged(double[] observed, int resamples, long seed)
    {
        var extreme = new int[Rows];
        var gate = new Lock();
        Parallel.For(0, resamples, () => new int[Rows], (r, _, local) =>
        {
            var signs = new bool[_clusters];
            Exchange(seed, r, signs);
            var (total, mean) = (0.0, 0.0);
            for (var c = 0; c < _sums.Length; c++)
            {
                var sum = 0.0;
                foreach (var (difference, cluster) in _sums[c]) sum += signs[cluster] ? difference : -difference;
                Count(c, sum / _counts[c]);
                (total, mean) = (total + sum, mean + sum / _counts[c] / _sums.Length);
            }

            Count(Rows - 2, mean);
            Count(Rows - 1, total / _counts.Sum());
            return local;

            void Count(int row, double value)
            {
                // rounding must not break ties with the observed order
                if (Math.Abs(value) >= Math.Abs(observed[row]) - 1e-12) local[row]++;
            }
        }, local =>
        {
            lock (gate)
                for (var row = 0; row < Rows; row++) extreme[row] += local[row];
        });
        return [.. extreme.Select(count => (count + 1.0) / (resamples + 1))]; // the observed assignment is one of the exchanges
    }

    /// <summary>Whose answers stay where they are in one of the random exchanges: each cluster's with probability one half.</summary>
    internal static void Exchange(long seed, int number, bool[] stays)
    {
        var random = new CounterRandom(seed, "exchange", number);
        for (var i = 0; i < stays.Length; i += 64)
        {
            var bits = random.NextBits();
            for (var bit = i; bit < Math.Min(i + 64, stays.Length); bit++, bits >>= 1) stays[bit] = (bits & 1) == 1;
        }
    }
}
