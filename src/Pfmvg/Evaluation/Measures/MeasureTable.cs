using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Measures;

/// <summary>A measure as a column: its statistic in each of the classes.</summary>
/// <param name="Name">The key of its figures.</param>
/// <param name="Classes">One for each class.</param>
internal sealed record Measure(string Name, IReadOnlyList<Statistic> Classes);

/// <summary>A sum over samples divided by their units: a mean where each sample is one unit, a share of boxes where boxes are.</summary>
/// <param name="sums">What each sample adds.</param>
/// <param name="units">How many units each sample has; 0 leaves it out.</param>
/// <param name="clusters">The cluster of each sample.</param>
internal sealed class RatioStatistic(double[] sums, int[] units, int[] clusters) : Statistic
{
    public override (double Value, long Count) Evaluate(ReadOnlySpan<int> drawn)
    {
        var (sum, count) = (0.0, 0L);
        for (var i = 0; i < sums.Length; i++)
        {
            var times = drawn[clusters[i]];
            sum += times * sums[i];
            count += (long)times * units[i];
        }

        return (sum / count, count); // 0 / 0 is NaN
    }
}

/// <summary>The mean of several statistics of the same samples, such as average precision at ten thresholds.</summary>
internal sealed class AverageStatistic(IReadOnlyList<Statistic> parts) : Statistic
{
    public override (double Value, long Count) Evaluate(ReadOnlySpan<int> drawn)
    {
        var (sum, count) = (0.0, 0L);
        foreach (var part in parts)
        {
            (var value, count) = part.Evaluate(drawn);
            sum += value;
        }

        return (sum / parts.Count, count);
    }
}

/// <summary>The mean of statistics of different samples, each as often as it has units.</summary>
internal sealed class WeightedStatistic(IReadOnlyList<Statistic> parts) : Statistic
{
    public override (double Value, long Count) Evaluate(ReadOnlySpan<int> drawn)
    {
        var (sum, count) = (0.0, 0L);
        foreach (var part in parts)
            if (part.Evaluate(drawn) is { Count: > 0 } drawnPart)
                (sum, count) = (sum + drawnPart.Count * drawnPart.Value, count + drawnPart.Count);
        return (sum / count, count);
    }
}

/// <summary>Figures of measures: each class, the mean over the classes that have units, and all units together.</summary>
internal static class MeasureTable
{
    /// <summary>All figures with their intervals, measure by measure.</summary>
    /// <param name="classes">Names of the classes.</param>
    /// <param name="measures">The measures.</param>
    /// <param name="clusters">Number of clusters.</param>
    /// <param name="options">Resamples and seed.</param>
    public static IReadOnlyList<Figure> Figures(
        IReadOnlyList<string> classes, IReadOnlyList<Measure> measures, int clusters, ScoringOptions options)
    {
        var rows = classes.Count + 2;
        var estimates = Bootstrap.Estimates(clusters, options.Resamples, options.Seed, rows * measures.Count, (drawn, figures) =>
        {
            for (var m = 0; m < measures.Count; m++) Evaluate(measures[m], drawn, figures.Slice(m * rows, rows));
        }, options.Intervals);
        var once = new int[clusters];
        Array.Fill(once, 1);
        List<Figure> table = [];
        foreach (var (m, measure) in measures.Index())
        {
            var units = measure.Classes.Select(statistic => (int)statistic.Evaluate(once).Count).ToList();
            for (var row = 0; row < rows; row++)
                if (row >= classes.Count || units[row] > 0)
                    table.Add(ToFigure(row < classes.Count ? classes[row] : row == classes.Count ? "mean" : "weighted", measure.Name,
                        estimates[m * rows + row], row < classes.Count ? units[row] : units.Sum()));
        }

        return table;
    }

    /// <summary>An estimate as a figure.</summary>
    public static Figure ToFigure(string row, string metric, Estimate estimate, int n)
    {
        return new Figure(row, metric, Number(estimate.Value), Number(estimate.Low), Number(estimate.High), n);

        static double? Number(double value) => double.IsFinite(value) ? value : null;
    }

    private static void Evaluate(Measure measure, ReadOnlySpan<int> drawn, Span<double> figures)
    {
        var (sum, present, weighted, count) = (0.0, 0, 0.0, 0L);
        for (var c = 0; c < measure.Classes.Count; c++)
        {
            var (value, units) = measure.Classes[c].Evaluate(drawn);
            figures[c] = value;
            if (units > 0) (sum, present, weighted, count) = (sum + value, present + 1, weighted + units * value, count + units);
        }

        (figures[^2], figures[^1]) = (sum / present, weighted / count);
    }
}
