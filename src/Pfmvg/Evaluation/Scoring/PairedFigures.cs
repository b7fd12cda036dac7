namespace Pfmvg.Evaluation.Scoring;

/// <summary>
/// Differences of figures that belong to no single sample, as average precision: the figures of both sets are computed anew for every
/// resample of the patients and for every exchange of the two sets within patients.
/// </summary>
internal sealed class PairedFigures
{
    private readonly TableStatistics _figures; // over the samples of both sets; each patient is there once for A and once for B
    private readonly int _clusters, _count;

    /// <param name="a">The first set.</param>
    /// <param name="b">The second set, about the same samples.</param>
    /// <param name="metrics">The figures wanted.</param>
    public PairedFigures(ScoreTable a, ScoreTable b, Metric[] metrics)
    {
        var (ofA, ofB) = (Aligned(a, b), b.Counted);
        var names = Scorer.InOrder(ofB).Concat(Scorer.InOrder(ofA)).Select(sample => sample.Cluster).Distinct().ToList();
        var clusters = names.Index().SelectMany(cluster => new[]
        {
            (Name: $"A {cluster.Item}", cluster.Index), (Name: $"B {cluster.Item}", Index: cluster.Index + names.Count),
        }).ToDictionary(cluster => cluster.Name, cluster => cluster.Index);
        // Equally certain boxes count in their file's order, which each set keeps.
        var both = Named(ofA, "A").Concat(Named(ofB, "B")).OrderBy(sample => sample.Index).Select(sample => sample.Item).ToList();
        _figures = new TableStatistics(
            metrics, [.. b.Classes.Select(row => both.FindAll(sample => sample.Prediction.Class == row.Name))], clusters, b.Options);
        (_clusters, _count) = (names.Count, (b.Classes.Count + 2) * metrics.Length);

        static IEnumerable<(int Index, ScoredSample Item)> Named(IEnumerable<ScoredSample> samples, string set) =>
            samples.Select(sample => sample with { Cluster = $"{set} {sample.Cluster}" }).Index();
    }

    /// <summary>
    /// What a table counts, with the clusters that the same samples have in another one: two files may name patients otherwise.
    /// </summary>
    public static IReadOnlyList<ScoredSample> Aligned(ScoreTable table, ScoreTable other)
    {
        var clusters = other.Counted.ToDictionary(sample => sample.Key, sample => sample.Cluster);
        return [.. table.Counted.Select(sample => sample with { Cluster = clusters.GetValueOrDefault(sample.Key, sample.Cluster) })];
    }

    /// <summary>
    /// B - A as [row][metric] in one list: the classes, their mean, and the weighted row; then the two-sided p values, NaN without
    /// resamples.
    /// </summary>
    public (Estimate[] Differences, double[] P) Estimate(int resamples, long seed, IntervalMethod method)
    {
        var differences = Bootstrap.Estimates(_clusters, resamples, seed, _count, (drawn, figures) =>
        {
            var none = new int[_clusters];
            Difference([.. drawn, .. none], [.. none, .. drawn], figures);
        }, method);
        return (differences, resamples == 0 ? [.. differences.Select(_ => double.NaN)]
            : Exchanged([.. differences.Select(difference => difference.Value)], resamples, seed));
    }

    private double[] Exchanged(double[] observed, int resamples, long seed)
    {
        var extreme = new int[_count];
        Parallel.For(0, resamples, () => (Stays: new bool[_clusters], First: new int[2 * _clusters], Second: new int[2 * _clusters],
            Row: new double[_count]), (r, _, local) =>
        {
            PairedStatistics.Exchange(seed, r, local.Stays);
            for (var c = 0; c < _clusters; c++)
            {
                var stays = local.Stays[c] ? 1 : 0;
                (local.First[c], local.First[c + _clusters]) = (stays, 1 - stays);
                (local.Second[c], local.Second[c + _clusters]) = (1 - stays, stays);
            }

            Difference(local.First, local.Second, local.Row);
            for (var f = 0; f < _count; f++)
                if (Math.Abs(local.Row[f]) >= Math.Abs(observed[f]) - TableStatistics.Rounding) Interlocked.Increment(ref extreme[f]);
            return local;
        }, _ => { });
        return [.. extreme.Select(count => (count + 1.0) / (resamples + 1))]; // the observed assignment is one of the exchanges
    }

    private void Difference(ReadOnlySpan<int> first, ReadOnlySpan<int> second, Span<double> figures)
    {
        var all = _figures.Rows * _figures.Metrics;
        var (a, b) = (new double[all], new double[all]);
        _figures.Evaluate(first, a);
        _figures.Evaluate(second, b);
        for (var f = 0; f < _count; f++) figures[f] = b[f] - a[f];
    }
}
