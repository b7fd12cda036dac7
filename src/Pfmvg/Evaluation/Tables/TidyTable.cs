using System.Globalization;
using System.Text;
using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Tables;

/// <summary>One number with all that makes it what it is: a line of a tidy table.</summary>
/// <param name="Row">What it is about: a class, "mean", "weighted", or a subgroup as <c>side=left</c>.</param>
/// <param name="Metric">The number's name, such as <c>iou</c> or <c>acc@0.5</c>.</param>
/// <param name="Value">The number; null where there is none.</param>
/// <param name="Low">Lower end of the 95 % interval, where there is one.</param>
/// <param name="High">Upper end.</param>
/// <param name="N">How many samples it is made of; null when its source does not say.</param>
/// <param name="Protocol">The protocol's name.</param>
/// <param name="Rule">The rules that shaped it, as <see cref="TidyTable.Rule"/> writes them; or why there is no number.</param>
/// <param name="Answers">Whose answers it is about, where there are several.</param>
internal sealed record TidyRow(
    string Row, string Metric, double? Value, double? Low, double? High, int? N, string Protocol, string Rule, string? Answers = null);

/// <summary>All numbers of a command as one table for programs: one number a line, unrounded, under one header.</summary>
/// <param name="Title">What the table shows.</param>
/// <param name="Rows">The numbers.</param>
/// <param name="Notes">Rules and warnings, without repetitions.</param>
/// <param name="Cite">How to cite the numbers; see <see cref="Citation"/>.</param>
internal sealed record TidyTable(string Title, IReadOnlyList<TidyRow> Rows, IReadOnlyList<string> Notes, IReadOnlyList<string> Cite)
{
    private static readonly string[] Header = ["row", "metric", "value", "low", "high", "n", "protocol", "rule"];

    /// <summary>The numbers of some scores as one document.</summary>
    public static TidyTable Of(string title, params IReadOnlyList<(string? Answers, ScoreTable Table)> scored) => new(
        title,
        [.. scored.SelectMany(one => RowsOf(one.Table, one.Answers))],
        [.. scored.SelectMany(one => ScoreGrid.Notes(one.Table)).Distinct()],
        [.. scored.Select(one => Citation.Of(one.Table)).Distinct()]);

    /// <summary>The classes and summaries with every metric and the counts of flaws, then the further figures.</summary>
    public static IEnumerable<TidyRow> RowsOf(ScoreTable table, string? answers = null)
    {
        var rule = Rule(table.Options);
        foreach (var row in table.Rows)
        {
            var name = row == table.WeightedOverValid ? "weighted_over_valid_classes" : row.Name;
            foreach (var metric in table.Metrics)
                yield return Line(name, ScoreGrid.Key(metric), row[metric].Value, row[metric].Low, row[metric].High, row.Count);
            yield return Line(name, "flawed", row.Flaws.Values.Sum(), null, null, row.Answers);
            yield return Line(name, "no_region", row.Answers - row.WithRegion, null, null, row.Answers);
        }

        foreach (var figure in table.Further) yield return Line(figure.Row, figure.Metric, figure.Value, figure.Low, figure.High, figure.N);

        TidyRow Line(string row, string metric, double? value, double? low, double? high, int n) =>
            new(row, metric, value, low, high, n, table.Protocol.Name, rule, answers);
    }

    /// <summary>The rules that shape a number in few words: what flaws do, and every option that is not the default.</summary>
    public static string Rule(ScoringOptions options)
    {
        var maps = options.Protocol == Protocol.MaskThresholds;
        string?[] parts =
        [
            maps ? options.HeatMapMayHaveHoles ? "nan-outside" : "nan-fails" : options.Rule.ToString().ToLowerInvariant(),
            maps && options.MapScale == MapScale.Minmax ? "minmax" : null,
            options.BoxReading == BoxReading.Middle ? "middle" : null,
            options.PlusOne ? "plus-one" : null,
            options.InclusiveAccuracy ? "inclusive" : null,
        ];
        return string.Join('+', parts.OfType<string>());
    }

    /// <summary>
    /// Comma-separated values: one header, one line feed after each line, a dot in numbers, as many digits as it takes to read the same
    /// number again, and an empty cell where there is none. Notes are left out.
    /// </summary>
    public string ToCsv()
    {
        var several = Rows.Any(row => row.Answers is not null);
        return CsvLines.Write(
            several ? [.. Header, "answers"] : Header,
            Rows.Select(row => (IReadOnlyList<string>)[row.Row, row.Metric, CsvLines.Cell(row.Value), CsvLines.Cell(row.Low),
                CsvLines.Cell(row.High), row.N?.ToString(CultureInfo.InvariantCulture) ?? "", row.Protocol, row.Rule,
                .. several ? [row.Answers ?? ""] : (string[])[]]));
    }

    /// <summary>The same numbers as one JSON document, with the title, the notes and how to cite them.</summary>
    public string ToJson()
    {
        var several = Rows.Any(row => row.Answers is not null);
        var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, JsonOutput.Indented))
        {
            json.WriteStartObject();
            json.WriteString("title", Title);
            json.WriteStartArray("figures");
            foreach (var row in Rows)
            {
                json.WriteStartObject();
                json.WriteString("row", row.Row);
                json.WriteString("metric", row.Metric);
                json.WriteNumberOrNull("value", row.Value);
                json.WriteNumberOrNull("low", row.Low);
                json.WriteNumberOrNull("high", row.High);
                json.WriteNumberOrNull("n", row.N);
                json.WriteString("protocol", row.Protocol);
                json.WriteString("rule", row.Rule);
                if (several) json.WriteString("answers", row.Answers);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            Texts("notes", Notes);
            Texts("how_to_cite", Cite);
            json.WriteEndObject();

            void Texts(string name, IReadOnlyList<string> texts)
            {
                json.WriteStartArray(name);
                foreach (var text in texts) json.WriteStringValue(text);
                json.WriteEndArray();
            }
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }
}
