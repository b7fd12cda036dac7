using System.Globalization;
using System.Text.Json;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Tables;

/// <summary>Score tables laid out for print.</summary>
public static class ScoreGrid
{
    /// <summary>The figure's name in a table head.</summary>
    public static string Label(Metric metric) => metric switch
    {
        Metric.Iou => "IoU",
        Metric.Dice => "Dice",
        Metric.MedianIou => "median IoU",
        Metric.MedianDice => "median Dice",
        Metric.Accuracy30 => "Acc@0.3",
        Metric.Accuracy50 => "Acc@0.5",
        Metric.AveragePrecision50 => "AP@0.5",
        _ => "AP@0.5 (all points)",
    };

    /// <summary>The key of a metric, such as "iou" or "acc@0.5".</summary>
    public static string Key(Metric metric) => metric switch
    {
        Metric.Iou => "iou",
        Metric.Dice => "dice",
        Metric.MedianIou => "iou_median",
        Metric.MedianDice => "dice_median",
        Metric.Accuracy30 => "acc@0.3",
        Metric.Accuracy50 => "acc@0.5",
        Metric.AveragePrecision50 => "ap@0.5",
        _ => "ap@0.5_all_points",
    };

    /// <summary>The key of a flaw, such as "too_few_numbers".</summary>
    public static string Key(Flaw flaw) => JsonNamingPolicy.SnakeCaseLower.ConvertName(flaw.ToString());

    /// <summary>What is wrong with an answer, in words.</summary>
    public static string Label(Flaw flaw) => flaw switch
    {
        Flaw.None => "none",
        Flaw.Missing => "missing",
        Flaw.BrokenPicture => "broken picture",
        Flaw.Unanswered => "no answer",
        Flaw.Refused => "refused",
        Flaw.TooLong => "too long",
        Flaw.NoBox => "no box",
        Flaw.TooFewNumbers => "too few numbers",
        Flaw.Malformed => "malformed box",
        Flaw.CutOff => "cut off",
        Flaw.TooManyBoxes => "too many boxes",
        Flaw.NotFinite => "not a number",
        Flaw.OutOfRange => "out of range",
        Flaw.Swapped => "swapped corners",
        Flaw.Empty => "empty box",
        _ => "several boxes",
    };

    /// <summary>One row per class, then the mean and the weighted rows; figures with their intervals.</summary>
    public static TextGrid PerClass(ScoreTable table, bool allMetrics = false)
    {
        Metric[] shown = allMetrics || table.Options.Protocol == Protocol.Map50
            ? [.. table.Metrics] : [Metric.Iou, Metric.Dice, Metric.MedianIou, Metric.Accuracy50];
        List<IReadOnlyList<string>> rows = [];
        foreach (var row in table.Rows)
        {
            if (row == table.WeightedOverValid && table.Classes.All(c => c.Valid > 0)) continue; // the same as weighted
            rows.Add([row.Name, Number(row.Count), .. shown.Select(metric => Cell(row, metric)), Number(row.Flaws.Values.Sum()),
                Number(row.Answers - row.WithRegion)]);
        }

        return new TextGrid($"Scores, protocol {table.Protocol.Name}", ["class", "n", .. shown.Select(Label), "flawed", "no region"], rows,
            Notes(table)) { Cite = [Citation.Of(table)] };
    }

    /// <summary>The rules and numbers that every table is printed with.</summary>
    public static IReadOnlyList<string> Notes(ScoreTable table)
    {
        var flaws = table.Mean.Flaws;
        var counts = flaws.OrderByDescending(flaw => flaw.Value).ThenBy(flaw => flaw.Key).Select(flaw => $"{Label(flaw.Key)} {flaw.Value}");
        List<string> notes =
        [
            .. Rules(table),
            "Weighted: by samples per class, failures 0." +
                (table.Classes.All(row => row.Valid > 0)
                    ? " Every class has a valid answer, so leaving out classes without one changes nothing." : ""),
            flaws.Count == 0 ? "Every answer is well formed."
                : $"Flawed answers: {flaws.Values.Sum()} of {table.Mean.Answers} ({string.Join(", ", counts)}).",
        ];
        if (Intervals(table) is { } intervals) notes.Add(intervals);
        notes.Add(Further(table));
        return [.. notes, .. table.Notes];
    }

    /// <summary>How the intervals were made; null when there are none.</summary>
    public static string? Intervals(ScoreTable table) => table.Options.Resamples == 0 ? null : FormattableString.Invariant(
        $"Intervals: 95 %, {table.Options.Resamples:N0} bootstrap resamples of {table.Clusters} {table.ClusterKind}s, ") +
            $"seed {table.Options.Seed}, {ScoringRules.Method(table.Options.Intervals)}.";

    /// <summary>The protocol's name and rules, with the number of samples.</summary>
    public static IReadOnlyList<string> Rules(ScoreTable table) =>
    [
        $"Protocol {table.Protocol.Name}: a sample is {table.Protocol.Sample}; " +
            $"n = {table.Phrases} phrases, {table.Boxes} boxes, {table.Images} pictures; a row's n counts its "
            + (table.Options.Protocol == Protocol.Map50 ? "true boxes." : "samples."),
        $"Several boxes: {table.Protocol.MultiBox}.",
        $"Failures: {table.Protocol.Failure}. {Signs}",
        $"Areas: {table.Protocol.Area}." + (table.Options.Protocol == Protocol.Map50
            ? "" : $" Accuracy counts IoU {(table.Options.InclusiveAccuracy ? ">=" : ">")} the threshold."),
    ];

    /// <summary>What a valid answer is, and the two signs that stand in place of a figure.</summary>
    internal const string Signs = "A valid answer gives a region, right or wrong (0.000). '-' is a class without any: it counts 0 in "
        + "the mean. 'n/a' is nothing to measure: it is left out.";

    /// <summary>The rules by which answers were read and scored, as one line, but for two that have lines of their own.</summary>
    internal static string Further(ScoreTable table) => $"Rules: {string.Join("; ",
        table.Rules.Where(rule => rule.Key is not ("box" or "intervals")).Select(rule => $"{rule.Key.Replace('_', ' ')}: {rule.Value}"))}.";

    /// <summary>"0.377 [0.351, 0.402]", or "-" for a class without a valid answer.</summary>
    public static string Cell(ScoreRow row, Metric metric) => IsEmpty(row) ? "-" : Cell(row[metric]);

    /// <summary>A value of a row: "-" for a class without a valid answer.</summary>
    internal static string Figure(ScoreRow row, double value) => IsEmpty(row) ? "-" : Figure(value);

    /// <summary>A class without any valid answer.</summary>
    internal static bool IsEmpty(ScoreRow row) => row is { Valid: 0, Samples: > 0 };

    /// <summary>A value with its interval, where there is one.</summary>
    public static string Cell(Estimate estimate) =>
        estimate.HasInterval ? $"{Figure(estimate.Value)} [{Figure(estimate.Low)}, {Figure(estimate.High)}]" : Figure(estimate.Value);

    /// <summary>Three decimals, as the paper prints; "n/a" for no value.</summary>
    public static string Figure(double? value) =>
        value is { } number && double.IsFinite(number) ? number.ToString("0.000", CultureInfo.InvariantCulture) : "n/a";

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
