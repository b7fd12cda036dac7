using System.CommandLine;
using System.Globalization;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Pretraining;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg pretrain`: makes a small base from generic scenes.</summary>
internal static class PretrainCommand
{
    public static Command Create()
    {
        var command = new Command("pretrain",
            "Make a small base (vision tower, projector, language model, tokenizer) from generic scenes, without any chest picture.");
        var configuration = new ConfigurationOptions().AddTo(command);
        var output = new Option<string>("--out")
        {
            Description = "Folder for the base's files; an interrupted run in it is continued.",
            HelpName = "DIR",
            Required = true,
        }.Writes(PathKind.Folder);
        command.Add(output);
        command.SetAction(parsed =>
        {
            using var interrupt = new Interrupt("the state is saved after this step.");
            return Run(configuration.Read(parsed), parsed.GetValue(output)!, interrupt.Token);
        });
        return command;
    }

    private static int Run(PfmvgConfiguration configuration, string folder, CancellationToken cancel)
    {
        if (configuration.Pretrain is not { } settings)
            throw new InputException(
                "The configuration has no section 'pretrain'; give --config configs/pretrain-tiny.yaml or one like it.");
        using var run = PretrainRun.Open(folder, configuration, settings);
        if (run.Pretrainer.Step > 0) Console.WriteLine($"continuing at step {run.Pretrainer.Step}");
        run.Train(progress => Console.WriteLine(Line(progress)), cancel);
        Console.WriteLine($"The base is in {Path.GetFullPath(folder)}.");
        return ExitCode.Success;
    }

    private static string Line(PretrainProgress progress)
    {
        var score = progress.Score is { } held
            ? string.Create(CultureInfo.InvariantCulture,
                $"  held-out IoU {held.Iou:f3}, IoU>=0.5 {held.Accuracy50:p0}, unreadable {held.Unreadable:p0} (n={held.Phrases})")
            : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"step {progress.Step}/{progress.Steps}  loss {progress.AnswerLoss:f3}  auxiliary {progress.AuxiliaryLoss:f3}  "
            + $"lr {progress.LearningRate:e2}  {progress.PicturesPerSecond:f0} pictures/s  {progress.Remaining:hh\\:mm\\:ss} left{score}");
    }
}
