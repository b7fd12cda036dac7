using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Measures;

/// <summary>What is measured on one phrase's heat map.</summary>
/// <param name="Sample">The phrase.</param>
/// <param name="Hit">The peak lies in the truth.</param>
/// <param name="Contrast">
/// The contrast-to-noise ratio, signed; null where it is not defined: one side has no values, or both are flat and differ.
/// </param>
/// <param name="Overlaps">IoU and Dice at each of the thresholds.</param>
internal sealed record MapMeasures(ScoredSample Sample, bool Hit, double? Contrast, IReadOnlyList<(double Iou, double Dice)> Overlaps)
{
    /// <summary>Measures the maps of the protocol's samples, in their order; no map or a spoiled one is 0 in everything.</summary>
    public static List<MapMeasures> Read(IReadOnlyList<ScoredSample> samples, ScoringOptions options) =>
        [.. samples.AsParallel().AsOrdered().Select(sample => Read(sample, options))];

    private static MapMeasures Read(ScoredSample sample, ScoringOptions options)
    {
        var map = sample.Prediction.HeatMap is null ? null : HeatMap.Of(sample.Prediction, options.MapScale, keepValues: true);
        if (map is null || map.HasHoles && !options.HeatMapMayHaveHoles)
            return new MapMeasures(sample, false, 0, new (double, double)[HeatMap.Thresholds.Length]);
        var (width, height) = (sample.Prediction.Width, sample.Prediction.Height);
        return new MapMeasures(sample, PeakIsIn(sample.Truth, map, width, height), Cnr(sample.Truth, map, width, height),
            map.Overlaps(sample.Truth, width, height));
    }

    private static bool PeakIsIn(IReadOnlyList<Box> truth, HeatMap map, int width, int height)
    {
        var (best, values) = (-1, map.Values!);
        for (var i = 0; i < values.Length; i++)
            if (!double.IsNaN(values[i]) && (best < 0 || values[i] > values[best])) best = i;
        if (best < 0) return false;
        var (row, column) = Math.DivRem(best, map.Columns);
        var (x, y) = ((column + 0.5) * width / map.Columns, (row + 0.5) * height / map.Rows);
        return truth.Any(box => BoxMeasures.Holds(box, x, y));
    }

    /// <summary>
    /// The mean inside minus the mean outside, over the root of the summed population variances (BioViL). A cell counts on both
    /// sides by its area there, which for cells of one pixel and boxes of whole pixels is that of the pixels. A flat map has none: 0.
    /// </summary>
    private static double? Cnr(IReadOnlyList<Box> truth, HeatMap map, int width, int height)
    {
        var (cellWidth, cellHeight) = ((double)width / map.Columns, (double)height / map.Rows);
        var values = map.Values!;
        var inside = new double[values.Length];
        var picture = new Box(0, 0, width, height);
        foreach (var part in HeatMap.Disjoint([.. truth.Select(box => box.Intersect(picture)).Where(box => !box.IsEmpty)]))
            for (var row = (int)(part.Top / cellHeight); row < map.Rows && row * cellHeight < part.Bottom; row++)
                for (var column = (int)(part.Left / cellWidth); column < map.Columns && column * cellWidth < part.Right; column++)
                    inside[row * map.Columns + column] += part.Intersect(new Box(
                        column * cellWidth, row * cellHeight, (column + 1) * cellWidth, (row + 1) * cellHeight)).Area;
        var cell = cellWidth * cellHeight;
        if (Moments(values, inside) is not var (mean, variance)
            || Moments(values, [.. inside.Select(area => cell - area > 1e-9 * cell ? cell - area : 0)]) is not var (other, noise))
            return null;
        return mean == other ? 0 : variance + noise > 0 ? (mean - other) / Math.Sqrt(variance + noise) : null;
    }

    /// <summary>Mean and population variance of the values that are numbers; null without any.</summary>
    private static (double Mean, double Variance)? Moments(double[] values, double[] weights)
    {
        var (sum, total, least, most) = (0.0, 0.0, double.PositiveInfinity, double.NegativeInfinity);
        for (var i = 0; i < values.Length; i++)
        {
            if (weights[i] == 0 || !double.IsFinite(values[i])) continue;
            (sum, total) = (sum + weights[i] * values[i], total + weights[i]);
            (least, most) = (Math.Min(least, values[i]), Math.Max(most, values[i]));
        }

        if (total == 0) return null;
        if (least == most) return (least, 0); // without rounding, which a flat map would be divided by
        var (mean, squares) = (sum / total, 0.0);
        for (var i = 0; i < values.Length; i++)
            if (weights[i] > 0 && double.IsFinite(values[i])) squares += weights[i] * (values[i] - mean) * (values[i] - mean);
        return (mean, squares / total);
    }
}
