using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>A figure that is reported per class and over all classes.</summary>
public enum Metric
{
    /// <summary>Mean intersection over union.</summary>
    Iou,

    /// <summary>Mean Dice coefficient.</summary>
    Dice,

    /// <summary>Median intersection over union.</summary>
    MedianIou,

    /// <summary>Median Dice coefficient.</summary>
    MedianDice,

    /// <summary>Share of samples with IoU beyond 0.3.</summary>
    Accuracy30,

    /// <summary>Share of samples with IoU beyond 0.5.</summary>
    Accuracy50,

    /// <summary>Average precision at IoU 0.5, precision averaged at 101 recalls as COCO does.</summary>
    AveragePrecision50,

    /// <summary>Average precision at IoU 0.5, the whole area under the interpolated curve as PASCAL VOC does since 2010.</summary>
    AveragePrecision50AllPoints,
}

/// <summary>A value with its 95 % interval; NaN where there is none.</summary>
public readonly record struct Estimate(double Value, double Low, double High)
{
    /// <summary>No value.</summary>
    public static Estimate None => new(double.NaN, double.NaN, double.NaN);

    /// <summary>True when the interval was computed.</summary>
    public bool HasInterval => double.IsFinite(Low) && double.IsFinite(High);
}

/// <summary>One line of a score table: a class, or all classes together.</summary>
public sealed record ScoreRow
{
    /// <summary>The class, "mean" or "weighted".</summary>
    public required string Name { get; init; }

    /// <summary>
    /// The row's weight: its samples (see <see cref="ProtocolDescription.Sample"/>), or its true boxes for average precision.
    /// </summary>
    public required int Count { get; init; }

    /// <summary>Samples behind it; phrases for average precision.</summary>
    public required int Samples { get; init; }

    /// <summary>
    /// Samples with a valid answer: one that gives a region, a box with an area, whether or not it meets the truth. A class without
    /// any is printed as "-" and counts 0.
    /// </summary>
    public required int Valid { get; init; }

    /// <summary>
    /// Answers behind the samples. One answer to a phrase of three boxes is three samples of the protocol pfmvg-box.
    /// </summary>
    public int Answers { get; init; }

    /// <summary>Answers that gave a region.</summary>
    public int WithRegion { get; init; }

    /// <summary>How many answers had which flaw.</summary>
    public required IReadOnlyDictionary<Flaw, int> Flaws { get; init; }

    /// <summary>The figures of this protocol.</summary>
    public required IReadOnlyDictionary<Metric, Estimate> Figures { get; init; }

    /// <summary>A figure; <see cref="Estimate.None"/> when the protocol does not have it.</summary>
    public Estimate this[Metric metric] => Figures.TryGetValue(metric, out var estimate) ? estimate : Estimate.None;
}

/// <summary>One scored sample.</summary>
public sealed record ScoredSample
{
    /// <summary>The question and answer behind it.</summary>
    public required Prediction Prediction { get; init; }

    /// <summary>Identifier of the sample; the prediction's own, with "#2" and so on for its further boxes.</summary>
    public required string Id { get; init; }

    /// <summary>The first by name of the rows that the sample was made of; the same in whatever order they came.</summary>
    internal string FirstId { get; init; } = "";

    /// <summary>What the sample has in common with the same one of another set: a phrase's rows may come in another order there.</summary>
    internal string Key => $"{FirstId}\n{(Id == Prediction.Id ? "" : Id)}";

    /// <summary>True boxes in original pixels.</summary>
    public required IReadOnlyList<Box> Truth { get; init; }

    /// <summary>Predicted boxes that were scored, in original pixels.</summary>
    public required IReadOnlyList<Box> Predicted { get; init; }

    /// <summary>Confidence of the boxes in <see cref="Predicted"/>; null when the model gives none.</summary>
    public IReadOnlyList<double>? Confidence { get; init; }

    /// <summary>The answer's boxes that the rule leaves out: false positives for average precision.</summary>
    internal IReadOnlyList<(Box Box, double Confidence, int Before)> Dropped { get; init; } = [];

    /// <summary>What is wrong with the answer.</summary>
    public Flaw Flaw { get; init; }

    /// <summary>What it was made of: one answer, which other samples may share, or all those of a phrase asked several times.</summary>
    internal IReadOnlyList<AnswerRegion> Answers { get; init; } = [];

    /// <summary>The answer gave a region.</summary>
    public required bool Valid { get; init; }

    /// <summary>Intersection over union, 0..1.</summary>
    public required double Iou { get; init; }

    /// <summary>Dice coefficient, 0..1.</summary>
    public required double Dice { get; init; }

    /// <summary>The group that the bootstrap draws as one: a patient, or a picture where no patient is named.</summary>
    public required string Cluster { get; init; }
}

/// <summary>Scores of one set of predictions under one protocol.</summary>
public sealed record ScoreTable
{
    /// <summary>How it was scored.</summary>
    public required ScoringOptions Options { get; init; }

    /// <summary>The rules in words.</summary>
    public required ProtocolDescription Protocol { get; init; }

    /// <summary>Phrases scored: distinct picture, class and text.</summary>
    public required int Phrases { get; init; }

    /// <summary>True boxes scored.</summary>
    public required int Boxes { get; init; }

    /// <summary>Pictures scored.</summary>
    public required int Images { get; init; }

    /// <summary>Number of groups that the bootstrap draws.</summary>
    public required int Clusters { get; init; }

    /// <summary>What those groups are: "patient" or "picture".</summary>
    public required string ClusterKind { get; init; }

    /// <summary>The figures that the rows have, in order of importance.</summary>
    public required IReadOnlyList<Metric> Metrics { get; init; }

    /// <summary>One row per class, MS-CXR's eight in the paper's order, then others by name.</summary>
    public required IReadOnlyList<ScoreRow> Classes { get; init; }

    /// <summary>Mean over the classes; a class without any valid answer counts 0.</summary>
    public required ScoreRow Mean { get; init; }

    /// <summary>Weighted by samples per class, failures 0 (the paper's wIoU and wDice). Medians are over all samples.</summary>
    public required ScoreRow Weighted { get; init; }

    /// <summary>Weighted over only those classes that have a valid answer, which fits the paper's stage-1-only row.</summary>
    public required ScoreRow WeightedOverValid { get; init; }

    /// <summary>Every sample, in the order of the predictions.</summary>
    public required IReadOnlyList<ScoredSample> Samples { get; init; }

    /// <summary>Every rule that shaped a number: how answers were read and scored, by name.</summary>
    public IReadOnlyList<(string Key, string Value)> Rules { get; init; } = [];

    /// <summary>How well the confidence predicts that a box is right; null when there is no confidence.</summary>
    public Calibration? Calibration { get; init; }

    /// <summary>The same of how far drawn answers agree; null where none were drawn.</summary>
    internal Calibration? Agreement { get; init; }

    /// <summary>
    /// What the figures were computed from, in the order of the predictions: the samples and, for average precision, boxes where nothing
    /// was asked.
    /// </summary>
    internal IReadOnlyList<ScoredSample> Counted { get; init; } = [];

    /// <summary>Numbers beside the rows: further measures and subgroups, where they were asked for.</summary>
    internal IReadOnlyList<Figure> Further { get; init; } = [];

    /// <summary>Precision against recall, the classes' mean first; empty where no answer carries a confidence.</summary>
    internal IReadOnlyList<PrecisionRecall> Curves { get; init; } = [];

    /// <summary>How those are defined, in sentences.</summary>
    internal IReadOnlyList<string> FurtherRules { get; init; } = [];

    /// <summary>The files behind the numbers, with their hashes; empty when they came from memory.</summary>
    internal IReadOnlyList<SourceFile> Sources { get; init; } = [];

    /// <summary>Remarks that a reader needs beside the rules.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>The classes and the three summaries.</summary>
    public IEnumerable<ScoreRow> Rows => [.. Classes, Mean, Weighted, WeightedOverValid];
}
