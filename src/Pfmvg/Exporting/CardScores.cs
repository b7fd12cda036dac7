using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
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
            try
            {
                Append(text, folder.Part, JsonNode.Parse(File.ReadAllText(folder.ScoresPath))!.AsObject());
            }
            catch (Exception broken) when (broken is JsonException or InvalidOperationException or NullReferenceException)
            {
                throw new InputException($"{folder.ScoresPath}: is not a file of scores; score that evaluation again.", broken);
            }
        }

        return text.ToString();
    }

    private static void Append(StringBuilder text, string part, JsonObject scores)
    {
        var protocol = scores["protocol"]!.AsObject();
        var weighted = scores["weighted"]!.AsObject();
        var columns = Columns.Where(column => weighted.ContainsKey(column.Key)).ToArray();
        text.Append(CultureInfo.InvariantCulture, $"""
            {part}: {scores["phrases"]} phrases with {scores["boxes"]} boxes on {scores["images"]} pictures, protocol `{protocol["name"]}`.

            | class | n | {string.Join(" | ", columns.Select(column => column.Title))} |
            | --- | ---: | {string.Join(" | ", columns.Select(_ => "---:"))} |

            """);
        foreach (var row in scores["classes"]!.AsArray()) Row($"{row!["class"]}", row.AsObject());
        Row("mean", scores["mean"]!.AsObject());
        Row("weighted", weighted);
        text.Append(CultureInfo.InvariantCulture, $"""

            One sample: {protocol["sample"]}. Several boxes: {protocol["multi_box_rule"]}. Failures: {protocol["failure_rule"]}.
            In brackets: 95 % intervals, {scores["bootstrap"]!["resamples"]} bootstrap resamples by {scores["bootstrap"]!["clusters_are"]}.

            """);
        foreach (var note in scores["notes"]!.AsArray()) text.Append(CultureInfo.InvariantCulture, $"{note}\n");
        if ((bool)scores["synthetic"]!) text.Append(ModelCard.PhantomSentence).Append('\n');
        text.Append('\n');

        void Row(string name, JsonObject row) => text.Append(CultureInfo.InvariantCulture,
            $"| {name} | {row["n"]} | {string.Join(" | ", columns.Select(column => Cell(row[column.Key]?.AsObject())))} |\n");
    }

    private static string Cell(JsonObject? estimate)
    {
        if ((double?)estimate?["value"] is not { } value) return "-";
        return (double?)estimate["low"] is { } low && (double?)estimate["high"] is { } high
            ? string.Create(CultureInfo.InvariantCulture, $"{value:f3} [{low:f3}, {high:f3}]")
            : string.Create(CultureInfo.InvariantCulture, $"{value:f3}");
    }
}
