namespace Pfmvg.Evaluation.Scoring;

/// <summary>How the ends of an interval are read from the resampled values.</summary>
public enum IntervalMethod
{
    /// <summary>
    /// Efron's bias-corrected and accelerated interval: points that are moved by the share of resamples below the figure and by the
    /// skewness of what each cluster adds to it. Medians, which move in leaps, keep the percentile interval.
    /// </summary>
    Bca,

    /// <summary>The 2.5 and 97.5 per cent points.</summary>
    Percentile,
}

/// <summary>
/// The cluster bootstrap: as many clusters as there are (patients, with all their samples) are drawn with replacement,
/// every figure is computed again, and two points of its values bound the 95 % interval.
/// </summary>
/// <remarks>Each resample depends only on the seed and its number, so the result does not depend on the threads.</remarks>
internal static class Bootstrap
{
    private const double Tail = 0.025;

    // More clusters are left out in groups: third and second moments of what they add both add up, so that their ratio stays.
    private const int MostLeftOut = 2000;

    /// <summary>Computes the figures of one resample; <c>drawn</c> says how often each cluster was drawn.</summary>
    public delegate void Evaluate(ReadOnlySpan<int> drawn, Span<double> figures);

    /// <summary>
    /// The figures with their intervals; a value is the resample in which each cluster is drawn once. Without resamples there
    /// are no intervals.
    /// </summary>
    /// <param name="clusters">How many clusters there are.</param>
    /// <param name="resamples">How often they are drawn.</param>
    /// <param name="seed">Seed of the draws.</param>
    /// <param name="figures">How many figures there are.</param>
    /// <param name="evaluate">Computes them.</param>
    /// <param name="method">How the ends are found.</param>
    /// <param name="leaps">Which figures are medians and the like; none when null.</param>
    public static Estimate[] Estimates(int clusters, int resamples, long seed, int figures, Evaluate evaluate,
        IntervalMethod method = IntervalMethod.Bca, Func<int, bool>? leaps = null)
    {
        var (once, values) = (new int[clusters], new double[figures]);
        Array.Fill(once, 1);
        evaluate(once, values);
        if (resamples == 0) return [.. values.Select(value => new Estimate(value, double.NaN, double.NaN))];
        var resampled = Run(resamples, clusters, figures, evaluate, (r, drawn) =>
        {
            Array.Clear(drawn);
            var random = new CounterRandom(seed, "bootstrap", r);
            for (var i = 0; i < clusters; i++) drawn[random.Next(clusters)]++;
        });
        var groups = Math.Min(clusters, MostLeftOut);
        var without = method == IntervalMethod.Percentile ? null : Run(groups, clusters, figures, evaluate, (left, drawn) =>
        {
            Array.Fill(drawn, 1);
            for (var cluster = left; cluster < clusters; cluster += groups) drawn[cluster] = 0;
        });
        return [.. values.Select((value, f) =>
            without is null || leaps?.Invoke(f) == true ? Percentile(value, resampled[f]) : Bca(value, resampled[f], without[f]))];
    }

    /// <summary>The figures of each of some draws, as [figure][draw]; NaN where a draw lacks what a figure needs.</summary>
    private static double[][] Run(int draws, int clusters, int figures, Evaluate evaluate, Action<int, int[]> draw)
    {
        var values = new double[figures][];
        for (var f = 0; f < figures; f++) values[f] = new double[draws];
        Parallel.For(0, draws, () => (Drawn: new int[clusters], Row: new double[figures]), (d, _, local) =>
        {
            draw(d, local.Drawn);
            evaluate(local.Drawn, local.Row);
            for (var f = 0; f < figures; f++) values[f][d] = local.Row[f];
            return local;
        }, _ => { });
        return values;
    }

    /// <summary>A value with the percentile interval of its resamples.</summary>
    private static Estimate Percentile(double value, double[] resampled) => Between(value, resampled, _ => (Tail, 1 - Tail));

    /// <summary>A value with its BCa interval (Efron 1987; Efron and Tibshirani 1993, equations 14.9 to 14.15).</summary>
    /// <param name="value">The figure.</param>
    /// <param name="resampled">What the resamples gave. Those equal to the figure count half as below it.</param>
    /// <param name="without">What the figure is without each cluster.</param>
    internal static Estimate Bca(double value, double[] resampled, double[] without) => Between(value, resampled, ascending =>
    {
        var below = ascending.Sum(drawn => drawn < value ? 1 : drawn == value ? 0.5 : 0);
        // A figure beyond all of its resamples stands as far out as their number can tell.
        var bias = Normal.Quantile(Math.Clamp(below, 0.5, ascending.Length - 0.5) / ascending.Length);
        var left = Array.FindAll(without, double.IsFinite);
        var mean = left.Length == 0 ? 0 : left.Average();
        var (squares, cubes) = (left.Sum(v => Math.Pow(mean - v, 2)), left.Sum(v => Math.Pow(mean - v, 3)));
        var acceleration = squares > 0 ? cubes / (6 * Math.Pow(squares, 1.5)) : 0;
        return (Point(Tail), Point(1 - Tail));

        double Point(double share)
        {
            var z = bias + Normal.Quantile(share);
            return Normal.Below(bias + z / (1 - acceleration * z));
        }
    });

    /// <summary>A value with the interval between two shares of its resamples. Resamples without a value are left out.</summary>
    private static Estimate Between(double value, double[] resampled, Func<double[], (double Low, double High)> shares)
    {
        if (double.IsNaN(value)) return Estimate.None;
        var sorted = Array.FindAll(resampled, double.IsFinite);
        if (sorted.Length == 0) return new Estimate(value, double.NaN, double.NaN);
        Array.Sort(sorted);
        var (low, high) = shares(sorted);
        return new Estimate(value, Quantile(sorted, low), Quantile(sorted, high));
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
