using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg compare A B`: what changed between two sets of answers to the same questions, and whether that is chance.</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        var scoring = new ScoringArguments();
        var a = new Argument<string>("A")
        {
            Description = "The first answers: predictions.jsonl, COCO results, or a folder of heat maps.",
        };
        var b = new Argument<string>("B") { Description = "The second answers, to the same questions." };
        var changes = new Option<int>("--changes")
        {
            Description = "How many samples to list, those with the largest change first.",
            DefaultValueFactory = _ => 10,
        };
        var phrases = new Option<bool>("--with-phrases") { Description = "List these samples with identifier and phrase." };
        var common = new Option<bool>("--common")
        {
            Description = "Compare only the samples that are in both sets; a note counts the others.",
        };
        var output = new Option<string?>("--out")
        {
            Description = "Write comparison.csv and comparison.json, with every difference and p value unrounded, and samples.csv, "
                + "both answers' scores of each sample, into this folder.",
            HelpName = "FOLDER",
        };
        var command = new Command("compare", "Compare two sets of answers: paired differences with intervals and p values.")
        {
            a, b, changes, phrases, common, output,
        };
        scoring.AddTo(command);
        command.SetAction(parsed =>
        {
            var (format, options) = (scoring.Format(parsed), scoring.Options(parsed));
            if (parsed.IsGiven(phrases) && parsed.GetValue(changes) <= 0 && parsed.GetValue(output) is null)
                throw new InputException("--with-phrases shows samples, and --changes 0 lists none; leave one of them out.");
            var (inA, inB, leftOut) = (Read(a), Read(b), (string?)null);
            if (parsed.GetValue(common)) (inA, inB, leftOut) = Comparison.Common(inA, inB);
            var comparison = Comparison.Between(Score(inA, a), Score(inB, b)) with { LeftOut = leftOut };
            var withPhrases = parsed.GetValue(phrases) || comparison.Tables.B.Options.Synthetic;
            List<TextGrid> grids = [.. new[] { Metric.Iou, Metric.Dice, Metric.Accuracy50 }.Select(metric => comparison.Grid(metric))];
            if (parsed.GetValue(changes) is > 0 and var count) grids.Add(comparison.ChangesGrid(count, withPhrases));
            GridPrinter.Print(format, () => TidyComparison.Of(comparison), grids);
            if (parsed.GetValue(output) is { } folder)
            {
                ComparisonFiles.Write(folder, comparison, withPhrases);
                Terminal.Standard.Message(
                    $"Comparison: {Path.Combine(folder, "comparison.csv")}, samples: {Path.Combine(folder, "samples.csv")}");
            }

            IReadOnlyList<Prediction> Read(Argument<string> which) => scoring.Read(parsed, Source(which));

            FileSystemInfo Source(Argument<string> which) =>
                parsed.GetValue(which)! is var path && Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);

            // Neither set needs intervals of its own; the comparison computes those of the differences.
            ScoreTable Score(IReadOnlyList<Prediction> answers, Argument<string> which)
            {
                var table = Scorer.Score(answers, options with { Resamples = 0 });
                return table with
                {
                    Options = table.Options with { Resamples = options.Resamples },
                    Sources = scoring.Sources(parsed, Source(which)),
                };
            }
        });
        return command;
    }
}
