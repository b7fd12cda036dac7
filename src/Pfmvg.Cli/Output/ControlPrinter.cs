using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Output;

/// <summary>The controls beside a model's scores, for every command that evaluates one.</summary>
internal static class ControlPrinter
{
    public const string Description = "Also ask the model about blank and about other patients' pictures, answer by constant boxes, and exchange phrases: what of the score comes from looking.";

    /// <summary>Refuses rules under which controls cannot be compared, before any work.</summary>
    public static void Check(ScoringOptions options)
    {
        if (options.Protocol == Protocol.Map50) throw new InputException("--controls compares sample by sample, and average precision belongs to no single sample; choose another --protocol.");
        if (options.Protocol == Protocol.MaskThresholds) throw new InputException("--controls answers with boxes, which the protocol mask-thresholds does not score; choose another --protocol.");
    }

    /// <summary>
    /// What the model is better by than its controls, and whether its boxes follow the phrases; nothing where the
    /// controls were not asked for.
    /// </summary>
    public static IReadOnlyList<TextGrid> Tables(ScoreTable model, EvaluationResult result)
    {
        if (result.Controls.Count == 0) return [];
        var controls = ControlGrid.Controls(model,
            result.Controls.ToDictionary(control => control.Key, control => Scorer.Score(control.Value, model.Options)));
        return PhraseSwap.Measure(result.Predictions, model.Options) is { } swap
            ? [controls, ControlGrid.PhraseSwaps(swap, model.Options)] : [controls];
    }
}
