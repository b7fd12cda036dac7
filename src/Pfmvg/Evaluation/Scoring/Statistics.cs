namespace Pfmvg.Evaluation.Scoring;

/// <summary>One figure of one class, computed with each sample counted as often as its cluster was drawn.</summary>
internal abstract class Statistic
{
    /// <summary>The figure, NaN when no sample was drawn, and how many samples were.</summary>
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

/// <summary>The median of the samples' values; of an even number, the middle of the two in the middle.</summary>
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

/// <summary>A predicted box as average precision sees it.</summary>
/// <param name="Confidence">Sorts the boxes.</param>
/// <param name="Hit">It took a true box of its phrase.</param>
/// <param name="Cluster">Whose picture it is.</param>
internal readonly record struct Detection(double Confidence, bool Hit, int Cluster);

/// <summary>Average precision: precision interpolated from the right, averaged over recall.</summary>
internal sealed class AveragePrecision : Statistic
{
    private readonly Detection[] _detections; // by falling confidence, equal ones in their order
    private readonly (int Cluster, int Boxes)[] _truth;
    private readonly bool _allPoints;

    /// <param name="detections">The class's predicted boxes.</param>
    /// <param name="truth">How many true boxes each phrase has.</param>
    /// <param name="allPoints">The whole area under the curve instead of the mean at recalls 0, 0.01, ..., 1.</param>
    public AveragePrecision(IEnumerable<Detection> detections, IEnumerable<(int Cluster, int Boxes)> truth, bool allPoints)
    {
        _detections = [.. detections.OrderByDescending(detection => detection.Confidence)]; // LINQ's order is stable
        _truth = [.. truth];
        _allPoints = allPoints;
    }

    public override (double Value, long Count) Evaluate(ReadOnlySpan<int> drawn)
    {
        var boxes = 0L;
        foreach (var (cluster, count) in _truth) boxes += (long)drawn[cluster] * count;
        if (boxes == 0) return (double.NaN, 0);

        // Points of the curve where recall grows, from the highest recall down so that the running maximum interpolates.
        var (hits, seen) = (0L, 0L);
        foreach (var detection in _detections)
        {
            seen += drawn[detection.Cluster];
            if (detection.Hit) hits += drawn[detection.Cluster];
        }

        var (best, area, sum, next) = (0.0, 0.0, 0.0, 100);
        for (var i = _detections.Length - 1; i >= 0; i--)
        {
            var times = drawn[_detections[i].Cluster];
            if (times == 0) continue;
            best = Math.Max(best, (double)hits / seen);
            if (_detections[i].Hit)
            {
                var below = hits - times;
                area += best * times / boxes;
                for (; next >= 0 && next * boxes > 100 * below; next--) // recalls in (below / boxes, hits / boxes]
                    if (next * boxes <= 100 * hits) sum += best;
                hits = below;
            }

            seen -= times;
        }

        if (next == 0 && best > 0) sum += best; // recall 0
        return (_allPoints ? area : sum / 101, boxes);
    }
}
