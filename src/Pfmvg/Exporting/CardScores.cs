using System.Globalization;
using System.Text;
using System.Text.Json;
using Pfmvg.Runs.Records;

namespace Pfmvg.Exporting;

/// <summary>The tables of scores for a model card: those of evaluations that asked exactly these trained tensors.</summary>
internal static class CardScores
{
    private static readonly (string Key, string Title)[] Columns =
        [("iou", "IoU"), ("dice", "Dice"), ("acc@0.5", "Acc@0.5"), ("ap@0.5", "AP@0.5")];

    /// <summary>A table in Markdown for each evaluation beside the run, with its protocol; empty when there is none.</summary>
    /// <param name="run">The run whose result is exported.</param>
    /// <param name="trained">The file of the trained tensors.</param>
    /// <exception cref="InputException">The scores of an evaluation cannot be read.</exception>
    public static string Tables(RunFolder run, RunFile trained)
    {
        var text = new StringBuilder();
        foreach (var folder in Directory.GetDirectories(Path.GetDirectoryName(run.Path)!).Order(StringComparer.Ordinal)
            .Where(path => File.Exists(Path.Combine(path, "run.json")) && File.Exists(Path.Combine(path, "scores.json")))
            .Select(RunFolder.Open))
        {
            if (!RunInfo.Read(folder.InfoPath).Weights.Any(file => file.Sha256 == trained.Sha256)) continue;
            Append(text, folder.Part, JsonInput.File(folder.ScoresPath, "score that evaluation again").Object());
        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, string part, JsonInput scores)
    {
        var (protocol, weighted, mean, bootstrap) = (Section("protocol"), Section("weighted"), Section("mean"), Section("bootstrap"));
        var columns = Columns.Where(column => weighted.Element.TryGetProperty(column.Key, out _)).ToArray();
        var (phrases, boxes, pictures) = (Of(scores, "phrases"), Of(scores, "boxes"), Of(scores, "images"));
        text.Append(CultureInfo.InvariantCulture, $"""
            {part}: {phrases} phrases with {boxes} boxes on {pictures} pictures, protocol `{Of(protocol, "name")}`.

            | class | n | {string.Join(" | ", columns.Select(column => column.Title))} |
            | --- | ---: | {string.Join(" | ", columns.Select(_ => "---:"))} |

            """);
        foreach (var row in scores.List("classes")) Row(Of(row, "class"), row);
        Row("mean", mean);
        Row("weighted", weighted);
        text.Append(CultureInfo.InvariantCulture, $"""

            One sample: {Of(protocol, "sample")}. Several boxes: {Of(protocol, "multi_box_rule")}. Failures: {Of(protocol, "failure_rule")}.
            In brackets: 95 % intervals, {Of(bootstrap, "resamples")} bootstrap resamples by {Of(bootstrap, "clusters_are")}.

            """);
        foreach (var note in scores.Texts("notes")) text.Append(CultureInfo.InvariantCulture, $"{note}\n");
        if (scores.Find("synthetic") is { ValueKind: JsonValueKind.True }) text.Append(ModelCard.PhantomSentence).Append('\n');
        text.Append('\n');

        JsonInput Section(string name) => scores.Section(name) ?? throw scores.Wrong($"'{name}' is missing");

        static string Of(JsonInput section, string name) => section.Text(name) ?? throw section.Wrong($"'{name}' is missing");

        void Row(string name, JsonInput row) => text.Append(CultureInfo.InvariantCulture,
            $"| {name} | {Of(row, "n")} | {string.Join(" | ", columns.Select(column => Cell(row.Section(column.Key))))} |\n");
    }

    private static string Cell(JsonInput? estimate)
    {
        if (estimate?.Number("value") is not { } value) return "-";
        return estimate?.Number("low") is { } low && estimate?.Number("high") is { } high
            ? string.Create(CultureInfo.InvariantCulture, $"{value:f3} [{low:f3}, {high:f3}]")
            : string.Create(CultureInfo.InvariantCulture, $"{value:f3}");
    }
}
