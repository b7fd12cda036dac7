using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Evaluation.Comparing;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Cli.Output;

/// <summary>The scores over several runs of one method.</summary>
internal static class RunPrinter
{
    public static void Print(ParseResult parsed, ScoringArguments scoring, IReadOnlyList<string> files)
    {
        RefuseIntervals(parsed, scoring);
        var (format, options) = (scoring.Format(parsed), scoring.Options(parsed));
        var tables = files.Select(path =>
        {
            FileSystemInfo file = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
            var table = Scorer.Score(scoring.Read(parsed, file), options with { Resamples = 0 }); // the runs together have an interval
            return table with { Options = table.Options with { Resamples = options.Resamples } };
        }).ToList();
        var runs = RunComparison.Of(tables, files);
        IReadOnlyList<Metric> shown = format != TableFormat.Text || options.Protocol == Protocol.Map50
            ? tables[0].Metrics : [Metric.Iou, Metric.Dice, Metric.Accuracy50];
        GridPrinter.Print(format, Tidy, runs.PerClass(shown), runs.EachRun(shown, files));

        TidyTable Tidy()
        {
            var tidy = runs.Tidy("runs");
            return tidy with { Rows = [.. tidy.Rows, .. tables.Zip(files).SelectMany(run => TidyTable.RowsOf(run.First, run.Second))] };
        }
    }

    /// <summary>Refuses a choice of intervals, which there is not over runs.</summary>
    public static void RefuseIntervals(ParseResult parsed, ScoringArguments scoring) =>
        parsed.Refuse("has no effect over runs, whose intervals are percentiles; leave it out", scoring.Intervals);
}
