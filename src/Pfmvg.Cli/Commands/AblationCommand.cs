using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Commands;

/// <summary>
/// `pfmvg ablation`: the base weights alone, stage 1 only, stage 2 only, and both; trained and answered where that is
/// missing.
/// </summary>
internal static class AblationCommand
{
    public static Command Create()
    {
        var scoring = new ScoringArguments();
        var split = new Option<string>("--split")
        {
            Description = "Score this split: train, validate or test.",
            DefaultValueFactory = _ => "test",
            HelpName = "SPLIT",
        };
        var baselines = new Option<string?>("--baselines")
        {
            Description = "'paper' sets the published rows above ours.",
            HelpName = "paper",
        };
        var controls = new Option<bool>("--controls") { Description = "For the row with both stages: " + ControlPrinter.Description };
        var overwrite = new Option<bool>("--overwrite")
        {
            Description = "Train again what was trained with other settings, weights or data; what fits is kept.",
        };
        var strict = new Option<bool>("--strict")
        {
            Description = "Stop at the first picture of the split that cannot be read, instead of scoring its phrases 0.",
        };
        var command = new Command("ablation",
            "Make the paper's Tables 3 and 4 for one configuration: run the missing rows, gather the others.")
        {
            split, baselines, controls, overwrite, strict,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        scoring.AddTo(command, files: false);
        command.SetAction(parsed =>
        {
            var (rules, format) = (scoring.Options(parsed) with { Reading = null }, scoring.Format(parsed));
            ScorePrinter.CheckBaselines(parsed.GetValue(baselines), rules.Protocol, "paper");
            if (rules.Protocol == Protocol.Map50)
                throw new InputException("The paper's ablation is in IoU and Dice, which the protocol map50 does not have; "
                    + "choose another --protocol.");
            ControlPrinter.Check(rules);
            string[] line = [.. parsed.Tokens.Select(token => token.Value).Prepend("pfmvg")];
            var options = new AblationOptions
            {
                Split = SplitNames.Parse("--split", parsed.GetValue(split)!),
                Controls = parsed.GetValue(controls),
                Overwrite = parsed.GetValue(overwrite),
                Isolate = !parsed.GetValue(strict),
                Command = line,
                ResumeCommand = ShellWords.Join(line),
            };
            const string Advice = "a training writes a checkpoint after this step; the same command continues.";
            return Job.Run(() => EvalCommand.WithoutNegatives(configuration.ReadForData(parsed)), Advice, session =>
            {
                var rows = AblationRun.Execute(session, options);
                if (!session.IsFirst) return ExitCode.Success;
                Interrupt.LoseNothing();
                rules = scoring.ForModel(parsed, rules, session.Configuration.Eval);
                var scored = rows.Select(row => (row.Stage1, row.Stage2,
                    Table: row.Result.Name(Scorer.Score(row.Result.Predictions, rules)) with
                    {
                        Sources = [SourceFile.Read("predictions", row.Result.Folder.PredictionsPath)],
                    })).ToList();
                foreach (var (row, score) in rows.Zip(scored)) EvaluationRun.Record(row.Result.Folder, score.Table);
                var published = parsed.GetValue(baselines) is not null;
                GridPrinter.Print(format, Tidy,
                [
                    .. new[] { Metric.Iou, Metric.Dice }.Select(metric => PaperGrid.Ablation(metric, scored, published)),
                    .. ControlPrinter.Tables(scored[^1].Table, rows[^1].Result),
                ]);
                return EvalCommand.CodeOf(rows.Select(row => row.Result));

                TidyTable Tidy()
                {
                    var tidy = TidyTable.Of("With and without each stage",
                        [.. scored.Select(row => ((string?)Name(row.Stage1, row.Stage2), row.Table))]);
                    return tidy with
                    {
                        Rows = [.. published ? PaperGrid.Rows(ablation: true) : [], .. tidy.Rows,
                            .. ControlPrinter.Tidy(scored[^1].Table, rows[^1].Result, Name(scored[^1].Stage1, scored[^1].Stage2))],
                    };
                }

                static string Name(bool one, bool two) => (one, two) switch
                {
                    (true, true) => "stages 1 and 2", (true, false) => "stage 1 only", (false, true) => "stage 2 only", _ => "zero-shot",
                };
            });
        });
        return command;
    }
}
