namespace Pfmvg.Evaluation.Scoring;

/// <summary>One bin of a calibration plot.</summary>
/// <param name="Low">Least confidence of the bin.</param>
/// <param name="High">Where the next bin begins.</param>
/// <param name="Count">Samples in it.</param>
/// <param name="Confidence">Their mean confidence.</param>
/// <param name="Accuracy">Share with IoU beyond 0.5.</param>
/// <param name="Iou">Their mean IoU.</param>
public sealed record CalibrationBin(double Low, double High, int Count, double Confidence, double Accuracy, double Iou);

/// <summary>How well a model's confidence predicts that its box is right (IoU beyond 0.5).</summary>
/// <param name="Bins">Ten bins of equal width; empty ones are left out.</param>
/// <param name="ExpectedError">Expected calibration error: mean distance of confidence and accuracy, bins weighted by samples.</param>
/// <param name="Count">Samples with a confidence.</param>
public sealed record Calibration(IReadOnlyList<CalibrationBin> Bins, double ExpectedError, int Count)
{
    /// <summary>Calibration of the first (most certain) box of each sample; null when the model gives no confidence.</summary>
    public static Calibration? Measure(ScoreTable table)
    {
        var samples = table.Samples.Where(sample => sample.Confidence?.Count > 0)
            .Select(sample => (Confidence: sample.Confidence![0], sample.Iou)).ToList();
        if (samples.Count == 0) return null;
        List<CalibrationBin> bins =
        [
            .. from sample in samples
               group sample by Math.Min(9, (int)(sample.Confidence * 10)) into bin
               orderby bin.Key
               select new CalibrationBin(
                   Low: bin.Key / 10.0,
                   High: (bin.Key + 1) / 10.0,
                   Count: bin.Count(),
                   Confidence: bin.Average(s => s.Confidence),
                   Accuracy: bin.Average(s => TableStatistics.IsBeyond(s.Iou, 0.5, table.Options) ? 1.0 : 0.0),
                   Iou: bin.Average(s => s.Iou)),
        ];
        var error = bins.Sum(bin => bin.Count * Math.Abs(bin.Confidence - bin.Accuracy)) / samples.Count;
        return new Calibration(bins, error, samples.Count);
    }
}
