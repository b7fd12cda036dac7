using System.Net;
using System.Text;

namespace Pfmvg.Evaluation;

/// <summary>The report: one HTML file that needs nothing else.</summary>
public static class HtmlReport
{
    /// <summary>Writes the report.</summary>
    public static void Write(string path, ScoreTable table, ReportOptions options)
    {
        var grid = ScoreGrid.PerClass(table, allMetrics: true);
        var html = new StringBuilder("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>").Append(Text(options.Title)).Append("</title>")
            .Append("<style>:root{color-scheme:light dark}body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:70rem}td,th{padding:.2rem .6rem;text-align:right}td:first-child,th:first-child{text-align:left}</style>")
            .Append("<h1>").Append(Text(options.Title)).Append("</h1><table><tr>").AppendJoin("", grid.Columns.Select(cell => $"<th>{Text(cell)}</th>")).Append("</tr>");
        foreach (var row in grid.Rows) html.Append("<tr>").AppendJoin("", row.Select(cell => $"<td>{Text(cell)}</td>")).Append("</tr>");
        html.Append("</table>").AppendJoin("", grid.Notes.Select(note => $"<p>{Text(note)}</p>")).Append("</html>\n");
        AtomicFile.WriteText(path, html.ToString());
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
