using System.CommandLine;
using System.Diagnostics;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Data;
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
        };
        var command = new Command("demo", "Run the whole method in miniature: phantom study, stage 1, stage 2 and the scored "
            + "test split.") { output };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed => Job.Run(() => Read(parsed), "the demo stops after this step; run it again to start anew.", session =>
        {
            var clock = Stopwatch.StartNew();
            foreach (var stage in (int[])[1, 2])
                TrainingRun.Execute(session, new TrainingOptions
                {
                    Stage = stage,
                    Existing = ExistingRun.Overwrite,
                    Command = ["pfmvg", "demo"],
                    ResumeCommand = configuration.Command(parsed, ["train", "--stage", $"{stage}", "--resume"]) + " --set "
                        + ShellWords.Join([$"workspace={session.Configuration.Workspace}"]),
                });
            var code = EvalCommand.Evaluate(session, Split.Test);
            if (!session.IsFirst) return code;
            Terminal.Standard.Print($"The whole demo took {Units.Duration(clock.Elapsed)}. Ask its model about a picture, in a browser:");
            var model = Path.GetRelativePath(".", RunFolder.ForPart(session.Configuration, "stage2").Path);
            Terminal.Standard.Print($"    {ShellWords.Join(["pfmvg", "serve", "--from", model])}");
            return code;
        }));
        return command;

        PfmvgConfiguration Read(ParseResult parsed)
        {
            var settings = configuration.Read(parsed) with { Workspace = Path.GetFullPath(parsed.GetValue(output)!) };
            return settings.Phantom is not null ? settings : throw new InputException(
                "The demo needs a configuration with a phantom section; use `pfmvg train` and `pfmvg eval` for real data.");
        }
    }
}
