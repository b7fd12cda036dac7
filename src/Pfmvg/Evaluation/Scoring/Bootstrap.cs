namespace Pfmvg.Evaluation.Scoring;

/// <summary>
/// The cluster bootstrap: as many clusters as there are (patients, with all their samples) are drawn with replacement,
/// every figure is computed again, and the 2.5 and 97.5 per cent points of its values bound the interval.
/// </summary>
/// <remarks>Each resample depends only on the seed and its number, so the result does not depend on the threads.</remarks>
internal static class Bootstrap
{
    /// <summary>Computes the figures of one resample; <c>drawn</c> says how often each cluster was drawn.</summary>
    public delegate void Evaluate(ReadOnlySpan<int> drawn, Span<double> figures);

    /// <summary>
    /// The figures with their intervals; a value is the resample in which each cluster is drawn once. Without resamples there
    /// are no intervals.
    /// </summary>
    public static Estimate[] Estimates(int clusters, int resamples, long seed, int figures, Evaluate evaluate)
    {
        var (once, values) = (new int[clusters], new double[figures]);
        Array.Fill(once, 1);
        evaluate(once, values);
        if (resamples == 0) return [.. values.Select(value => new Estimate(value, double.NaN, double.NaN))];
        var resampled = Run(clusters, resamples, seed, figures, evaluate);
        return [.. values.Select((value, f) => Interval(value, resampled[f]))];
    }

    /// <summary>The figures of each resample, as [figure][resample]; NaN where a resample lacks what a figure needs.</summary>
    private static double[][] Run(int clusters, int resamples, long seed, int figures, Evaluate evaluate)
    {
        var values = new double[figures][];
        for (var f = 0; f < figures; f++) values[f] = new double[resamples];
        Parallel.For(0, resamples, () => (Drawn: new int[clusters], Row: new double[figures]), (r, _, local) =>
        {
            Array.Clear(local.Drawn);
            var random = new CounterRandom(seed, "bootstrap", r);
            for (var i = 0; i < clusters; i++) local.Drawn[random.Next(clusters)]++;
            evaluate(local.Drawn, local.Row);
            for (var f = 0; f < figures; f++) values[f][r] = local.Row[f];
            return local;
        }, _ => { });
        return values;
    }

    /// <summary>A value with the 95 % percentile interval of its resamples. Resamples without a value are left out.</summary>
    private static Estimate Interval(double value, double[] resampled)
    {
        if (double.IsNaN(value)) return Estimate.None;
        var sorted = Array.FindAll(resampled, double.IsFinite);
        if (sorted.Length == 0) return new Estimate(value, double.NaN, double.NaN);
        Array.Sort(sorted);
        return new Estimate(value, Quantile(sorted, 0.025), Quantile(sorted, 0.975));
    }

    /// <summary>Linear interpolation between the order statistics (type 7, NumPy's default).</summary>
    public static double Quantile(double[] ascending, double p)
    {
        var at = p * (ascending.Length - 1);
        var below = (int)at;
        var above = Math.Min(below + 1, ascending.Length - 1);
        return ascending[below] + (at - below) * (ascending[above] - ascending[below]);
    }
}
