using System.Globalization;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Tables;

/// <summary>Tables of the controls beside the model.</summary>
public static class ControlGrid
{
    /// <summary>The model and its controls, one per line, with the model's lead over each.</summary>
    /// <param name="model">Scores of the model.</param>
    /// <param name="controls">Scores of the controls' answers to the same questions, under the same rules.</param>
    public static TextGrid Controls(ScoreTable model, IReadOnlyDictionary<ControlCondition, ScoreTable> controls)
    {
        List<IReadOnlyList<string>> rows = [["model", .. Figures(model), "", ""]];
        foreach (var (control, table) in controls.OrderBy(pair => pair.Key))
        {
            var difference = Comparison.Between(table, model).Rows[^1].Figures[Metric.Iou];
            rows.Add([control.ToString().ToLowerInvariant(), .. Figures(table),
                Comparison.Signed(difference.Difference), Comparison.Probability(difference.P)]);
        }

        return new TextGrid($"Does the model look at the picture? Protocol {model.Protocol.Name}",
            ["answers", "wIoU", "mean IoU", "Acc@0.5", "model - control, wIoU", "p"], rows,
        [
            .. controls.Keys.Order().Select(control => control.Describe(model.Options.Protocol == Protocol.MaskThresholds)),
            .. ScoreGrid.Notes(model),
        ]);

        static IEnumerable<string> Figures(ScoreTable table) =>
            [ScoreGrid.Cell(table.Weighted, Metric.Iou), ScoreGrid.Cell(table.Mean, Metric.Iou),
                ScoreGrid.Cell(table.Weighted, Metric.Accuracy50)];
    }

    /// <summary>The exchange of phrases.</summary>
    public static TextGrid PhraseSwaps(PhraseSwap swap, ScoringOptions options)
    {
        var answer = options.Protocol == Protocol.MaskThresholds ? "map" : "box";
        List<string> notes =
        [
            "Every phrase is exchanged for the next one of its picture that means another region; " +
                $"the {answer} moves when its IoU with the asked region is above that with the other.",
            "A model that reads no phrase answers both alike and moves in half of the cases at most.",
        ];
        if (options.Resamples > 0)
            notes.Add(FormattableString.Invariant(
                $"Intervals: 95 %, {options.Resamples:N0} bootstrap resamples of patients, seed {options.Seed}, ")
                + $"{ScoringRules.Method(options.Intervals)}.");
        return new TextGrid(
            $"Does the {answer} follow the phrase?",
            ["phrases exchanged", $"{answer} moves to the asked finding", "IoU with the asked", "IoU with the other"],
            [[swap.Cases.ToString(CultureInfo.InvariantCulture), ScoreGrid.Cell(swap.Moved), ScoreGrid.Cell(swap.AskedIou),
                ScoreGrid.Cell(swap.OtherIou)]],
            notes);
    }
}
