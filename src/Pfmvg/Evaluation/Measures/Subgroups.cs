using System.Globalization;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Measures;

/// <summary>Scores of groups of samples, each beside the samples that have another value of the same trait.</summary>
/// <param name="Figures">
/// Of each group, a row such as <c>side=left</c>: its scores, and their differences to the rest (<c>iou_minus_rest</c>).
/// </param>
/// <param name="Notes">What a reader must know of the groups.</param>
internal sealed record Subgroups(IReadOnlyList<Figure> Figures, IReadOnlyList<string> Notes)
{
    /// <summary>What is behind the name of a difference.</summary>
    public const string Difference = "_minus_rest";

    private const int MostGroups = 12, FewPatients = 20;

    /// <summary>Groups by whatever trait the samples have at least two values of.</summary>
    /// <param name="table">The scores: their protocol's samples and options.</param>
    /// <param name="predictions">What was scored.</param>
    public static Subgroups Of(ScoreTable table, IReadOnlyList<Prediction> predictions)
    {
        var options = table.Options;
        var precision = options.Protocol == Protocol.Map50;
        // Average precision needs the boxes where nothing was asked, and the file's order.
        var samples = precision ? SampleScorer.Score(predictions, options) : Scorer.InOrder(table.Samples);
        var clusters = Scorer.InOrder(samples).Select(sample => sample.Cluster).Distinct().Index().ToDictionary(c => c.Item, c => c.Index);
        List<string> notes = [];
        List<(string Row, string Metric, Statistic Group, Statistic Others)> columns = [];
        List<string> small = [];
        foreach (var (trait, values) in Split(samples, predictions, notes))
        {
            var known = Enumerable.Range(0, samples.Count).Where(i => values[i] is not null).ToList();
            var groups = known.Select(i => values[i]!).Distinct().ToList();
            if (groups.Count > MostGroups) notes.Add($"{trait}: {groups.Count} values, more than the {MostGroups} that are shown.");
            if (groups.Count is < 2 or > MostGroups) continue;
            if (known.Count < samples.Count) notes.Add($"{trait}: known of {known.Count} of {samples.Count} samples.");
            foreach (var value in groups.OrderBy(Place).ThenBy(value => value, StringComparer.Ordinal))
            {
                var inside = known.Where(i => values[i] == value).Select(i => samples[i]).ToList();
                var rest = known.Where(i => values[i] != value).Select(i => samples[i]).ToList();
                if (inside.DistinctBy(sample => sample.Cluster).Count() < FewPatients) small.Add($"{trait}={value}");
                foreach (var ((metric, one), (_, other)) in Statistics(inside).Zip(Statistics(rest)))
                    columns.Add(($"{trait}={value}", metric, one, other));
            }
        }

        var estimates = Bootstrap.Estimates(clusters.Count, options.Resamples, options.Seed, 2 * columns.Count, (drawn, values) =>
        {
            for (var c = 0; c < columns.Count; c++)
            {
                values[2 * c] = columns[c].Group.Evaluate(drawn).Value;
                values[2 * c + 1] = values[2 * c] - columns[c].Others.Evaluate(drawn).Value;
            }
        }, options.Intervals);
        var once = new int[clusters.Count];
        Array.Fill(once, 1);
        List<Figure> figures = [];
        foreach (var (c, (row, metric, group, remaining)) in columns.Index())
        {
            var (n, others) = ((int)group.Evaluate(once).Count, (int)remaining.Evaluate(once).Count);
            figures.Add(MeasureTable.ToFigure(row, metric, estimates[2 * c], n));
            figures.Add(MeasureTable.ToFigure(row, metric + Difference, estimates[2 * c + 1], n + others));
        }

        if (small.Count > 0) notes.Add($"Fewer than {FewPatients} {table.ClusterKind}s: {string.Join(", ", small)}.");
        return new Subgroups(figures, notes);

        IEnumerable<(string Metric, Statistic Of)> Statistics(List<ScoredSample> members)
        {
            if (precision)
            {
                yield return ("ap@0.5", new WeightedStatistic([.. members.GroupBy(sample => sample.Prediction.Class).Select(same =>
                    BoxMeasures.AveragePrecision([.. same], [.. same.Select(sample => clusters[sample.Cluster])], [0.5], options))]));
                yield break;
            }

            int[] of = [.. members.Select(sample => clusters[sample.Cluster])];
            yield return ("iou", new MeanStatistic([.. members.Select(sample => sample.Iou)], of));
            yield return ("dice", new MeanStatistic([.. members.Select(sample => sample.Dice)], of));
            yield return ("acc@0.5",
                new MeanStatistic([.. members.Select(sample => TableStatistics.IsBeyond(sample.Iou, 0.5, options) ? 1.0 : 0)], of));
        }
    }

    /// <summary>The traits with each sample's value; null where it has none.</summary>
    private static IEnumerable<(string Trait, string?[] Values)> Split(
        List<ScoredSample> samples, IReadOnlyList<Prediction> predictions, List<string> notes)
    {
        var boxes = predictions.GroupBy(prediction => prediction.PhraseKey)
            .ToDictionary(same => same.Key, same => same.SelectMany(prediction => prediction.Truth).Distinct().Count());
        var sizes = samples.ConvertAll(sample => new Region(sample.Truth).Area / sample.Prediction.Width / sample.Prediction.Height);
        double[] sorted = [.. sizes.Where(size => size > 0).Order()];
        var (low, high) = (Bootstrap.Quantile(sorted, 1 / 3.0), Bootstrap.Quantile(sorted, 2 / 3.0));
        notes.Add(string.Create(CultureInfo.InvariantCulture,
            $"size: thirds by the share of the picture that the true boxes cover, small up to {low:0.0 %}, large above {high:0.0 %}."));
        yield return ("sex", Each(sample => sample.Prediction.Traits.Sex));
        yield return ("age", Each(sample => sample.Prediction.Traits.Age));
        yield return ("view", Each(sample => sample.Prediction.Traits.View));
        yield return ("source", Each(sample => sample.Prediction.Traits.Source));
        yield return ("scanner", Each(sample => sample.Prediction.Traits.Scanner));
        yield return ("side", Each(sample => SideWords.Find(sample.Prediction.Phrase).Side.ToString().ToLowerInvariant()));
        yield return ("boxes", Each(sample => boxes[sample.Prediction.PhraseKey] switch { 0 => null, 1 => "one", _ => "several" }));
        yield return ("size", [.. sizes.Select(size => size == 0 ? null : size <= low ? "small" : size <= high ? "medium" : "large")]);
        yield return ("words", Each(sample => sample.Prediction.Phrase.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length
            switch { <= 3 => "1-3", <= 7 => "4-7", _ => "8+" }));

        string?[] Each(Func<ScoredSample, string?> value) => [.. samples.Select(value)];
    }

    // Names that have an order of their own.
    private static int Place(string value) => value switch { "small" => 0, "medium" => 1, "large" => 2, "none" => 9, _ => 0 };
}
