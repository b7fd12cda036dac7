using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Auditing;

/// <summary>What figures must do under a change.</summary>
internal enum AuditLaw
{
    /// <summary>None moves.</summary>
    Equal,

    /// <summary>All are 1.</summary>
    One,

    /// <summary>All are 0.</summary>
    Zero,

    /// <summary>IoU, Dice and average precision fall, to a known number where there is one; the others do not rise.</summary>
    Falls,
}

/// <summary>A change of the truth and the answers, and what the figures must do.</summary>
/// <param name="Change">What is done, in words.</param>
/// <param name="Law">What must happen.</param>
/// <param name="Before">Truth and answers without the change.</param>
/// <param name="After">Truth and answers with it.</param>
/// <param name="Known">Figures of all rows after the change, where they are known without scoring.</param>
internal sealed record AuditCase(string Change, AuditLaw Law, IReadOnlyList<Prediction> Before, IReadOnlyList<Prediction> After,
    KnownFigures? Known = null)
{
    private const double Rounding = 1e-9;

    /// <summary>The changes that make sense for all answers: the order of the rows, the size of all, and no answer.</summary>
    /// <param name="predictions">The file's truth and answers.</param>
    /// <param name="options">How they are scored.</param>
    /// <param name="note">Hears which of them are left out, and why.</param>
    public static IEnumerable<AuditCase> OfAnswers(
        IReadOnlyList<Prediction> predictions, ScoringOptions options, Action<string> note)
    {
        if (options.Protocol == Protocol.Map50 && HasTies(predictions, options.Rule))
            note("map50 without rows in another order: of equally certain boxes the first in the file counts first.");
        else yield return new AuditCase("rows in another order", AuditLaw.Equal, predictions, Shuffled(predictions));
        if (options.AddsPixel || options.Rule == AnswerRule.Strict)
            note("Without pictures twice as large: the added pixel, or the half pixel of the strict rule, does not grow with them.");
        else if (predictions.Any(row => row.MapPlace is not null))
            note("Without pictures twice as large: a map with a place is enlarged to whole pixels, which are finer there.");
        else yield return new AuditCase("picture, truth and answers twice as large", AuditLaw.Equal, predictions,
                [.. predictions.Select(AuditBoxes.Twice)]);
        yield return new AuditCase("no answers", AuditLaw.Zero, predictions, [.. predictions.Select(row => row with
        {
            Answer = null, Boxes = row.HeatMap is null ? [] : null, HeatMap = null, MapPlace = null,
            Confidence = null, Reading = null, BrokenPicture = null,
        })]);
    }

    /// <summary>Whether a figure did what it must.</summary>
    /// <param name="metric">Which figure.</param>
    /// <param name="row">The row: a class, or null with <paramref name="isMean"/> for those over all classes.</param>
    /// <param name="isMean">The row without a class is the mean over the classes; otherwise it is weighted.</param>
    /// <param name="before">Its value before the change.</param>
    /// <param name="after">Its value after it.</param>
    /// <param name="options">How it was scored.</param>
    public bool Holds(Metric metric, string? row, bool isMean, double before, double after, ScoringOptions options) => Law switch
    {
        AuditLaw.Equal => Math.Abs(after - before) < Rounding,
        AuditLaw.One => Math.Abs(after - 1) < Rounding,
        AuditLaw.Zero => after == 0,
        _ when Known?.Of(metric, row, isMean) is { } known => Math.Abs(after - known) < Rounding,
        _ when row is null && MustFall(metric, options) => after < before - Rounding, // a change need not touch every class
        _ => after < before + Rounding,
    };

    /// <summary>Thresholds and medians may stay; so may average precision where an added pixel makes small boxes alike.</summary>
    private static bool MustFall(Metric metric, ScoringOptions options) => metric switch
    {
        Metric.Iou or Metric.Dice => true,
        Metric.MedianIou or Metric.MedianDice or Metric.Accuracy30 or Metric.Accuracy50 => false,
        _ => !options.AddsPixel,
    };

    /// <summary>Another order, in which the rows of one phrase keep theirs: the first of them may speak for it.</summary>
    private static List<Prediction> Shuffled(IReadOnlyList<Prediction> predictions)
    {
        var order = new CounterRandom(0, "audit").Permutation(predictions.Count);
        var phrases = order.Select(at => predictions[at].PhraseKey).Zip(order)
            .GroupBy(row => row.First).SelectMany(same => same.Select(row => row.Second).Order().Zip(same.Select(row => row.Second)))
            .ToDictionary(row => row.Second, row => row.First); // which row stands where another one was drawn
        return [.. order.Select(at => predictions[phrases[at]])];
    }

    /// <summary>Boxes of different phrases are equally certain, so that their order in the file counts.</summary>
    private static bool HasTies(IReadOnlyList<Prediction> predictions, AnswerRule rule) =>
        predictions.DistinctBy(row => row.PhraseKey).GroupBy(row => row.Class).Any(same => same.SelectMany(row =>
        {
            var read = AnswerReader.Read(row, rule, single: false);
            return read.Boxes.Select((_, i) => read.Confidence?[i] ?? 1).Concat(read.Dropped.Select(box => box.Confidence))
                .Select(sure => (sure, row.Rank)).Distinct();
        }).CountBy(sure => sure).Any(sure => sure.Value > 1));
}

/// <summary>Figures that follow from what each sample must score.</summary>
/// <param name="samples">The class, IoU and Dice of each sample.</param>
internal sealed class KnownFigures(IReadOnlyList<(string Class, double Iou, double Dice)> samples)
{
    /// <summary>The known figures when every sample scores the same.</summary>
    public static KnownFigures OfEach(IEnumerable<Prediction> rows, double iou, double dice) =>
        new([.. rows.Select(row => (row.Class, iou, dice))]);

    /// <summary>The figure of a class or, without one, over all of them; null where it is not known.</summary>
    public double? Of(Metric metric, string? row, bool isMean)
    {
        Func<(string Class, double Iou, double Dice), double>? value = metric switch
        {
            Metric.Iou => sample => sample.Iou,
            Metric.Dice => sample => sample.Dice,
            Metric.Accuracy30 => sample => sample.Iou > 0.3 ? 1 : 0,
            Metric.Accuracy50 => sample => sample.Iou > 0.5 ? 1 : 0,
            _ => null,
        };
        return value is null ? null
            : row is not null ? samples.Where(sample => sample.Class == row).Average(value)
            : isMean ? samples.GroupBy(sample => sample.Class).Average(same => same.Average(value))
            : samples.Average(value);
    }
}
