namespace Pfmvg.Evaluation.Scoring;

/// <summary>One figure of one class, computed with each sample counted as often as its cluster was drawn.</summary>
internal abstract class Statistic
{
    /// <summary>The figure (NaN when no sample was drawn), and how many samples were drawn.</summary>
    /// <param name="drawn">How often each cluster was drawn; all ones gives the plain figure.</param>
    public abstract (double Value, long Count) Evaluate(ReadOnlySpan<int> drawn);
}

/// <summary>The mean of the samples' values.</summary>
internal sealed class MeanStatistic(double[] values, int[] clusters) : Statistic
{
    public override (double Value, long Count) Evaluate(ReadOnlySpan<int> drawn)
    {
        var (sum, count) = (0.0, 0L);
        for (var i = 0; i < values.Length; i++)
        {
            var times = drawn[clusters[i]];
            sum += times * values[i];
            count += times;
        }

        return (sum / count, count); // 0 / 0 is NaN
    }
}

/// <summary>The median of the samples' values; of an even number, the mean of the two in the middle.</summary>
internal sealed class MedianStatistic : Statistic
{
    private readonly double[] _ascending;
    private readonly int[] _clusters;

    public MedianStatistic(double[] values, int[] clusters)
    {
        (_ascending, _clusters) = ([.. values], [.. clusters]);
        Array.Sort(_ascending, _clusters);
    }

    public override (double Value, long Count) Evaluate(ReadOnlySpan<int> drawn)
    {
        var count = 0L;
        foreach (var cluster in _clusters) count += drawn[cluster];
        if (count == 0) return (double.NaN, 0);
        var (seen, lower) = (0L, double.NaN);
        for (var i = 0; i < _ascending.Length; i++)
        {
            seen += drawn[_clusters[i]];
            if (double.IsNaN(lower) && 2 * seen >= count) lower = _ascending[i]; // the value at position ceil(count / 2)
            if (2 * seen > count) return ((lower + _ascending[i]) / 2, count);   // the value at position floor(count / 2) + 1
        }

        throw new InvalidOperationException("The counts changed while they were read.");
    }
}
