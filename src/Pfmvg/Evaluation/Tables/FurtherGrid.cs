using System.Globalization;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Tables;

/// <summary>The numbers beside a score table's rows, laid out for print. Those of single classes are in scores.json only.</summary>
internal static class FurtherGrid
{
    /// <summary>One line for each measure: all samples together, and the mean over the classes.</summary>
    public static TextGrid Measures(ScoreTable table)
    {
        var figures = table.Further.GroupBy(figure => figure.Metric);
        return new TextGrid("Further measures", ["measure", "n", "weighted", "mean over the classes"],
            [.. figures.Select(measure => (IReadOnlyList<string>)[measure.Key, Number(Row(measure, "weighted")!.N),
                Cell(Row(measure, "weighted")), Cell(Row(measure, "mean"))])],
            table.FurtherRules);
    }

    /// <summary>How the measures are defined.</summary>
    public static IReadOnlyList<string> Rules(IEnumerable<MeasureRequest> asked) =>
        [.. asked.Select(request => $"{request.Rule}.").Distinct(),
            "weighted: all units of n together; mean: over the classes that have units."];

    /// <summary>One line for each group: its scores, and how they differ from the rest of the samples.</summary>
    public static TextGrid Groups(ScoreTable table, Subgroups groups)
    {
        string[] shown = table.Options.Protocol == Protocol.Map50 ? ["ap@0.5"] : ["iou", "acc@0.5"];
        var rows = groups.Figures.GroupBy(figure => figure.Row);
        return new TextGrid("Subgroups", ["group", "n", .. shown.SelectMany(metric => (string[])[metric, "minus the rest"])],
            [.. rows.Select(row => (IReadOnlyList<string>)[row.Key, Number(row.First().N), .. shown.SelectMany(metric => (string[])
            [
                Cell(row.FirstOrDefault(figure => figure.Metric == metric)),
                Cell(row.FirstOrDefault(figure => figure.Metric == metric + Subgroups.Difference), signed: true),
            ])])],
            [
                "The rest: the samples with another value. Differences are of the same resamples, and their intervals are not corrected "
                    + "for the number of groups; groups can differ in their classes, too.",
                .. groups.Notes,
            ]);
    }

    /// <summary>The two confidences side by side; null where there is only one.</summary>
    public static TextGrid? Confidences(ScoreTable table)
    {
        if (table.Agreement is not { } agreement) return null;
        var threshold = table.Options.InclusiveAccuracy ? ">=" : ">";
        return new TextGrid("Confidence", ["confidence", "n", "calibration error", "AUROC", "AURC"],
            [.. new[] { ("token probability", table.Calibration), ("agreement of the draws", agreement) }
                .Where(row => row.Item2 is not null).Select(row => (IReadOnlyList<string>)[row.Item1, Number(row.Item2!.Count),
                    .. new[] { "ece", "auroc", "aurc" }.Select(metric =>
                        Cell(row.Item2.Figures.Single(figure => figure.Row == "calibration" && figure.Metric == metric)))])],
            [$"A sample is right where IoU {threshold} 0.5. AUROC: how likely a right sample is more certain than a wrong one."]);
    }

    private static Figure? Row(IEnumerable<Figure> figures, string name) => figures.FirstOrDefault(figure => figure.Row == name);

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Cell(Figure? figure, bool signed = false)
    {
        if (figure?.Value is not { } value) return "-";
        var estimate = new Estimate(value, figure.Low ?? double.NaN, figure.High ?? double.NaN);
        return signed ? Comparison.Signed(estimate) : ScoreGrid.Cell(estimate);
    }
}
