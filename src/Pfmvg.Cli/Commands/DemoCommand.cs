using System.CommandLine;
using System.Diagnostics;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg demo`: the whole method in miniature, through the same code as a real run.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        var output = new Option<string>("--out")
        {
            Description = "Folder for data, weights and runs; made anew.",
            DefaultValueFactory = _ => "pfmvg-demo",
            HelpName = "FOLDER",
        }.Writes(PathKind.Folder);
        var command = new Command("demo", "Run the whole method in miniature: phantom study, stage 1, stage 2 and the scored "
            + "test split. With --config configs/cnn.yaml, the plain network instead of our own model.") { output };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed => Job.Run(() => Read(parsed), "the demo stops after this step; run it again to start anew.", session =>
        {
            var clock = Stopwatch.StartNew();
            var isCnn = IsCnn(session.Configuration);
            foreach (var stage in isCnn ? (int[])[2] : [1, 2])
            {
                session.Tell(isCnn ? "Next: the plain network learns boxes."
                    : stage == 1 ? "Next: stage 1, in which the model learns to caption."
                    : "Next: stage 2, in which it learns to put a box around what a phrase means.");
                TrainingRun.Execute(session, new TrainingOptions
                {
                    Stage = stage,
                    Cnn = isCnn,
                    Existing = ExistingRun.Overwrite,
                    Command = ["pfmvg", "demo"],
                    ResumeCommand = configuration.Command(parsed,
                        ["train", .. isCnn ? (string[])["--model", ModelNames.Cnn] : ["--stage", $"{stage}"], "--resume"]) + " --set "
                        + ShellWords.Join([$"workspace={session.Configuration.Workspace}"]),
                });
            }

            session.Tell("Next: the trained model answers the test split, whose patients it has never seen.");
            var code = Evaluate(session, Split.Test, isCnn);
            if (!session.IsFirst) return code;
            if (isCnn)
            {
                Terminal.Standard.Print($"The whole demo took {Units.Duration(clock.Elapsed)}. `pfmvg compare` sets the network's answers "
                    + "beside those of the demo without --config, on the same study.");
                return code;
            }

            Terminal.Standard.Print($"The whole demo took {Units.Duration(clock.Elapsed)}. Ask its model about a picture, in a browser:");
            var model = Path.GetRelativePath(".", RunFolder.ForPart(session.Configuration, "stage2").Path);
            Terminal.Standard.Print($"    {ShellWords.Join(["pfmvg", "serve", "--from", model])}");
            return code;
        }, settings => !IsCnn(settings)));
        return command;

        static bool IsCnn(PfmvgConfiguration settings) => settings.Cnn is not null;

        PfmvgConfiguration Read(ParseResult parsed)
        {
            var settings = configuration.Read(parsed) with { Workspace = Path.GetFullPath(parsed.GetValue(output)!) };
            return settings.Phantom is not null ? settings : throw new InputException(
                "The demo needs a configuration with a phantom section; use `pfmvg train` and `pfmvg eval` for real data.");
        }
    }

    /// <summary>
    /// Answers and scores a split and its controls with default settings, prints the tables and writes the report.
    /// </summary>
    /// <returns>The exit code.</returns>
    private static int Evaluate(Session session, Split split, bool isCnn)
    {
        ScoreTable? scored = null;
        var result = EvaluationRun.Execute(session, new EvaluationOptions
        {
            Split = split, Cnn = isCnn, Controls = true, Command = ["pfmvg", "demo"], Isolate = true, Answered = model =>
            {
                scored = model.Name(Scorer.Score(model.Predictions, ScoringOptions.Of(session.Configuration.Eval)))
                    with { Sources = [SourceFile.Read("predictions", model.Folder.PredictionsPath)] };
                GridPrinter.Print(ScoreGrid.PerClass(scored));
                Terminal.Standard.Message("Next: the controls. How much of this score needs the picture, and the phrase?");
            },
        });
        if (scored is not { } table) return ExitCode.Success; // of another rank
        Interrupt.LoseNothing();
        var (configuration, folder) = (session.Configuration, result.Folder);
        EvaluationRun.Record(folder, table);
        IReadOnlyList<TextGrid> tables = ControlPrinter.Tables(table, result);
        if (result.Negatives.Count > 0)
        {
            (table, var abstention) = AbstentionGrid.Beside(table, result.Predictions, result.Negatives);
            tables = [abstention, .. tables];
        }

        foreach (var grid in tables) GridPrinter.Print(grid);
        ScoreReport.WriteAll(folder.Path, table, new ReportOptions
        {
            Title = $"Evaluation of {configuration.Name}, {split.ToString().ToLowerInvariant()} split",
            ImagePath = EvalCommand.ImagePath(result.Data),
            Dicom = configuration.Data.Dicom,
            Settings = [.. EvalCommand.Settings(configuration, folder)],
            Tables = tables,
        });
        Terminal.Standard.Print($"run folder:  {Path.GetDirectoryName(folder.Path)}\nanswers:     {folder.PredictionsPath}\n"
            + $"report:      {folder.ReportPath}\noverlay:     {folder.In("overlay.png")}");
        return EvalCommand.CodeOf([result]);
    }
}
