using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Measures;

/// <summary>A phrase with its true boxes and what was answered, with or without a true box.</summary>
/// <param name="Sample">All of its boxes.</param>
/// <param name="First">The box that counts where one is asked; null when it covers nothing or there is none.</param>
internal sealed record AnsweredPhrase(ScoredSample Sample, Box? First)
{
    /// <summary>Nobody asked it, as is allowed of a phrase without a true box.</summary>
    public bool IsUnasked => Sample.Truth.Count == 0 && Sample.Flaw == Flaw.Missing;

    /// <summary>The answer says that there is no box; a flawed box says that there is one.</summary>
    public bool Abstains => Sample.Flaw == Flaw.NoBox && Boxes == 0;

    /// <summary>Boxes of the answer, those that cover nothing included.</summary>
    public int Boxes => Sample.Predicted.Count + Sample.Dropped.Count;

    /// <summary>The phrases of predictions, in their order.</summary>
    public static List<AnsweredPhrase> Read(IReadOnlyList<Prediction> predictions, ScoringOptions options)
    {
        // Average precision's samples are whole phrases, those without a true box included.
        var samples = SampleScorer.Score(predictions, options with { Protocol = Protocol.Map50 });
        var rows = predictions.ToLookup(prediction => prediction.PhraseKey);
        return samples.ConvertAll(sample =>
        {
            var first = rows[sample.Prediction.PhraseKey].MinBy(row => row.Id, StringComparer.Ordinal)!;
            var read = AnswerReader.Read(first, options, single: true).Boxes;
            return new AnsweredPhrase(sample, read.Count > 0 ? read[0] : null);
        });
    }
}

/// <summary>Measures of boxes one by one: where the answer's box lies, and which boxes find which.</summary>
internal static class BoxMeasures
{
    /// <summary>Whether the centre of the answer's box lies in a true box, edges included.</summary>
    public static (double Sum, int Units) Pointing(AnsweredPhrase phrase, ScoringOptions options)
    {
        if (phrase.Sample.Truth.Count == 0) return (0, 0);
        if (phrase.First is not { } box) return (0, 1);
        var (x, y) = Center(SampleScorer.AsArea(box, options));
        return (phrase.Sample.Truth.Any(truth => Holds(SampleScorer.AsArea(truth, options), x, y)) ? 1 : 0, 1);
    }

    /// <summary>Whether a point lies in a box or on its edge.</summary>
    public static bool Holds(Box box, double x, double y) => x >= box.Left && x <= box.Right && y >= box.Top && y <= box.Bottom;

    /// <summary>Pixels from the centre of the answer's box to the nearest centre of a true box.</summary>
    public static (double Sum, int Units) CenterError(AnsweredPhrase phrase)
    {
        if (phrase.Sample.Truth.Count == 0 || phrase.First is not { } box) return (0, 0);
        var (x, y) = Center(box);
        return (phrase.Sample.Truth.Select(Center)
            .Min(truth => Math.Sqrt((truth.X - x) * (truth.X - x) + (truth.Y - y) * (truth.Y - y))), 1);
    }

    /// <summary>The same in diagonals of the picture.</summary>
    public static (double Sum, int Units) RelativeCenterError(AnsweredPhrase phrase)
    {
        var (pixels, units) = CenterError(phrase);
        double width = phrase.Sample.Prediction.Width, height = phrase.Sample.Prediction.Height;
        return (pixels / Math.Sqrt(width * width + height * height), units);
    }

    /// <summary>
    /// Average precision of a class by COCO's rule, at one threshold or averaged over several.
    /// </summary>
    /// <param name="samples">The class's phrases in the order of the file, which decides between equally certain boxes.</param>
    /// <param name="clusters">Their clusters.</param>
    /// <param name="thresholds">The thresholds of IoU.</param>
    /// <param name="options">How areas are measured.</param>
    public static Statistic AveragePrecision(
        IReadOnlyList<ScoredSample> samples, int[] clusters, IReadOnlyList<double> thresholds, ScoringOptions options)
    {
        return new AverageStatistic([.. thresholds.Select(At)]);

        AveragePrecision At(double threshold) => new(
            samples.SelectMany((sample, i) => DetectionMatch.Detections(sample, options, threshold)
                .Select(found => found with { Cluster = clusters[i] })),
            samples.Select((sample, i) => (clusters[i], sample.Truth.Count)), allPoints: false);
    }

    /// <summary>How many boxes of a phrase find each other, and how many there are on both sides.</summary>
    /// <remarks>
    /// Pairs are made one to one, the largest IoU first (of equal ones the box that lies first), if IoU >= threshold. A
    /// predicted box without a partner of which that share lies in a crowd region counts neither way.
    /// </remarks>
    public static (int Pairs, int Predicted, int True) Match(AnsweredPhrase phrase, double threshold, ScoringOptions options)
    {
        var truth = phrase.Sample.Truth.Select(box => SampleScorer.AsArea(box, options)).ToList();
        var found = phrase.Sample.Predicted.Select(box => SampleScorer.AsArea(box, options)).ToList();
        var close = from t in Enumerable.Range(0, truth.Count)
                    from f in Enumerable.Range(0, found.Count)
                    let iou = Iou(truth[t], found[f])
                    where IsEnough(iou)
                    orderby iou descending, Place(truth[t]), Place(found[f])
                    select (t, f);
        HashSet<int> pairedTruth = [], paired = [];
        foreach (var (t, f) in close)
            if (!pairedTruth.Contains(t) && paired.Add(f)) pairedTruth.Add(t);
        var excused = Enumerable.Range(0, found.Count).Count(f => !paired.Contains(f)
            && phrase.Sample.Prediction.Crowds.Any(crowd => IsEnough(found[f].Intersect(crowd).Area / found[f].Area)));
        return (paired.Count, phrase.Boxes - excused, truth.Count);

        bool IsEnough(double share) => share > threshold - TableStatistics.Rounding;
        static (double, double, double, double) Place(Box box) => (box.Left, box.Top, box.Right, box.Bottom);
    }

    private static double Iou(Box a, Box b) => a.Intersect(b).Area is > 0 and var both ? both / (a.Area + b.Area - both) : 0;

    private static (double X, double Y) Center(Box box) => ((box.Left + box.Right) / 2, (box.Top + box.Bottom) / 2);
}
