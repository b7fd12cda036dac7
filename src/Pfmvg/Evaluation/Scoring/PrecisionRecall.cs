namespace Pfmvg.Evaluation.Scoring;

/// <summary>Precision against recall while boxes are taken by falling confidence, right where IoU >= 0.5.</summary>
/// <param name="Name">The class, or "mean".</param>
/// <param name="Boxes">True boxes.</param>
/// <param name="AveragePrecision">Mean of the curve at the recalls 0, 0.01, ..., 1, as <see cref="Metric.AveragePrecision50"/>.</param>
/// <param name="Steps">
/// Up to each recall, the precision: that of the best point at this recall or beyond, as COCO interpolates. Recall ascends and precision
/// falls; beyond the last step precision is 0.
/// </param>
internal sealed record PrecisionRecall(
    string Name, int Boxes, double AveragePrecision, IReadOnlyList<(double Recall, double Precision)> Steps)
{
    /// <summary>The mean over the classes, then each class; empty where no answer carries a confidence.</summary>
    /// <param name="classes">The samples of each class, those included that only have boxes where nothing was asked.</param>
    /// <param name="options">How areas are measured.</param>
    public static IReadOnlyList<PrecisionRecall> Measure(
        IEnumerable<(string Name, List<ScoredSample> Samples)> classes, ScoringOptions options)
    {
        var all = classes.ToList();
        if (!all.Exists(c => c.Samples.Exists(sample => sample.Confidence is not null))) return [];
        var curves = all.ConvertAll(c => OfClass(c.Name, c.Samples, options));
        return [Mean(curves), .. curves];
    }

    /// <summary>Precision at a recall.</summary>
    public double At(double recall)
    {
        foreach (var (reached, precision) in Steps)
            if (reached >= recall) return precision;
        return 0;
    }

    private static PrecisionRecall OfClass(string name, List<ScoredSample> samples, ScoringOptions options)
    {
        Detection[] found = [.. samples.SelectMany(sample => DetectionMatch.Detections(sample, options))
            .OrderByDescending(detection => detection.Confidence).ThenBy(detection => detection.Rank)];
        var boxes = samples.Sum(sample => sample.Truth.Count);
        var hits = found.Count(detection => detection.Hit);
        var (best, steps) = (0.0, new List<(double, double)>());
        for (var seen = found.Length; seen > 0; seen--) // from the highest recall down, so that the maximum so far interpolates
        {
            if (!found[seen - 1].Hit) continue;
            if ((double)hits / seen > best) steps.Add(((double)hits / boxes, best = (double)hits / seen));
            hits--;
        }

        steps.Reverse();
        var average = new AveragePrecision(found, [(0, boxes)], allPoints: false).Evaluate([1]).Value;
        return new PrecisionRecall(name, boxes, average, steps);
    }

    private static PrecisionRecall Mean(List<PrecisionRecall> curves)
    {
        var steps = curves.SelectMany(curve => curve.Steps).Select(step => step.Recall).Distinct().Order()
            .Select(recall => (recall, curves.Average(curve => curve.At(recall)))).ToList();
        return new PrecisionRecall("mean", curves.Sum(curve => curve.Boxes), curves.Average(curve => curve.AveragePrecision), steps);
    }
}
