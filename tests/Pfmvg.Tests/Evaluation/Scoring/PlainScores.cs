namespace Pfmvg.Tests.Evaluation.Scoring;

/// <summary>The score of one sample: a phrase, or one box of a phrase, as the protocol has it.</summary>
/// <param name="Id">Unique within the evaluation.</param>
/// <param name="Class">Finding class.</param>
/// <param name="Iou">Intersection over union of the predicted and the true region, 0..1.</param>
/// <param name="Dice">Dice coefficient of the two, 0..1.</param>
/// <param name="Valid">The answer gave a region. A failed answer scores 0.</param>
public sealed record SampleScore(string Id, string Class, double Iou, double Dice, bool Valid);

/// <summary>The mean scores of one class.</summary>
/// <param name="Class">Finding class.</param>
/// <param name="Count">Number of samples, failures included.</param>
/// <param name="Valid">Number of samples with a valid answer.</param>
/// <param name="Iou">Mean IoU over all samples of the class, failures as 0; 0 when there is no sample.</param>
/// <param name="Dice">Mean Dice, likewise.</param>
public sealed record ClassScore(string Class, int Count, int Valid, double Iou, double Dice)
{
    /// <summary>At least one valid answer. Without one a table prints "-" and the class counts 0.</summary>
    public bool HasValue => Valid > 0;
}

/// <summary>Which classes weigh in a weighted score; a class always weighs as many times as it has samples.</summary>
public enum ClassWeighting
{
    /// <summary>All of them, a class without a valid answer as 0: the mean over the samples. The default.</summary>
    AllSamples,

    /// <summary>Only classes with a value, which the paper's row "stage 1 only" fits. It hides failures.</summary>
    ClassesWithValue,
}

/// <summary>The scores of an evaluation (PFMVG, tables 1 to 4), written a second time and plainly, to check the library's.</summary>
public sealed class PlainScores
{
    private const double Rounding = 1e-12; // IoU is a fraction; a float this near a threshold is at it

    private readonly double[] _ious, _dices;

    /// <summary>Adds up samples.</summary>
    /// <param name="samples">Every sample asked, failures included.</param>
    /// <param name="classes">Classes in the order of the table; other classes that occur follow in alphabetical order.</param>
    /// <exception cref="ArgumentException">A score is not in 0..1, or a failure has a score.</exception>
    public PlainScores(IReadOnlyList<SampleScore> samples, IReadOnlyList<string> classes)
    {
        foreach (var sample in samples)
            if (!(sample is { Iou: >= 0 and <= 1, Dice: >= 0 and <= 1 } && (sample.Valid || sample is { Iou: 0, Dice: 0 })))
                throw new ArgumentException(
                    $"Sample {sample.Id} has IoU {sample.Iou} and Dice {sample.Dice}; a score is in 0..1 and that of a failure is 0.",
                    nameof(samples));

        var byClass = samples.ToLookup(sample => sample.Class);
        Classes = [.. classes.Union(byClass.Select(group => group.Key).Order(StringComparer.Ordinal))
            .Select(name => ScoreClass(name, [.. byClass[name]]))];
        Count = samples.Count;
        Valid = samples.Count(sample => sample.Valid);
        _ious = [.. samples.Select(sample => sample.Iou).Order()];
        _dices = [.. samples.Select(sample => sample.Dice).Order()];
    }

    /// <summary>One row per class, also for listed classes that have no sample.</summary>
    public IReadOnlyList<ClassScore> Classes { get; }

    /// <summary>Number of samples, failures included.</summary>
    public int Count { get; }

    /// <summary>Number of samples with a valid answer.</summary>
    public int Valid { get; }

    /// <summary>mIoU: see <see cref="Mean"/>.</summary>
    public double MeanIou => Mean(Classes, row => row.Iou);

    /// <summary>mDice: see <see cref="Mean"/>.</summary>
    public double MeanDice => Mean(Classes, row => row.Dice);

    /// <summary>Median IoU over all samples, failures as 0; 0 without samples.</summary>
    public double MedianIou => Median(_ious);

    /// <summary>Median Dice over all samples, failures as 0; 0 without samples.</summary>
    public double MedianDice => Median(_dices);

    /// <summary>wIoU: see <see cref="Weighted"/>.</summary>
    public double WeightedIou(ClassWeighting weighting = ClassWeighting.AllSamples) => Weighted(Classes, row => row.Iou, weighting);

    /// <summary>wDice: see <see cref="Weighted"/>.</summary>
    public double WeightedDice(ClassWeighting weighting = ClassWeighting.AllSamples) => Weighted(Classes, row => row.Dice, weighting);

    /// <summary>Share of all samples whose IoU is above a threshold; 0 without samples.</summary>
    /// <param name="threshold">0.5 or 0.3 in the literature.</param>
    /// <param name="inclusive">Count an IoU equal to the threshold, too; the authors' evaluation does not.</param>
    public double Accuracy(double threshold, bool inclusive = false)
    {
        var bar = inclusive ? threshold - Rounding : threshold + Rounding;
        return Count == 0 ? 0 : _ious.Count(iou => iou > bar) / (double)Count;
    }

    /// <summary>
    /// The unweighted average over the classes: the paper's "mean". A class without a valid answer counts 0. A class
    /// without a sample was not asked and does not count; all eight of MS-CXR have samples.
    /// </summary>
    public static double Mean(IReadOnlyList<ClassScore> classes, Func<ClassScore, double> measure) =>
        classes.Where(row => row.Count > 0).Select(measure).DefaultIfEmpty(0).Average();

    /// <summary>The average over the classes, each as many times as it has samples: the paper's "wIoU" and "wDice".</summary>
    public static double Weighted(
        IReadOnlyList<ClassScore> classes, Func<ClassScore, double> measure, ClassWeighting weighting = ClassWeighting.AllSamples)
    {
        var (sum, weight) = (0d, 0L);
        foreach (var row in classes)
        {
            if (weighting is ClassWeighting.ClassesWithValue && !row.HasValue) continue;
            sum += row.Count * measure(row);
            weight += row.Count;
        }

        return weight == 0 ? 0 : sum / weight;
    }

    private static ClassScore ScoreClass(string name, IReadOnlyList<SampleScore> samples) => new(
        name,
        samples.Count,
        samples.Count(sample => sample.Valid),
        samples.Select(sample => sample.Iou).DefaultIfEmpty(0).Average(),
        samples.Select(sample => sample.Dice).DefaultIfEmpty(0).Average());

    private static double Median(double[] sorted) =>
        sorted.Length == 0 ? 0 : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
}
