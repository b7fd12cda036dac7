using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Measures;

/// <summary>The measures beside a score table's rows, from the same answers under the same rules.</summary>
internal static class FurtherMeasures
{
    /// <summary>The figures of some measures.</summary>
    /// <param name="table">The scores; their samples are those of accuracies and heat maps.</param>
    /// <param name="predictions">What was scored; every other measure is about its phrases, whatever the protocol.</param>
    /// <param name="asked">The measures.</param>
    public static IReadOnlyList<Figure> Of(ScoreTable table, IReadOnlyList<Prediction> predictions, IReadOnlyList<MeasureRequest> asked)
    {
        if (table.Options.Protocol == Protocol.MaskThresholds)
        {
            var maps = MapMeasures.Read(table.Samples, table.Options);
            return Figures(maps, map => map.Sample, asked.SelectMany(OfMaps));
        }

        var ofPhrases = asked.Where(request => request.Kind != MeasureKind.Acc).ToList();
        IReadOnlyList<Figure> figures = [];
        if (ofPhrases.Count > 0)
            figures = Figures(AnsweredPhrase.Read(predictions, table.Options), phrase => phrase.Sample, ofPhrases.SelectMany(OfPhrases));
        return [.. Figures([.. table.Samples], sample => sample, asked.Where(request => request.Kind == MeasureKind.Acc).Select(Accuracy)),
            .. figures];

        IReadOnlyList<Figure> Figures<T>(List<T> items, Func<T, ScoredSample> sampleOf, IEnumerable<Column<T>> columns)
        {
            // The table's own order of samples and classes, so that the same measure has the same interval.
            var sorted = items.OrderBy(item => sampleOf(item).FirstId, StringComparer.Ordinal)
                .ThenBy(item => sampleOf(item).Id, StringComparer.Ordinal).ToList();
            var clusters = sorted.Select(item => sampleOf(item).Cluster).Distinct().Index().ToDictionary(c => c.Item, c => c.Index);
            var classes = items.Select(item => sampleOf(item).Prediction.Class).Distinct().ToHashSet();
            List<string> names = [.. Scorer.ClassOrder.Where(classes.Contains),
                .. classes.Except(Scorer.ClassOrder).Order(StringComparer.Ordinal)];
            return MeasureTable.Figures(names, [.. columns.Select(column => new Measure(column.Name, [.. names.Select(name =>
            {
                var members = (column.InOrderOfFile ? items : sorted).FindAll(item => sampleOf(item).Prediction.Class == name);
                return column.Make(members, [.. members.Select(item => clusters[sampleOf(item).Cluster])]);
            })]))], clusters.Count, table.Options);
        }

        Column<ScoredSample> Accuracy(MeasureRequest request) => Mean<ScoredSample>($"acc@{At(request)}",
            sample => (TableStatistics.IsBeyond(sample.Iou, request.Threshold!.Value, table.Options) ? 1 : 0, 1));

        IEnumerable<Column<AnsweredPhrase>> OfPhrases(MeasureRequest request)
        {
            var (options, threshold) = (table.Options, request.Threshold ?? 0);
            switch (request.Kind)
            {
                case MeasureKind.Map:
                    yield return new Column<AnsweredPhrase>(request.Threshold is null ? "map@[.5:.95]" : $"map@{At(request)}",
                        (phrases, clusters) => BoxMeasures.AveragePrecision([.. phrases.Select(phrase => phrase.Sample)], clusters,
                            request.Threshold is null ? MeasureRequest.CocoThresholds : [threshold], options), InOrderOfFile: true);
                    break;
                case MeasureKind.Regions:
                    yield return Boxes("precision", match => (match.Pairs, match.Predicted));
                    yield return Boxes("recall", match => (match.Pairs, match.True));
                    yield return Boxes("f1", match => (2 * match.Pairs, match.Predicted + match.True));
                    break;
                case MeasureKind.Set:
                    yield return Mean<AnsweredPhrase>($"set_f1@{At(request)}", phrase => SetMeasures.F1(phrase, threshold, options));
                    yield return Mean<AnsweredPhrase>($"set_exact@{At(request)}", phrase => SetMeasures.Exact(phrase, threshold, options));
                    break;
                case MeasureKind.Pointing:
                    yield return Mean<AnsweredPhrase>("pointing", phrase => BoxMeasures.Pointing(phrase, options));
                    break;
                case MeasureKind.Center:
                    yield return Mean<AnsweredPhrase>("center_error", BoxMeasures.RelativeCenterError);
                    yield return Mean<AnsweredPhrase>("center_error_px", BoxMeasures.CenterError);
                    break;
                case MeasureKind.RadFact:
                    yield return Mean<AnsweredPhrase>("radfact_precision", phrase => SetMeasures.RadFactPrecision(phrase, options));
                    yield return Mean<AnsweredPhrase>("radfact_recall", phrase => SetMeasures.RadFactRecall(phrase, options));
                    break;
                case MeasureKind.Coverage:
                    yield return Mean<AnsweredPhrase>("coverage", phrase => SetMeasures.Coverage(phrase, options));
                    yield return Mean<AnsweredPhrase>("iobb", phrase => SetMeasures.Iobb(phrase, options));
                    break;
                case MeasureKind.Abstention:
                    yield return Mean<AnsweredPhrase>("n_acc", SetMeasures.NoTarget);
                    yield return Mean<AnsweredPhrase>("t_acc", SetMeasures.Target);
                    break;
                case MeasureKind.Boxes:
                    yield return Mean<AnsweredPhrase>("count_right", BoxSetMeasures.CountRight);
                    yield return Mean<AnsweredPhrase>("set_iou", phrase => BoxSetMeasures.Iou(phrase, options));
                    break;
                default: throw new InvalidOperationException($"{request.Kind} is no measure of phrases.");
            }

            Column<AnsweredPhrase> Boxes(string name, Func<(int Pairs, int Predicted, int True), (double, int)> count) =>
                Mean<AnsweredPhrase>($"{name}@{At(request)}", phrase => count(BoxMeasures.Match(phrase, threshold, options)));
        }
    }

    private static IEnumerable<Column<MapMeasures>> OfMaps(MeasureRequest request) => request.Kind switch
    {
        MeasureKind.Pointing => [Mean<MapMeasures>("pointing", map => (map.Hit ? 1 : 0, 1))],
        MeasureKind.Cnr =>
        [
            Mean<MapMeasures>("cnr", map => (map.Contrast ?? 0, map.Contrast is null ? 0 : 1)),
            Mean<MapMeasures>("cnr_abs", map => (Math.Abs(map.Contrast ?? 0), map.Contrast is null ? 0 : 1)),
        ],
        _ => HeatMap.Thresholds.SelectMany((threshold, t) => (Column<MapMeasures>[])
        [
            Mean<MapMeasures>($"iou@mask{MeasureRequest.Text(threshold)}", map => (map.Overlaps[t].Iou, 1)),
            Mean<MapMeasures>($"dice@mask{MeasureRequest.Text(threshold)}", map => (map.Overlaps[t].Dice, 1)),
        ]),
    };

    private static string At(MeasureRequest request) => MeasureRequest.Text(request.Threshold!.Value);

    private static Column<T> Mean<T>(string name, Func<T, (double Sum, int Units)> part) => new(name, (items, clusters) =>
    {
        var parts = items.ConvertAll(item => part(item));
        return new RatioStatistic([.. parts.Select(p => p.Sum)], [.. parts.Select(p => p.Units)], clusters);
    });

    /// <summary>How a measure's statistic of a class is made.</summary>
    private sealed record Column<T>(string Name, Func<List<T>, int[], Statistic> Make, bool InOrderOfFile = false);
}
