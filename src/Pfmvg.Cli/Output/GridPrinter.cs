using Pfmvg.Evaluation.Tables;
using Spectre.Console;

namespace Pfmvg.Cli.Output;

/// <summary>Prints tables as results: drawn on a terminal where they fit it, plain in parts where they do not, plain in a pipe.</summary>
internal static class GridPrinter
{
    // What a border takes: one sign before each column and one behind the last, and a space on both sides of each cell.
    private const int AroundCell = 3;

    /// <summary>The result of a command as one document: for programs the tidy table, for people the tables one below the other.</summary>
    /// <param name="format">How to print it.</param>
    /// <param name="tidy">Every number of the tables, for csv and json.</param>
    /// <param name="grids">The tables.</param>
    public static void Print(TableFormat format, Func<TidyTable> tidy, params IReadOnlyList<TextGrid> grids)
    {
        if (format == TableFormat.Csv) Terminal.Standard.PrintDocument(tidy().ToCsv());
        else if (format == TableFormat.Json) Terminal.Standard.PrintDocument(tidy().ToJson());
        else if (format == TableFormat.Text && !Terminal.IsPlainOutput) foreach (var grid in grids) Print(grid);
        else Terminal.Standard.PrintDocument(string.Join('\n', grids.Select(grid => grid.Print(format))));
    }

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

        grid = grid.Quoted();
        var width = Terminal.Standard.Width;
        if (grid.Fit(width - AroundCell * grid.Columns.Count + 2 * (grid.Columns.Count - 1), names).Count > 1)
        {
            foreach (var part in grid.Fit(width, names))
                Terminal.Standard.Print((part with { Notes = [], Cite = [] }).Print(TableFormat.Text));
        }
        else
        {
            var table = new Table().Border(TableBorder.Rounded).Title(Markup.Escape(grid.Title));
            for (var c = 0; c < grid.Columns.Count; c++)
                table.AddColumn(new TableColumn(Markup.Escape(grid.Columns[c])) { Alignment = c == 0 ? Justify.Left : Justify.Right });
            foreach (var row in grid.Rows) table.AddRow(row.Select(Markup.Escape).ToArray());
            Terminal.Standard.Print(table);
        }

        if (grid.Below.Count > 0) Terminal.Standard.Print(new Markup($"[grey]{Markup.Escape(string.Join('\n', grid.Below))}[/]\n"));
    }
}
