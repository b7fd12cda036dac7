using System.Text;
using System.Text.RegularExpressions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Reports;

/// <summary>
/// The report's tables. A table that is wider than its place scrolls there, by keyboard, too, and its first column stays in view; an
/// interval stands below its figure; notes follow the table as a list.
/// </summary>
internal static partial class ReportTables
{
    private const int LongText = 24;
    private const string Words = " class=\"words\"";

    /// <summary>The scores per class, then the summaries.</summary>
    public static string Classes(ScoreTable table)
    {
        var html = Begin("Scores per class", ["class", "n", .. table.Metrics.Select(ScoreGrid.Label)]);
        foreach (var row in table.Rows)
        {
            if (row == table.WeightedOverValid && table.Classes.All(c => c.Valid > 0)) continue;
            html.Append(table.Classes.Contains(row) ? "<tr>" : "<tr class=\"summary\">");
            html.Append($"<th scope=\"row\">{Html.Encode(row.Name)}</th><td>{Html.Count(row.Count)}</td>");
            foreach (var metric in table.Metrics) html.Append($"<td>{(row.Valid == 0 ? "-" : Cell(row[metric]))}</td>");
            html.Append("</tr>");
        }

        return html.Append("</tbody></table></div>").ToString();

        static string Cell(Estimate estimate) => ScoreGrid.Figure(estimate.Value) + (estimate.HasInterval
            ? $"<small>{ScoreGrid.Figure(estimate.Low)}–{ScoreGrid.Figure(estimate.High)}</small>" : "");
    }

    /// <summary>The numbers that the box plots draw.</summary>
    public static string Spreads(IReadOnlyList<(string Name, Spread Spread)> spreads)
    {
        var html = Begin("The box plots' numbers",
            ["class", "n", "lower whisker", "first quartile", "median", "third quartile", "upper whisker", "mean", "beyond"]);
        foreach (var (name, spread) in spreads)
        {
            html.Append($"<tr><th scope=\"row\">{Html.Encode(name)}</th><td>{Html.Count(spread.Count)}</td>");
            foreach (var value in (double[])[spread.Low, spread.First, spread.Median, spread.Third, spread.High, spread.Mean])
                html.Append($"<td>{ScoreGrid.Figure(value)}</td>");
            html.Append($"<td>{Html.Count(spread.Beyond.Count)}</td></tr>");
        }

        return html.Append("</tbody></table></div>").ToString();
    }

    /// <summary>A table of others; the notes that every table is printed with are folded.</summary>
    public static string Section(TextGrid grid, IReadOnlyCollection<string> commonNotes)
    {
        // Columns of words are set as text, all others as numbers.
        bool[] words = [.. grid.Columns.Select((_, c) =>
            c > 0 && grid.Rows.Any(row => row[c].Length > LongText && !Interval().IsMatch(row[c])))];
        var html = new StringBuilder($"<section><h2>{Html.Encode(grid.Title)}</h2>");
        html.Append(Begin(grid.Title, grid.Columns, words));
        foreach (var row in grid.Rows)
        {
            html.Append($"<tr><th scope=\"row\">{Html.Encode(row[0])}</th>");
            for (var c = 1; c < row.Count; c++) html.Append($"<td{(words[c] ? Words : "")}>{Cell(row[c])}</td>");
            html.Append("</tr>");
        }

        html.Append("</tbody></table></div>").Append(Notes(grid.Notes.Except(commonNotes)));
        var common = Notes(grid.Notes.Intersect(commonNotes));
        if (common.Length > 0) html.Append($"<details><summary>Rules of scoring</summary>{common}</details>");
        return html.Append("</section>").ToString();

        static string Cell(string text) => Interval().Match(text) is { Success: true } found
            ? $"{Html.Encode(found.Groups[1].Value)}<small>{Html.Encode(found.Groups[2].Value)}</small>" : Html.Encode(text);
    }

    /// <summary>Notes below a table or a chart.</summary>
    public static string Notes(params IEnumerable<string> notes)
    {
        var items = string.Concat(notes.Select(note => $"<li>{Html.Encode(note)}</li>"));
        return items.Length == 0 ? "" : $"<ul class=\"notes\">{items}</ul>";
    }

    /// <summary>A table's head, in a frame that scrolls.</summary>
    public static StringBuilder Begin(string label, IReadOnlyList<string> columns, bool[]? words = null)
    {
        var html = new StringBuilder($"<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{Html.Encode(label)}\">");
        html.Append("<table><thead><tr>");
        for (var c = 0; c < columns.Count; c++)
            html.Append($"<th scope=\"col\"{(words?[c] == true ? Words : "")}>{Html.Encode(columns[c])}</th>");
        return html.Append("</tr></thead><tbody>");
    }

    /// <summary>A figure with its interval, as <see cref="ScoreGrid.Cell(Estimate)"/> prints it.</summary>
    [GeneratedRegex(@"^([+-]?[0-9][0-9.]*) (\[[^\[\]]*\])$")]
    private static partial Regex Interval();
}
