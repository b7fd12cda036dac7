using System.CommandLine;
using Pfmvg.Evaluation;

namespace Pfmvg.Cli;

/// <summary>`pfmvg eval`: scores answers, prints the tables and writes the report.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        var scoring = new ScoringArguments();
        var report = new ReportArguments();
        var predictions = new Option<string?>("--predictions") { Description = "Score these answers without loading a model: predictions.jsonl, COCO results .json, or a folder of heat maps .npy." };
        var baselines = new Option<string?>("--baselines") { Description = "'paper' sets the published rows beside ours, in the paper's form." };
        var command = new Command("eval", "Scores answers, prints the table per class and writes the report.") { predictions, baselines };
        scoring.AddTo(command);
        report.AddTo(command);
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(predictions) ?? throw new InputException("Nothing to score: name a file or folder with --predictions.");
            FileSystemInfo file = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
            var table = Scorer.Score(scoring.Read(parsed, file), scoring.Options(parsed));
            Print(table, scoring.Format(parsed), parsed.GetValue(baselines));
            report.Write(parsed, table, file.Name, scoring.Files(parsed, file));
        });
        return command;
    }

    /// <summary>The table per class, and beside the published rows when they are asked for.</summary>
    public static void Print(ScoreTable table, TableFormat format, string? baselines)
    {
        if (baselines is not (null or "paper")) throw new InputException($"--baselines {baselines}: there are no such baselines; use 'paper'.");
        if (baselines is null || format == TableFormat.Text) GridPrinter.Print(ScoreGrid.PerClass(table, allMetrics: format is not TableFormat.Text), format);
        if (baselines is null) return;
        foreach (var metric in (Metric[])[Metric.Iou, Metric.Dice]) GridPrinter.Print(PaperGrid.Methods(metric, [("this run", table)], withPublished: true), format);
    }
}
