using System.Globalization;
using System.Reflection;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Tables;

/// <summary>How to cite a number: one sentence with what it takes to make the same number again.</summary>
internal static class Citation
{
    /// <summary>The program's version, without the revision that the build appends.</summary>
    private static string Version { get; } = (typeof(Citation).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
        ?.InformationalVersion ?? "of unknown version").Split('+')[0];

    /// <summary>Main figure, protocol, numbers of samples, failure rule, intervals, version and the files' hashes.</summary>
    public static string Of(ScoreTable table)
    {
        var (row, metric, name) = table.Options.Protocol == Protocol.Map50
            ? (table.Mean, Metric.AveragePrecision50, "mAP@0.5") : (table.Weighted, Metric.Iou, "wIoU");
        var figure = row[metric];
        var interval = figure.HasInterval ? $" (95 % interval {ScoreGrid.Figure(figure.Low)} to {ScoreGrid.Figure(figure.High)})" : "";
        return $"{name} {ScoreGrid.Figure(figure.Value)}{interval}{(table.Options.Synthetic ? " on synthetic phantoms" : "")}, "
            + $"protocol {table.Protocol.Name} (rule {TidyTable.Rule(table.Options)}), "
            + $"n = {row.Count.ToString(CultureInfo.InvariantCulture)} {Units(table)} ({Numbers(table)}); "
            + $"failures: {table.Protocol.Failure}; {Intervals(table)}PFMVG {Version}; {Files(table)}.";
    }

    private static string Units(ScoreTable table) =>
        table.Options.Protocol is Protocol.PfmvgBox or Protocol.Map50 ? "true boxes" : "phrases";

    private static string Numbers(ScoreTable table) => FormattableString.Invariant(
        $"{table.Phrases} phrases, {table.Boxes} boxes, {table.Images} pictures, {table.Clusters} {table.ClusterKind}s");

    private static string Intervals(ScoreTable table) =>
        ScoreGrid.Intervals(table) is { } made ? $"i{made[1..].TrimEnd('.')}; " : "";

    private static string Files(ScoreTable table) => table.Sources.Count == 0 ? "answers from memory"
        : string.Join("; ", table.Sources.Select(file => $"{file.Role} {file.Name}, SHA-256 {file.Sha256}"));
}
