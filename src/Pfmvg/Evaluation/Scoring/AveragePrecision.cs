using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>A predicted box as average precision counts it.</summary>
/// <param name="Confidence">The model's confidence, by which the boxes are sorted.</param>
/// <param name="Hit">The box matches a true box of its phrase.</param>
/// <param name="Cluster">The group that the bootstrap draws as one.</param>
/// <param name="Rank">Among equal confidences the lower one counts first.</param>
internal readonly record struct Detection(double Confidence, bool Hit, int Cluster, int Rank);

/// <summary>Which predicted boxes of a phrase are hits.</summary>
internal static class DetectionMatch
{
    /// <summary>The most certain boxes of a phrase that count, as COCO has it.</summary>
    private const int MostBoxes = 100;

    /// <summary>
    /// By falling confidence, each box takes the free true box that it overlaps most, if IoU >= the threshold. A box without one
    /// of which that share lies in a crowd region counts neither way (COCO's rules).
    /// </summary>
    public static IEnumerable<Detection> Detections(ScoredSample sample, ScoringOptions options, double threshold = 0.5)
    {
        var truth = sample.Truth.Select(box => SampleScorer.AsArea(box, options)).ToList();
        var sure = sample.Confidence;
        var counted = sample.Dropped.Select(dropped => (Box: (Box?)null, dropped.Confidence, Place: dropped.Before))
            .Concat(sample.Predicted.Select((box, i) => (Box: (Box?)box, Confidence: sure?[i] ?? 1, Place: i)))
            .OrderByDescending(found => found.Confidence).ThenBy(found => found.Place).Take(MostBoxes); // LINQ's order is stable
        foreach (var (found, confidence, _) in counted)
        {
            var (best, iou) = (-1, 0.0);
            if (found is { } predicted)
            {
                var area = SampleScorer.AsArea(predicted, options);
                var box = new Region([area]);
                for (var t = 0; t < truth.Count; t++)
                    if (Region.Iou(box, new Region([truth[t]])) is var overlap && overlap > 0 && overlap >= iou) (best, iou) = (t, overlap);
                if (!Enough(iou) && sample.Prediction.Crowds.Any(crowd => Enough(area.Intersect(crowd).Area / area.Area))) continue;
            }

            if (Enough(iou)) truth.RemoveAt(best);
            yield return new Detection(confidence, Enough(iou), 0, sample.Prediction.Rank);
        }

        bool Enough(double overlap) => overlap > threshold - TableStatistics.Rounding;
    }
}

/// <summary>Average precision: precision interpolated from the right, averaged over recall.</summary>
internal sealed class AveragePrecision : Statistic
{
    private readonly Detection[] _detections; // by falling confidence, equal ones by rank, then in their order
    private readonly (int Cluster, int Boxes)[] _truth;
    private readonly bool _allPoints;

    /// <param name="detections">The class's predicted boxes.</param>
    /// <param name="truth">How many true boxes each phrase has.</param>
    /// <param name="allPoints">The whole area under the curve instead of the mean at recalls 0, 0.01, ..., 1.</param>
    public AveragePrecision(IEnumerable<Detection> detections, IEnumerable<(int Cluster, int Boxes)> truth, bool allPoints)
    {
        _detections = [.. detections.OrderByDescending(detection => detection.Confidence).ThenBy(detection => detection.Rank)];
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
