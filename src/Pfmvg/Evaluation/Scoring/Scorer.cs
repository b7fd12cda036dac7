using Pfmvg.Evaluation.Predictions;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>From predictions to a score table: samples by the protocol's rule, figures per class, intervals.</summary>
public static class Scorer
{
    /// <summary>What is said of scores on phantoms.</summary>
    internal const string OfPhantoms = "The pictures are synthetic phantoms: these scores say nothing about clinical pictures.";

    private const int FewPatients = 20;

    private static readonly string[] Order =
        ["Pneumonia", "Pneumothorax", "Consolidation", "Atelectasis", "Edema", "Cardiomegaly", "Lung Opacity", "Pleural Effusion"];

    /// <summary>MS-CXR's classes in the paper's order.</summary>
    public static IReadOnlyList<string> ClassOrder => Order;

    private static readonly Metric[] Overlap =
        [Metric.Iou, Metric.Dice, Metric.MedianIou, Metric.MedianDice, Metric.Accuracy30, Metric.Accuracy50];

    private static readonly Metric[] Precision = [Metric.AveragePrecision50, Metric.AveragePrecision50AllPoints];

    /// <summary>Scores the predictions under the options' protocol.</summary>
    /// <exception cref="InputException">The protocol finds nothing to score, or cannot score this kind of answer.</exception>
    public static ScoreTable Score(IReadOnlyList<Prediction> predictions, ScoringOptions? options = null)
    {
        options ??= new ScoringOptions();
        if (predictions.Any(prediction => prediction.Synthetic)) options = options with { Synthetic = true };
        var scored = SampleScorer.Score(predictions, options);
        var samples = scored.FindAll(sample => sample.Truth.Count > 0); // the others are boxes where nothing was asked
        if (samples.Count == 0)
            throw new InputException($"The protocol {ProtocolDescription.Names[(int)options.Protocol]} finds no sample among the " +
                                     $"{predictions.Count} predictions; choose another with --protocol.");

        var sorted = InOrder(scored);
        var clusters = sorted.Select(sample => sample.Cluster).Distinct().Select((name, index) => (name, index))
            .ToDictionary(c => c.name, c => c.index);
        var names = samples.Select(sample => sample.Prediction.Class).Distinct()
            .OrderBy(name => Array.IndexOf(Order, name) is >= 0 and var at ? at : int.MaxValue)
            .ThenBy(name => name, StringComparer.Ordinal).ToList();
        var classes = names.ConvertAll(name => samples.FindAll(sample => sample.Prediction.Class == name));
        Metric[] metrics = options.Protocol == Protocol.Map50 ? Precision : Overlap;
        // Of equally certain boxes the one that comes first in the file counts first: average precision needs the file's order.
        var counted = options.Protocol == Protocol.Map50 ? scored : sorted;
        var figures = new TableStatistics(
            metrics, names.ConvertAll(name => counted.FindAll(sample => sample.Prediction.Class == name)), clusters, options);
        var rows = figures.Estimate(clusters.Count, options);

        var table = new ScoreTable
        {
            Options = options,
            Protocol = ProtocolDescription.Describe(options),
            Phrases = samples.DistinctBy(sample => sample.Prediction.PhraseKey).Count(),
            Boxes = samples.Sum(sample => sample.Truth.Count),
            Images = samples.DistinctBy(sample => sample.Prediction.Image).Count(),
            Clusters = clusters.Count,
            ClusterKind = predictions.All(prediction => prediction.Patient is not null) ? "patient" : "picture",
            Metrics = metrics,
            Classes = [.. names.Select((name, c) => Row(name, classes[c], rows[c]))],
            Mean = Row("mean", samples, rows[^3]),
            Weighted = Row("weighted", samples, rows[^2]),
            WeightedOverValid = Row("weighted, classes with a valid answer",
                [.. classes.Where(c => c.Any(s => s.Valid)).SelectMany(c => c)], rows[^1]),
            Samples = samples,
            Rules = [.. ScoringRules.Of(predictions, options)],
            Counted = scored,
            Curves = PrecisionRecall.Measure(
                names.Select(name => (name, counted.FindAll(sample => sample.Prediction.Class == name))), options),
            Notes = [.. Notes(predictions, classes, options)],
        };
        return table with { Calibration = Calibration.Measure(table), Agreement = Calibration.OfAgreement(table) };

        ScoreRow Row(string name, IReadOnlyList<ScoredSample> members, IReadOnlyDictionary<Metric, Estimate> values)
        {
            var answers = members.SelectMany(sample => sample.Answers).ToHashSet<AnswerRegion>(ReferenceEqualityComparer.Instance);
            return new ScoreRow
            {
                Name = name,
                Count = options.Protocol == Protocol.Map50 ? members.Sum(sample => sample.Truth.Count) : members.Count,
                Samples = members.Count,
                Valid = members.Count(sample => sample.Valid),
                Answers = answers.Count,
                WithRegion = answers.Count(answer => answer.GivesRegion),
                Flaws = answers.Where(answer => answer.Flaw != Flaw.None).CountBy(answer => answer.Flaw).ToDictionary(),
                Figures = values,
            };
        }
    }

    /// <summary>
    /// Samples in an order of their own, by their identifiers, so that sums and draws do not depend on the order of the rows that they
    /// come from.
    /// </summary>
    internal static List<ScoredSample> InOrder(IEnumerable<ScoredSample> samples) =>
        [.. samples.OrderBy(sample => sample.FirstId, StringComparer.Ordinal).ThenBy(sample => sample.Id, StringComparer.Ordinal)];

    private static IEnumerable<string> Notes(
        IReadOnlyList<Prediction> predictions, List<List<ScoredSample>> classes, ScoringOptions options)
    {
        if (options.Synthetic) yield return OfPhantoms;
        foreach (var (reading, answers) in predictions.Where(prediction => prediction.Reading is not null)
            .CountBy(prediction => prediction.Reading!))
            yield return $"{answers} answers are {reading}.";
        var crowds = predictions.Sum(prediction => prediction.Crowds.Count);
        if (crowds > 0)
            yield return options.Protocol == Protocol.Map50
                ? "Boxes that lie in an iscrowd region count neither way, as COCO has it."
                : "Regions marked iscrowd are no questions.";
        if (options.Protocol == Protocol.Map50
            && predictions.Where(prediction => prediction.Truth.Count == 0)
                .Sum(prediction => prediction.Boxes?.Count ?? 0) is > 0 and var stray)
            yield return $"{stray} boxes lie on pictures without their class: false positives, as COCO counts them.";
        if (options.Protocol == Protocol.Map50
            && classes.SelectMany(c => c).Any(sample => sample.Predicted.Count > 0 && sample.Confidence is null))
            yield return "Some answers have no confidence: their boxes count as certain (1.0), equal ones in the file's order.";
        if (predictions.Any(prediction => prediction.Patient is null))
            yield return "Not every sample names a patient: the intervals treat pictures as independent and may be too narrow.";
        var all = classes.SelectMany(samples => samples).DistinctBy(sample => sample.Cluster).Count();
        var small = classes.Where(samples => samples.DistinctBy(sample => sample.Cluster).Count() < FewPatients)
            .Select(samples => samples[0].Prediction.Class).ToList();
        if (options.Resamples > 0 && small.Count > 0)
            yield return $"Fewer than {FewPatients} patients: {string.Join(", ", small)}. Intervals of so few are too narrow, "
                + $"and with them that of the mean{(all < FewPatients ? " and of the weighted row" : "")} (see docs/evaluation.md).";
    }
}
