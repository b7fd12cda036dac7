using Pfmvg.Evaluation.Tables;
using Spectre.Console;

namespace Pfmvg.Cli.Output;

/// <summary>Prints tables as results: drawn on a terminal where they fit it, plain in parts where they do not, plain in a pipe.</summary>
internal static class GridPrinter
{
    // What a border takes: one sign before each column and one behind the last, and a space on both sides of each cell.
    private const int AroundCell = 3;

    /// <param name="grid">The table.</param>
    /// <param name="format">How to print it.</param>
    /// <param name="names">How many columns name a row.</param>
    public static void Print(TextGrid grid, TableFormat format = TableFormat.Text, int names = 1)
    {
        if (format != TableFormat.Text || Terminal.IsPlainOutput) // a pipe gets whole lines, however long
        {
            Terminal.Standard.Print(grid.Print(format));
            return;
        }

        var width = Terminal.Standard.Width;
        if (grid.Fit(width - AroundCell * grid.Columns.Count + 2 * (grid.Columns.Count - 1), names).Count > 1)
        {
            foreach (var part in grid.Fit(width, names)) Terminal.Standard.Print((part with { Notes = [] }).Print(TableFormat.Text));
        }
        else
        {
            var table = new Table().Border(TableBorder.Rounded).Title(Markup.Escape(grid.Title));
            for (var c = 0; c < grid.Columns.Count; c++)
                table.AddColumn(new TableColumn(Markup.Escape(grid.Columns[c])) { Alignment = c == 0 ? Justify.Left : Justify.Right });
            foreach (var row in grid.Rows) table.AddRow(row.Select(Markup.Escape).ToArray());
            Terminal.Standard.Print(table);
        }

        if (grid.Notes.Count > 0) Terminal.Standard.Print(new Markup($"[grey]{Markup.Escape(string.Join('\n', grid.Notes))}[/]\n"));
    }
}
