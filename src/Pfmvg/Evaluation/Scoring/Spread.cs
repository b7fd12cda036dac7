namespace Pfmvg.Evaluation.Scoring;

/// <summary>How values spread, as Tukey's box plot draws it.</summary>
/// <param name="Count">How many values there are.</param>
/// <param name="Low">The lowest value within one and a half lengths of the box below the first quartile.</param>
/// <param name="First">First quartile; between two values quartiles are interpolated, as numpy, R and pandas do by default.</param>
/// <param name="Median">The median.</param>
/// <param name="Third">Third quartile.</param>
/// <param name="High">The highest value within one and a half lengths of the box above the third quartile.</param>
/// <param name="Mean">The mean.</param>
/// <param name="Beyond">The values below Low and above High, ascending.</param>
internal sealed record Spread(
    int Count, double Low, double First, double Median, double Third, double High, double Mean, IReadOnlyList<double> Beyond)
{
    /// <summary>The spread of at least one value.</summary>
    public static Spread Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        var (first, third) = (Quantile(0.25), Quantile(0.75));
        var reach = 1.5 * (third - first);
        double[] within = [.. sorted.Where(value => value >= first - reach && value <= third + reach)];
        return new Spread(sorted.Length, within[0], first, Quantile(0.5), third, within[^1], sorted.Average(),
            [.. sorted.Where(value => value < within[0] || value > within[^1])]);

        double Quantile(double share)
        {
            var at = share * (sorted.Length - 1);
            var (below, above) = (sorted[(int)at], sorted[Math.Min((int)at + 1, sorted.Length - 1)]);
            return below + (at - (int)at) * (above - below);
        }
    }
}
