using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs.Records;

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
        var command = new Command("compare", "Compare two sets of answers: paired differences with intervals and p values.")
        {
            a, b, changes, phrases, common,
        };
        scoring.AddTo(command);
        command.SetAction(parsed =>
        {
            var (format, options) = (scoring.Format(parsed), scoring.Options(parsed));
            if (parsed.IsGiven(phrases) && parsed.GetValue(changes) <= 0)
                throw new InputException("--with-phrases shows samples, and --changes 0 lists none; leave one of them out.");
            var (inA, inB, leftOut) = (Read(a), Read(b), (string?)null);
            if (parsed.GetValue(common)) (inA, inB, leftOut) = Comparison.Common(inA, inB);
            var comparison = Comparison.Between(Score(inA, a), Score(inB, b)) with { LeftOut = leftOut };
            foreach (var metric in (Metric[])[Metric.Iou, Metric.Dice, Metric.Accuracy50])
                GridPrinter.Print(WithModels(comparison.Grid(metric)), format);
            if (parsed.GetValue(changes) is > 0 and var count)
                GridPrinter.Print(comparison.ChangesGrid(count, parsed.GetValue(phrases) || comparison.Tables.B.Options.Synthetic), format);

            IReadOnlyList<Prediction> Read(Argument<string> which)
            {
                var path = parsed.GetValue(which)!;
                return scoring.Read(parsed, Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path));
            }

            // Each set's model, where the run that its answers lie in tells it.
            TextGrid WithModels(TextGrid grid) => grid with
            {
                Notes = [.. grid.Notes.Where(note => !UsedCheckpoint.IsNote(note)),
                    .. comparison.Tables.A.Notes.Where(UsedCheckpoint.IsNote).Select(note => $"A: {note}"),
                    .. comparison.Tables.B.Notes.Where(UsedCheckpoint.IsNote).Select(note => $"B: {note}")],
            };

            // Neither set needs intervals of its own; the comparison computes those of the differences.
            ScoreTable Score(IReadOnlyList<Prediction> answers, Argument<string> which)
            {
                var table = UsedCheckpoint.NameBeside(Scorer.Score(answers, options with { Resamples = 0 }), parsed.GetValue(which)!);
                return table with { Options = table.Options with { Resamples = options.Resamples } };
            }
        });
        return command;
    }
}
