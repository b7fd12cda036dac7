using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Output;

/// <summary>The controls beside a model's scores, for all commands that evaluate a model.</summary>
internal static class ControlPrinter
{
    public const string Description = "Also evaluate controls: blank pictures, other patients' pictures, constant boxes (beside heat "
        + "maps: constant maps) and exchanged phrases. They show how much of the score comes from looking at the picture.";

    /// <summary>Refuses scoring rules under which controls cannot be compared.</summary>
    public static void Check(ScoringOptions options)
    {
        if (options.Protocol == Protocol.Map50)
            throw new InputException("--controls compares sample by sample, and average precision belongs to no single sample; "
                + "choose another --protocol.");
        if (options.Protocol == Protocol.MaskThresholds)
            throw new InputException("--controls answers with boxes, which the protocol mask-thresholds does not score; "
                + "choose another --protocol.");
    }

    /// <summary>
    /// How much better the model is than its controls, and whether its boxes follow the phrases. Empty when no controls were
    /// evaluated.
    /// </summary>
    public static IReadOnlyList<TextGrid> Tables(ScoreTable model, EvaluationResult result)
    {
        if (result.Controls.Count == 0) return [];
        var controls = ControlGrid.Controls(model, Scores(model, result));
        return PhraseSwap.Measure(result.Predictions, model.Options) is { } swap
            ? [controls, WithModel(ControlGrid.PhraseSwaps(swap, model.Options))] : [controls];

        TextGrid WithModel(TextGrid grid) => grid with { Notes = [.. grid.Notes, .. model.Notes.Where(UsedCheckpoint.IsNote)] };
    }

    /// <summary>The same as lines of a tidy table: every figure of the controls, and the differences with their p values.</summary>
    /// <param name="model">Scores of the model.</param>
    /// <param name="result">Its answers and those of the controls.</param>
    /// <param name="own">What the model's answers are called.</param>
    public static IEnumerable<TidyRow> Tidy(ScoreTable model, EvaluationResult result, string own = "model")
    {
        foreach (var (control, scores) in Scores(model, result).OrderBy(pair => pair.Key))
        {
            var name = control.ToString().ToLowerInvariant();
            foreach (var row in TidyTable.RowsOf(scores, name)) yield return row;
            var difference = $"{own} - {name}";
            foreach (var row in TidyComparison.Rows(Comparison.Between(scores, model), name, own))
                if (row.Answers == difference) yield return row;
        }

        if (result.Controls.Count == 0 || PhraseSwap.Measure(result.Predictions, model.Options) is not { } swap) yield break;
        foreach (var (metric, figure) in (IEnumerable<(string, Estimate)>)
            [("moved", swap.Moved), ("iou_asked", swap.AskedIou), ("iou_other", swap.OtherIou)])
            yield return new TidyRow("phrase_swap", metric, figure.Value, figure.Low, figure.High, swap.Cases, model.Protocol.Name,
                TidyTable.Rule(model.Options), own);
    }

    private static Dictionary<ControlCondition, ScoreTable> Scores(ScoreTable model, EvaluationResult result) =>
        result.Controls.ToDictionary(control => control.Key, control => Scorer.Score(control.Value, model.Options));
}
