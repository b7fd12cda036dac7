using Pfmvg.Evaluation.Tables;
using Spectre.Console;

namespace Pfmvg.Cli.Output;

/// <summary>Prints tables as results: drawn on a terminal, plain in a pipe or in another format.</summary>
internal static class GridPrinter
{
    public static void Print(TextGrid grid, TableFormat format = TableFormat.Text)
    {
        if (format != TableFormat.Text || Terminal.IsPlainOutput) // a pipe gets whole lines, however long
        {
            Terminal.Standard.Print(grid.Print(format));
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).Title(Markup.Escape(grid.Title));
        for (var c = 0; c < grid.Columns.Count; c++)
            table.AddColumn(new TableColumn(Markup.Escape(grid.Columns[c])) { Alignment = c == 0 ? Justify.Left : Justify.Right });
        foreach (var row in grid.Rows) table.AddRow(row.Select(Markup.Escape).ToArray());
        Terminal.Standard.Print(table);
        Terminal.Standard.Print(new Markup($"[grey]{Markup.Escape(string.Join('\n', grid.Notes))}[/]\n"));
    }
}
