using System.CommandLine;
using Pfmvg.Evaluation;
using Spectre.Console;

namespace Pfmvg.Cli;

/// <summary>`pfmvg eval`: scores answers.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        var predictions = new Option<FileInfo?>("--predictions") { Description = "Score this predictions.jsonl; no model is loaded." };
        var protocol = new Option<string>("--protocol")
        {
            Description = $"How to score: {string.Join(", ", ProtocolDescription.Names)}.",
            DefaultValueFactory = _ => ProtocolDescription.Names[0],
        };
        var output = new Option<DirectoryInfo?>("--out") { Description = "Write scores.json, report.html and overlay.png into this folder." };
        var images = new Option<DirectoryInfo?>("--images") { Description = "The folder that the samples' picture paths start from." };
        var command = new Command("eval", "Scores answers and writes the report.") { predictions, protocol, output, images };
        command.SetAction(parsed =>
        {
            var file = parsed.GetValue(predictions) ?? throw new InputException("Nothing to score: name a file with --predictions.");
            var table = Scorer.Score(PredictionFile.Read(file.FullName), new ScoringOptions { Protocol = ProtocolDescription.Parse(parsed.GetValue(protocol)!) });
            GridPrinter.Print(ScoreGrid.PerClass(table));
            if (parsed.GetValue(output) is { } folder)
                ScoreReport.WriteAll(folder.FullName, table, new ReportOptions { ImagePath = p => parsed.GetValue(images) is { } root ? Path.Combine(root.FullName, p.Image) : null });
        });
        return command;
    }
}

/// <summary>Prints a table on the terminal.</summary>
internal static class GridPrinter
{
    public static void Print(TextGrid grid)
    {
        if (Console.IsOutputRedirected) // whole lines for files and pipes, however long
        {
            Console.Write(grid.Print(TableFormat.Text));
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).Title(Markup.Escape(grid.Title));
        for (var c = 0; c < grid.Columns.Count; c++)
            table.AddColumn(new TableColumn(Markup.Escape(grid.Columns[c])) { Alignment = c == 0 ? Justify.Left : Justify.Right });
        foreach (var row in grid.Rows) table.AddRow(row.Select(Markup.Escape).ToArray());
        AnsiConsole.Write(table);
        foreach (var note in grid.Notes) AnsiConsole.MarkupLine($"[grey]{Markup.Escape(note)}[/]");
    }
}
