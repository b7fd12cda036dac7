using System.Globalization;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Tables;

/// <summary>Tables in the paper's own form: one method per line, one class per column, then mean and weighted.</summary>
public static class PaperGrid
{
    /// <summary>Tables 1 and 2 of the paper.</summary>
    /// <param name="metric">IoU or Dice.</param>
    /// <param name="methods">Our rows: name and scores, all of one protocol.</param>
    /// <param name="withPublished">Puts the paper's rows above ours, marked as published.</param>
    public static TextGrid Methods(Metric metric, IReadOnlyList<(string Name, ScoreTable Table)> methods, bool withPublished)
    {
        var classes = Classes(methods.Select(method => method.Table));
        List<IReadOnlyList<string>> rows = [];
        if (withPublished)
            foreach (var (name, row) in Published(metric, scores => scores.Iou, scores => scores.Dice))
                rows.Add([$"{name} (published)", .. Cells(row, classes)]);
        foreach (var (name, table) in methods) rows.Add([name, .. Cells(table, metric, classes)]);
        foreach (var (name, table) in methods.DistinctBy(method => Counts(method.Table, classes)))
            rows.Add([methods.Count == 1 ? "n" : $"n, {name}", .. Counts(table, classes).Split('\t')]);
        return new TextGrid(
            $"{ScoreGrid.Label(metric)}, protocol {methods[0].Table.Protocol.Name}", ["method", .. classes, "mean", Weighted(metric)], rows,
            [.. withPublished ? PublishedNotes : [], .. Notes(methods.Select(method => method.Table))]);
    }

    /// <summary>Tables 3 and 4 of the paper: which stages were trained.</summary>
    /// <param name="metric">IoU or Dice.</param>
    /// <param name="runs">Our rows; any of the four may be missing.</param>
    /// <param name="withPublished">Puts the paper's rows above ours, marked as published.</param>
    public static TextGrid Ablation(Metric metric, IReadOnlyList<(bool Stage1, bool Stage2, ScoreTable Table)> runs, bool withPublished)
    {
        var classes = Classes(runs.Select(run => run.Table));
        List<IReadOnlyList<string>> rows = [];
        if (withPublished)
            foreach (var (name, row) in Published(metric, scores => scores.AblationIou, scores => scores.AblationDice))
                rows.Add([.. Stages(name is "stage 1 only" or "stages 1 and 2", name is "stage 2 only" or "stages 1 and 2"),
                    "published", .. Cells(row, classes)]);
        foreach (var (stage1, stage2, table) in runs.OrderBy(run => (run.Stage1, run.Stage2)))
        {
            rows.Add([.. Stages(stage1, stage2), "ours", .. Cells(table, metric, classes)]);
            if (table.Options.Resamples > 0) rows.Add(["", "", "95 %", .. Intervals(table, metric, classes)]);
        }

        foreach (var run in runs.Take(1)) rows.Add(["n", "", "", .. Counts(run.Table, classes).Split('\t')]);
        return new TextGrid(
            $"{ScoreGrid.Label(metric)} with and without each stage, protocol {runs[0].Table.Protocol.Name}",
            ["stage 1", "stage 2", "", .. classes, "mean", Weighted(metric)], rows,
            [.. withPublished ? PublishedNotes : [], .. Notes(runs.Select(run => run.Table)),
                .. runs.Select(run => ScoreGrid.Intervals(run.Table)).OfType<string>().Distinct()]);

        static IEnumerable<string> Stages(bool one, bool two) => [one ? "✓" : "×", two ? "✓" : "×"];
    }

    /// <summary>The paper's rows as lines of a tidy table.</summary>
    /// <param name="ablation">Those of Tables 3 and 4 instead of 1 and 2.</param>
    internal static IEnumerable<TidyRow> Rows(bool ablation)
    {
        const string Rule = "published; other samples and protocols";
        foreach (var metric in (Metric[])[Metric.Iou, Metric.Dice])
            foreach (var (name, row) in ablation ? Published(metric, scores => scores.AblationIou, scores => scores.AblationDice)
                : Published(metric, scores => scores.Iou, scores => scores.Dice))
                foreach (var (about, value) in Scorer.ClassOrder.Zip(row.PerClass)
                    .Append(("mean", row.Mean)).Append(("weighted", row.Weighted)))
                    yield return new TidyRow(about, ScoreGrid.Key(metric), value, null, null, null, "published", Rule,
                        $"{name} (published)");
    }

    private static readonly string[] PublishedNotes =
    [
        "Published rows are printed in the PFMVG paper (its own random test split; MSLL, MedKLIP, BioViL and GLoRIA by heat maps " +
            "on all of MS-CXR): other samples and protocols than ours, so they are no strict comparison.",
    ];

    private static IEnumerable<string> Notes(IEnumerable<ScoreTable> tables)
    {
        var all = tables.ToList();
        yield return "wIoU and wDice weigh each class by its samples, failures 0.";
        foreach (var note in (IEnumerable<string>)[.. ScoreGrid.Rules(all[0]), ScoreGrid.Further(all[0]), .. all.SelectMany(t => t.Notes)
            .Distinct()]) yield return note;
    }

    private static IReadOnlyDictionary<string, PublishedRow> Published(
        Metric metric,
        Func<PublishedScores, IReadOnlyDictionary<string, PublishedRow>> iou,
        Func<PublishedScores, IReadOnlyDictionary<string, PublishedRow>> dice) => metric switch
    {
        Metric.Iou => iou(PublishedScores.Load()),
        Metric.Dice => dice(PublishedScores.Load()),
        _ => throw new InputException($"The paper publishes IoU and Dice, not {ScoreGrid.Label(metric)}."),
    };

    private static List<string> Classes(IEnumerable<ScoreTable> tables) =>
        [.. Scorer.ClassOrder, .. tables.SelectMany(table => table.Classes).Select(row => row.Name).Distinct().Except(Scorer.ClassOrder)
            .Order(StringComparer.Ordinal)];

    /// <summary>The published classes come first and in the same order.</summary>
    private static IEnumerable<string> Cells(PublishedRow row, IReadOnlyList<string> classes) =>
        [.. classes.Select((_, c) => c < row.PerClass.Count ? AsPrinted(row.PerClass[c], "-") : "n/a"), AsPrinted(row.Mean, "n/a"),
            AsPrinted(row.Weighted, "n/a")];

    /// <summary>A published figure with the decimals that the paper prints: three, or GPT-4V's four.</summary>
    private static string AsPrinted(double? value, string none) => value?.ToString("0.000#", CultureInfo.InvariantCulture) ?? none;

    private static IEnumerable<string> Cells(ScoreTable table, Metric metric, IReadOnlyList<string> classes) =>
    [
        .. classes.Select(name => table.Classes.FirstOrDefault(row => row.Name == name) is { } row
            ? ScoreGrid.Figure(row, row[metric].Value) : "n/a"),
        ScoreGrid.Figure(table.Mean, table.Mean[metric].Value), ScoreGrid.Figure(table.Weighted, table.Weighted[metric].Value),
    ];

    /// <summary>The intervals, for a line of their own: the paper's form has too many columns for both.</summary>
    private static IEnumerable<string> Intervals(ScoreTable table, Metric metric, IReadOnlyList<string> classes)
    {
        return classes.Select(name => Interval(table.Classes.FirstOrDefault(row => row.Name == name)))
            .Concat([Interval(table.Mean), Interval(table.Weighted)]);

        string Interval(ScoreRow? row) => row is { Valid: > 0 } && row[metric] is { HasInterval: true } estimate
            ? $"{ScoreGrid.Figure(estimate.Low)}–{ScoreGrid.Figure(estimate.High)}" : "";
    }

    private static string Counts(ScoreTable table, IReadOnlyList<string> classes) => string.Join('\t',
        classes.Select(name => table.Classes.FirstOrDefault(row => row.Name == name)?.Count ?? 0)
            .Concat([table.Weighted.Count, table.Weighted.Count])
            .Select(count => count.ToString(CultureInfo.InvariantCulture)));

    private static string Weighted(Metric metric) => "w" + ScoreGrid.Label(metric);
}
