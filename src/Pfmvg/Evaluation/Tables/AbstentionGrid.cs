using System.Globalization;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Tables;

/// <summary>What a model does with phrases that name nothing in the picture, laid out for print.</summary>
internal static class AbstentionGrid
{
    /// <summary>The scores with the figures of abstention beside them, and their table.</summary>
    /// <param name="table">The scores, which stay as they are.</param>
    /// <param name="predictions">The answers behind them.</param>
    /// <param name="negatives">Answers to phrases that name nothing.</param>
    public static (ScoreTable Table, TextGrid Grid) Beside(
        ScoreTable table, IReadOnlyList<Prediction> predictions, IReadOnlyList<AnsweredNegative> negatives)
    {
        var figures = AbstentionMeasures.Of(predictions, negatives, table.Options);
        var rules = Rules(predictions, negatives);
        var grid = new TextGrid("Abstention", ["measure", "n", "value"],
        [
            Row("sensitivity", All(AbstentionMeasures.Sensitivity)),
            .. OfKinds(AbstentionMeasures.Sensitivity).Select(figure => Row($"  {AbstentionMeasures.KindOf(figure)}", figure)),
            Row("specificity", All(AbstentionMeasures.Specificity)),
            Row("false boxes per negative", All(AbstentionMeasures.FalseBoxes)),
            .. OfKinds(AbstentionMeasures.FalseBoxes).Select(figure => Row($"  {AbstentionMeasures.KindOf(figure)}", figure)),
        ], rules);
        return (table with { Further = [.. table.Further, .. figures], FurtherRules = [.. table.FurtherRules, .. rules] }, grid);

        Figure? All(string metric) => figures.FirstOrDefault(figure => figure.Row == "weighted" && figure.Metric == metric);

        IEnumerable<Figure> OfKinds(string metric) =>
            figures.Where(figure => figure.Metric == metric && AbstentionMeasures.KindOf(figure) is not null);
    }

    private static IReadOnlyList<string> Rules(IReadOnlyList<Prediction> predictions, IReadOnlyList<AnsweredNegative> negatives)
    {
        var asked = predictions.Where(prediction => prediction.Truth.Count > 0).ToList();
        return
        [
            $"Negatives: {negatives.Count} phrases that name nothing in their picture (eval.negatives), beside the {asked.Count} of the "
                + "scores and no part of them.",
            "sensitivity: share of negatives that are answered by no box; specificity: share of phrases with a true box that are answered "
                + "by one; false boxes: boxes in answers to negatives.",
            $"'none' is the answer to {AbstentionMeasures.SayNothing(asked)} of {asked.Count} phrases with a true box, which score IoU 0, "
                + $"and to {AbstentionMeasures.SayNothing(negatives.Select(negative => negative.Answer))} of {negatives.Count} negatives.",
        ];
    }

    private static IReadOnlyList<string> Row(string name, Figure? figure) =>
    [
        name, (figure?.N ?? 0).ToString(CultureInfo.InvariantCulture), figure?.Value is not { } value ? "n/a"
            : ScoreGrid.Cell(new Estimate(value, figure.Low ?? double.NaN, figure.High ?? double.NaN)),
    ];
}
