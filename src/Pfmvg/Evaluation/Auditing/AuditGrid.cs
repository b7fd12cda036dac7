using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Auditing;

/// <summary>An audit laid out for print.</summary>
internal static class AuditGrid
{
    /// <summary>A table for each protocol with a line for every change.</summary>
    public static IReadOnlyList<TextGrid> Print(Audit audit) =>
        [.. audit.Protocols.Select((protocol, p) => new TextGrid($"Audit, protocol {protocol.Protocol.Name}",
            ["change", .. protocol.Results[0].Figures.Select(figure => ScoreGrid.Label(figure.Metric)), "must", "result"],
            [.. protocol.Results.Select(result => (IReadOnlyList<string>)[result.Case.Change,
                .. result.Figures.Select(figure => $"{ScoreGrid.Figure(figure.Before)} -> {ScoreGrid.Figure(figure.After)}"),
                Must(result.Case, Metric.Iou), Verdict(result.Figures.Select(Wrong).FirstOrDefault(wrong => wrong is not null))])],
            p == audit.Protocols.Count - 1 ? [.. Notes(audit)] : []))];

    /// <summary>
    /// The same as lines of a tidy table: each figure before and after a change; the rule says what must happen and whether it did.
    /// </summary>
    public static IEnumerable<TidyRow> Rows(Audit audit) =>
        from protocol in audit.Protocols
        from result in protocol.Results
        from figure in result.Figures
        from side in ((string Name, double Value)[])[("audit before", figure.Before), ("audit after", figure.After)]
        select new TidyRow(result.Case.Change, ScoreGrid.Key(figure.Metric), double.IsFinite(side.Value) ? side.Value : null, null, null,
            null, protocol.Protocol.Name, $"must: {Must(result.Case, figure.Metric)}; {Verdict(figure.Wrong)}", side.Name);

    private static IEnumerable<string> Notes(Audit audit)
    {
        var results = audit.Protocols.SelectMany(protocol => protocol.Results).ToList();
        var failed = results.Count(result => !result.Passed);
        yield return "Truth and answers are changed in known ways and scored again: a figure before -> after the change, over all classes.";
        yield return "equal: no figure moves. one, zero: every figure is that. falls: IoU, Dice and AP fall, to the number where one is "
            + "named, and the others do not rise. Every class is held to it, too; where only some classes change, the others do not rise.";
        foreach (var note in audit.Notes) yield return note;
        yield return failed == 0 ? $"{results.Count} changes: every figure moves as it must."
            : $"{failed} of {results.Count} changes: a figure does not move as it must, so the scores cannot be trusted.";
    }

    private static string Must(AuditCase change, Metric metric) => change.Law.ToString().ToLowerInvariant()
        + (change.Known?.Of(metric, null, isMean: false) is { } known ? $" to {ScoreGrid.Figure(known)}" : "");

    private static string? Wrong(AuditFigure figure) => figure.Wrong is null ? null : $"{ScoreGrid.Label(figure.Metric)}, {figure.Wrong}";

    private static string Verdict(string? wrong) => wrong is null ? "pass" : $"FAIL ({wrong})";
}
