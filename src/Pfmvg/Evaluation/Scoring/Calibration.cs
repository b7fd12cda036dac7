using Pfmvg.Geometry;

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
    private static readonly double[] Coverages = [.. Enumerable.Range(1, 10).Select(tenth => tenth / 10.0)];

    /// <summary>Samples that are left out because their answer gives no region.</summary>
    public int WithoutRegion { get; private init; }

    /// <summary>Samples that are left out because their boxes carry no confidence.</summary>
    public int WithoutConfidence { get; private init; }

    /// <summary>
    /// The calibration error, the bins, the risk (share of wrong boxes) among the most certain tenths of the samples, its mean over
    /// all coverages (AURC), and the area under the ROC curve (AUROC), with intervals.
    /// </summary>
    internal IReadOnlyList<Figure> Figures { get; private init; } = [];

    /// <summary>What is measured and what is left out, in words.</summary>
    public string Scope => WithoutRegion + WithoutConfidence == 0 ? $"All {Count} samples."
        : $"{Count} of {Count + WithoutRegion + WithoutConfidence} samples; left out: {WithoutRegion} whose answer gives no region, "
            + $"{WithoutConfidence} without a confidence.";

    /// <summary>Calibration of the most certain box of each sample; null when the model gives no confidence.</summary>
    public static Calibration? Measure(ScoreTable table) =>
        Measure(table, sample => sample.Confidence is { Count: > 0 } boxes ? boxes.Max() : null);

    /// <summary>The same of the other confidence, by which drawn answers agree; null where none were drawn.</summary>
    internal static Calibration? OfAgreement(ScoreTable table) =>
        Measure(table, sample => sample.Valid ? sample.Prediction.Agreement : null);

    private static Calibration? Measure(ScoreTable table, Func<ScoredSample, double?> confidence)
    {
        var options = table.Options;
        var sure = Scorer.InOrder(table.Samples.Where(sample => confidence(sample) is not null))
            .Select(sample => (Sample: sample, Confidence: confidence(sample)!.Value, Iou: Iou(sample, options)))
            .OrderByDescending(judged => judged.Confidence).ToList();
        if (sure.Count == 0) return null;
        var clusters = sure.Select(judged => judged.Sample.Cluster).Distinct().Order(StringComparer.Ordinal).Index()
            .ToDictionary(cluster => cluster.Item, cluster => cluster.Index);
        var statistics = new Statistics(
            [.. sure.Select(judged => judged.Confidence)],
            [.. sure.Select(judged => TableStatistics.IsBeyond(judged.Iou, 0.5, options) ? 1.0 : 0.0)],
            [.. sure.Select(judged => judged.Iou)], [.. sure.Select(judged => clusters[judged.Sample.Cluster])]);
        var estimates = Bootstrap.Estimates(
            clusters.Count, options.Resamples, options.Seed, statistics.Count, statistics.Evaluate, options.Intervals);
        return new Calibration([.. statistics.Filled.Select(statistics.Bin)], estimates[0].Value, sure.Count)
        {
            WithoutRegion = table.Samples.Count(sample => !sample.Valid),
            WithoutConfidence = table.Samples.Count(sample => sample.Valid && confidence(sample) is null),
            Figures = [.. statistics.Names.Zip(estimates, (name, estimate) => new Figure(
                name.Row, name.Metric, Known(estimate.Value), Known(estimate.Low), Known(estimate.High), name.N))],
        };

        static double? Known(double value) => double.IsFinite(value) ? value : null;
    }

    /// <summary>IoU of the sample; where the boxes of a phrase compete, that of the most certain one with its best true box.</summary>
    private static double Iou(ScoredSample sample, ScoringOptions options)
    {
        if (options.Protocol != Protocol.Map50) return sample.Iou;
        var first = sample.Confidence is null ? 0 : sample.Confidence.Index().MaxBy(box => box.Item).Index;
        var box = new Region(SampleScorer.AsArea(sample.Predicted[first], options));
        return sample.Truth.Max(truth => Region.Iou(new Region(SampleScorer.AsArea(truth, options)), box));
    }

    /// <summary>All figures of samples by falling confidence, each counted as often as its cluster was drawn.</summary>
    private sealed class Statistics(double[] confidence, double[] right, double[] iou, int[] clusters)
    {
        private const int Bins = 10, Before = 2; // the error and the AURC come first

        private readonly int[] _bins = [.. confidence.Select(value => Math.Min(Bins - 1, (int)(value * Bins)))];

        /// <summary>The bins with a sample.</summary>
        public int[] Filled { get; } =
            [.. confidence.Select(value => Math.Min(Bins - 1, (int)(value * Bins))).Distinct().Order()];

        public int Count => Before + Coverages.Length + 3 * Filled.Length + 1; // the area under the ROC curve comes last

        public IEnumerable<(string Row, string Metric, int N)> Names =>
        [
            ("calibration", "ece", confidence.Length), ("calibration", "aurc", confidence.Length),
            .. Coverages.Select(coverage => (FormattableString.Invariant($"coverage={coverage:0.0}"), "risk",
                (int)Math.Round(coverage * confidence.Length))),
            .. from bin in Filled.Select(Bin)
               from metric in (string[])["confidence", "accuracy", "iou"]
               select (FormattableString.Invariant($"confidence={bin.Low:0.0}..{bin.High:0.0}"), metric, bin.Count),
            ("calibration", "auroc", confidence.Length),
        ];

        public CalibrationBin Bin(int bin)
        {
            var members = Enumerable.Range(0, confidence.Length).Where(i => _bins[i] == bin).ToList();
            return new CalibrationBin(bin / 10.0, (bin + 1) / 10.0, members.Count, members.Average(i => confidence[i]),
                members.Average(i => right[i]), members.Average(i => iou[i]));
        }

        public void Evaluate(ReadOnlySpan<int> drawn, Span<double> figures)
        {
            Span<double> count = stackalloc double[Bins], sure = stackalloc double[Bins], hits = stackalloc double[Bins],
                overlap = stackalloc double[Bins];
            count.Clear();
            sure.Clear();
            hits.Clear();
            overlap.Clear();
            var total = 0L;
            for (var i = 0; i < confidence.Length; i++)
            {
                var (times, bin) = (drawn[clusters[i]], _bins[i]);
                total += times;
                count[bin] += times;
                sure[bin] += times * confidence[i];
                hits[bin] += times * right[i];
                overlap[bin] += times * iou[i];
            }

            var error = 0.0;
            foreach (var bin in Filled) error += Math.Abs(sure[bin] - hits[bin]);
            figures[0] = error / total; // 0 / 0 is NaN
            Risks(drawn, total, figures);
            figures[^1] = AreaUnderRoc(drawn);
            for (var b = 0; b < Filled.Length; b++)
            {
                var (bin, at) = (Filled[b], Before + Coverages.Length + 3 * b);
                (figures[at], figures[at + 1], figures[at + 2]) =
                    (sure[bin] / count[bin], hits[bin] / count[bin], overlap[bin] / count[bin]);
            }
        }

        /// <summary>How likely a right sample is more certain than a wrong one; equally certain ones count one half.</summary>
        private double AreaUnderRoc(ReadOnlySpan<int> drawn)
        {
            var (area, hits, misses) = (0.0, 0.0, 0.0);
            for (var i = 0; i < confidence.Length;)
            {
                var (same, wrong, at) = (0.0, 0.0, i);
                for (; i < confidence.Length && confidence[i] == confidence[at]; i++)
                {
                    same += drawn[clusters[i]] * right[i];
                    wrong += drawn[clusters[i]] * (1 - right[i]);
                }

                area += wrong * (hits + same / 2);
                (hits, misses) = (hits + same, misses + wrong);
            }

            return area / (hits * misses); // NaN where all are right, or none
        }

        /// <summary>
        /// Of equally certain samples any may be the next that is covered: each has the mean risk of them. The AURC is the mean of the
        /// risk over coverages 1/n, 2/n, ..., 1.
        /// </summary>
        private void Risks(ReadOnlySpan<int> drawn, long total, Span<double> figures)
        {
            var (seen, wrong, area, next) = (0L, 0.0, 0.0, 0);
            for (var i = 0; i < confidence.Length;)
            {
                var (times, errors, end) = (0L, 0.0, i);
                for (; end < confidence.Length && confidence[end] == confidence[i]; end++)
                {
                    times += drawn[clusters[end]];
                    errors += drawn[clusters[end]] * (1 - right[end]);
                }

                i = end;
                if (times == 0) continue;
                var each = errors / times;
                for (var k = 1; k <= times; k++) area += (wrong + k * each) / (seen + k);
                for (; next < Coverages.Length && Coverages[next] * total <= seen + times; next++)
                    figures[Before + next] = (wrong + (Coverages[next] * total - seen) * each) / (Coverages[next] * total);
                (seen, wrong) = (seen + times, wrong + errors);
            }

            if (total == 0) figures.Slice(1, 1 + Coverages.Length).Fill(double.NaN);
            else figures[1] = area / total;
        }
    }
}
