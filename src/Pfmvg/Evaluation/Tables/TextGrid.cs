using System.Globalization;
using System.Text;
using System.Text.Json;
using Pfmvg.Evaluation.Predictions;

namespace Pfmvg.Evaluation.Tables;

/// <summary>The forms that a table can be printed in.</summary>
public enum TableFormat
{
    /// <summary>Aligned columns.</summary>
    Text,

    /// <summary>A GitHub-style table.</summary>
    Markdown,

    /// <summary>Comma-separated values (RFC 4180); notes are left out.</summary>
    Csv,

    /// <summary>An object with title, columns, rows and notes.</summary>
    Json,

    /// <summary>A LaTeX table with booktabs rules.</summary>
    Latex,
}

/// <summary>A table of texts that can be printed in every form: the first column is left-aligned, the others right.</summary>
/// <param name="Title">What the table shows.</param>
/// <param name="Columns">The head.</param>
/// <param name="Rows">One text per column.</param>
/// <param name="Notes">Lines under the table: rules, numbers of samples, warnings.</param>
public sealed record TextGrid(
    string Title, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows, IReadOnlyList<string> Notes)
{
    /// <summary>How to cite the numbers, one sentence for each set of scores; printed below the notes.</summary>
    internal IReadOnlyList<string> Cite { get; init; } = [];

    /// <summary>What stands below the table.</summary>
    internal IReadOnlyList<string> Below => [.. Notes, .. Cite.Select(sentence => $"How to cite: {sentence}")];

    /// <summary>The format of a name or of a file's extension.</summary>
    /// <exception cref="InputException">There is no such format.</exception>
    public static TableFormat ParseFormat(string name) => name.TrimStart('.').ToLowerInvariant() switch
    {
        "text" or "txt" => TableFormat.Text,
        "markdown" or "md" => TableFormat.Markdown,
        "csv" => TableFormat.Csv,
        "json" => TableFormat.Json,
        "latex" or "tex" => TableFormat.Latex,
        _ => throw new InputException($"There is no table format '{name}'; use text, markdown, csv, json or latex."),
    };

    /// <summary>
    /// The same table in parts that fit a width, each with the columns that name a row and as many others as fit; a part has at
    /// least one of them. The notes stand under the last part.
    /// </summary>
    /// <param name="width">Columns of the terminal.</param>
    /// <param name="names">How many columns name a row.</param>
    public IReadOnlyList<TextGrid> Fit(int width, int names = 1)
    {
        const int Gap = 2;
        var widths = Columns.Select((column, c) => Rows.Select(row => Width(row[c])).Append(Width(column)).Max()).ToArray();
        List<List<int>> parts = [];
        var used = 0;
        for (var c = names; c < widths.Length; c++)
        {
            if (parts.Count == 0 || used + Gap + widths[c] > width)
            {
                parts.Add([.. Enumerable.Range(0, names)]);
                used = widths[..names].Sum() + Gap * (names - 1);
            }

            parts[^1].Add(c);
            used += Gap + widths[c];
        }

        return parts.Count < 2 ? [this] : [.. parts.Select((columns, part) => new TextGrid(
            part == 0 ? Title : $"{Title} (continued)",
            [.. columns.Select(c => Columns[c])],
            [.. Rows.Select(row => (IReadOnlyList<string>)[.. columns.Select(c => row[c])])],
            part == parts.Count - 1 ? Notes : []) { Cite = part == parts.Count - 1 ? Cite : [] })];
    }

    /// <summary>The table for people: every name in it, which may come from a file, is one line of bounded length.</summary>
    internal TextGrid Quoted() => this with
    {
        Title = ForeignText.Quote(Title),
        Columns = [.. Columns.Select(ForeignText.Quote)],
        Rows = [.. Rows.Select(row => (IReadOnlyList<string>)[.. row.Select(ForeignText.Quote)])],
        Notes = [.. Notes.Select(ForeignText.Quote)],
    };

    /// <summary>Prints the table, with a line break at its end.</summary>
    public string Print(TableFormat format) => format switch
    {
        TableFormat.Text => Quoted().PrintText(),
        TableFormat.Markdown => Quoted().PrintMarkdown(),
        TableFormat.Csv => CsvLines.Write(Columns, Rows),
        TableFormat.Json => PrintJson(),
        _ => Quoted().PrintLatex(),
    };

    private string PrintText()
    {
        var widths = Columns.Select((column, c) => Rows.Select(row => Width(row[c])).Append(Width(column)).Max()).ToArray();
        var text = new StringBuilder(Title).Append('\n').Append('\n');
        Line(Columns);
        text.Append(string.Join("  ", widths.Select(width => new string('-', width)))).Append('\n');
        foreach (var row in Rows) Line(row);
        if (Below.Count > 0) text.Append('\n');
        foreach (var note in Below) text.Append(note).Append('\n');
        return text.ToString();

        void Line(IReadOnlyList<string> cells) => text.Append(string.Join("  ", cells.Select((cell, c) =>
        {
            var padding = new string(' ', widths[c] - Width(cell));
            return c == 0 ? cell + padding : padding + cell;
        })).TrimEnd()).Append('\n');
    }

    private string PrintMarkdown()
    {
        var text = new StringBuilder($"**{Escape(Title)}**\n\n");
        Line(Columns);
        text.Append('|').Append(string.Concat(Columns.Select((_, c) => c == 0 ? " --- |" : " ---: |"))).Append('\n');
        foreach (var row in Rows) Line(row);
        if (Below.Count > 0) text.Append('\n');
        foreach (var note in Below) text.Append("- ").Append(Escape(note)).Append('\n');
        return text.ToString();

        void Line(IReadOnlyList<string> cells) => text.Append("| ").Append(string.Join(" | ", cells.Select(Escape))).Append(" |\n");
        static string Escape(string cell) =>
            cell.Replace("\\", "\\\\").Replace("|", "\\|").Replace("*", "\\*").Replace("_", "\\_").Replace("<", "&lt;")
            .ReplaceLineEndings(" ");
    }

    private string PrintJson()
    {
        var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, JsonOutput.Indented))
        {
            json.WriteStartObject();
            json.WriteString("title", Title);
            Texts("columns", Columns);
            json.WriteStartArray("rows");
            foreach (var row in Rows) Texts(null, row);
            json.WriteEndArray();
            Texts("notes", Below);
            json.WriteEndObject();

            void Texts(string? name, IReadOnlyList<string> texts)
            {
                if (name is null) json.WriteStartArray();
                else json.WriteStartArray(name);
                foreach (var text in texts) json.WriteStringValue(text);
                json.WriteEndArray();
            }
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    private string PrintLatex()
    {
        var text = new StringBuilder();
        foreach (var sentence in Cite) text.Append("% How to cite: ").Append(sentence.ReplaceLineEndings(" ")).Append('\n');
        text.Append("\\begin{table}\n  \\centering\n");
        text.Append(CultureInfo.InvariantCulture,
            $"  \\caption{{{Escape(Title)}.{string.Concat(Notes.Select(note => " " + Escape(note)))}}}\n");
        text.Append(CultureInfo.InvariantCulture, $"  \\begin{{tabular}}{{l{new string('r', Columns.Count - 1)}}}\n    \\toprule\n");
        Line(Columns);
        text.Append("    \\midrule\n");
        foreach (var row in Rows) Line(row);
        return text.Append("    \\bottomrule\n  \\end{tabular}\n\\end{table}\n").ToString();

        void Line(IReadOnlyList<string> cells) => text.Append("    ").Append(string.Join(" & ", cells.Select(Escape))).Append(" \\\\\n");
    }

    private static string Escape(string latex) => string.Concat(latex.ReplaceLineEndings(" ").Select(c => c switch
    {
        '\\' => "\\textbackslash{}",
        '&' or '%' or '$' or '#' or '_' or '{' or '}' => "\\" + c,
        '~' => "\\textasciitilde{}",
        '^' => "\\textasciicircum{}",
        '<' => "\\textless{}",
        '>' => "\\textgreater{}",
        '×' => "$\\times$",
        '✓' => "\\checkmark{}",
        '–' => "--",
        _ => c.ToString(),
    }));

    private static int Width(string text) => new StringInfo(text).LengthInTextElements;
}
