using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Measures;

/// <summary>Measures of all boxes of a phrase together, for phrases with several boxes and with none.</summary>
internal static class SetMeasures
{
    private const double Half = 0.5;

    /// <summary>
    /// RadFact's precision of boxes: more than half of the predicted area is true. Counted where the answer has boxes.
    /// </summary>
    public static (double Sum, int Units) RadFactPrecision(AnsweredPhrase phrase, ScoringOptions options) =>
        phrase.Boxes == 0 ? (0, 0) : (IsMost(TrueShare(phrase, options)), 1);

    /// <summary>RadFact's recall of boxes: more than half of the true area is predicted. Counted where the phrase has true boxes.</summary>
    public static (double Sum, int Units) RadFactRecall(AnsweredPhrase phrase, ScoringOptions options) =>
        phrase.Sample.Truth.Count == 0 ? (0, 0) : (IsMost(CoveredShare(phrase, options)), 1);

    /// <summary>Share of the true area that predicted boxes cover.</summary>
    public static (double Sum, int Units) Coverage(AnsweredPhrase phrase, ScoringOptions options) =>
        phrase.Sample.Truth.Count == 0 ? (0, 0) : (CoveredShare(phrase, options), 1);

    /// <summary>Share of the predicted area that is true: intersection over the detected bounding boxes' area (IoBB).</summary>
    public static (double Sum, int Units) Iobb(AnsweredPhrase phrase, ScoringOptions options) =>
        phrase.Sample.Truth.Count == 0 ? (0, 0) : (TrueShare(phrase, options), 1);

    /// <summary>F1 of a phrase's boxes; 1 for a phrase without a true box that is answered by none.</summary>
    public static (double Sum, int Units) F1(AnsweredPhrase phrase, double threshold, ScoringOptions options)
    {
        if (phrase.IsUnasked) return (0, 0);
        if (phrase.Sample.Truth.Count == 0) return (phrase.Abstains ? 1 : 0, 1);
        var (pairs, predicted, truth) = BoxMeasures.Match(phrase, threshold, options);
        return (2.0 * pairs / (predicted + truth), 1);
    }

    /// <summary>Whether that is 1: every box has found its partner.</summary>
    public static (double Sum, int Units) Exact(AnsweredPhrase phrase, double threshold, ScoringOptions options)
    {
        var (f1, units) = F1(phrase, threshold, options);
        return (f1 == 1 ? 1 : 0, units);
    }

    /// <summary>No-target accuracy: a phrase without a true box is answered by no box.</summary>
    public static (double Sum, int Units) NoTarget(AnsweredPhrase phrase) =>
        phrase.Sample.Truth.Count > 0 || phrase.IsUnasked ? (0, 0) : (phrase.Abstains ? 1 : 0, 1);

    /// <summary>Target accuracy: a phrase with a true box is answered, and not by saying that there is none.</summary>
    public static (double Sum, int Units) Target(AnsweredPhrase phrase) =>
        phrase.Sample.Truth.Count == 0 ? (0, 0) : (phrase.Abstains || phrase.Sample.Flaw is Flaw.Missing or Flaw.BrokenPicture ? 0 : 1, 1);

    private static double TrueShare(AnsweredPhrase phrase, ScoringOptions options) =>
        Share(phrase.Sample.Predicted, phrase.Sample.Truth, options);

    private static double CoveredShare(AnsweredPhrase phrase, ScoringOptions options) =>
        Share(phrase.Sample.Truth, phrase.Sample.Predicted, options);

    /// <summary>Share of the area of some boxes that others cover; 0 when there is none.</summary>
    private static double Share(IReadOnlyList<Box> boxes, IReadOnlyList<Box> others, ScoringOptions options)
    {
        if (boxes.Count == 0 || others.Count == 0) return 0;
        var region = new Region([.. boxes.Select(box => SampleScorer.AsArea(box, options))]);
        var other = new Region([.. others.Select(box => SampleScorer.AsArea(box, options))]);
        return region.IsEmpty ? 0 : Math.Min(1, Region.IntersectionArea(region, other) / region.Area);
    }

    private static double IsMost(double share) => share > Half + TableStatistics.Rounding ? 1 : 0;
}
