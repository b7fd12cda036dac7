using System.CommandLine;
using System.Globalization;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg train`: one stage of the fine-tuning.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var stage = new Option<int>("--stage") { Description = "1 (captions) or 2 (boxes).", Required = true, HelpName = "1|2" };
        var from = new Option<string?>("--from") { Description = "Start from this run folder or checkpoint, or from 'base' for the base weights alone. Stage 2 starts from stage 1's result by itself.", HelpName = "PATH" };
        var resume = new Option<bool>("--resume") { Description = "Go on with an interrupted run from its last good checkpoint." };
        var overwrite = new Option<bool>("--overwrite") { Description = "Remove an earlier run of the same name and start again." };
        var allowChanges = new Option<bool>("--allow-changes")
        {
            Description = "With --resume: go on although settings, weights or data have changed.",
        };
        var dryRun = new Option<bool>("--dry-run")
        {
            Description = "Build everything, take two steps and one validation batch, say memory and time; write no run.",
        };
        var command = new Command("train", "Trains projector and adapters: stage 1 on captions, stage 2 on boxes.")
        {
            stage, from, resume, overwrite, allowChanges, dryRun,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(resume) && parsed.GetValue(overwrite))
                throw new InputException("--resume and --overwrite contradict each other: give one of them.");
            var read = configuration.Read(parsed);
            _ = read.Stage(parsed.GetValue(stage));
            var isBase = parsed.GetValue(from) == "base";
            var options = new TrainingOptions
            {
                Stage = parsed.GetValue(stage),
                From = isBase ? null : parsed.GetValue(from),
                FromBase = isBase,
                Existing = parsed.GetValue(resume) ? ExistingRun.Resume : parsed.GetValue(overwrite) ? ExistingRun.Overwrite
                    : ExistingRun.Refuse,
                AllowChanges = parsed.GetValue(allowChanges),
                Command = [.. parsed.Tokens.Select(token => token.Value).Prepend("pfmvg")],
            };
            return parsed.GetValue(dryRun) ? Rehearse(read, options) : Run(read, options);
        });
        return command;
    }

    private static int Rehearse(PfmvgConfiguration configuration, TrainingOptions options) => Job.Run(world =>
    {
        using var interrupt = new Interrupt("stopping after this step.");
        NativeSetup.SetThreads(configuration, world);
        _ = TrainingRun.CheckStart(configuration, options, world.LocalRank);
        if (world.Rank == 0) PhantomWorkspace.Prepare(configuration, Terminal.Standard.Message, interrupt.Token, new DrawingProgress());
        world.Barrier();
        var found = TrainingRehearsal.Execute(configuration, options, world, interrupt.Token);
        if (world.Rank != 0) return ExitCode.Success;
        Terminal.Standard.Print(FormattableString.Invariant($"losses        {string.Join(", ", found.Losses.Select(loss => loss.ToString("f4", CultureInfo.InvariantCulture)))}; validation batch {found.ValidationLoss:f4}"));
        Terminal.Standard.Print($"peak memory   {Units.Bytes(found.PeakBytes)} of the process (a GPU's own memory is not counted)");
        Terminal.Standard.Print(FormattableString.Invariant($"one step      {found.StepSeconds:f3} s"));
        Terminal.Standard.Print($"one epoch     {Units.Duration(found.Epoch)}: {found.StepsPerEpoch} steps and the validation, if it is on");
        Terminal.Standard.Print($"the stage     {Units.Duration(found.Stage)}; judged by one step, so a rough number");
        return ExitCode.Success;
    });

    /// <summary>Trains a stage on all processes that were started together.</summary>
    public static int Run(PfmvgConfiguration configuration, TrainingOptions options) => Job.Run(world =>
    {
        using var interrupt = new Interrupt("a checkpoint is written after this step.");
        Train(configuration, options, world, interrupt.Token);
        return ExitCode.Success;
    });

    /// <summary>Trains a stage and says where its result is.</summary>
    public static RunFolder Train(PfmvgConfiguration configuration, TrainingOptions options, ICommunicator world,
        CancellationToken interrupt)
    {
        NativeSetup.SetThreads(configuration, world);
        _ = TrainingRun.CheckStart(configuration, options, world.LocalRank);
        if (world.Rank == 0) PhantomWorkspace.Prepare(configuration, Terminal.Standard.Message, interrupt, new DrawingProgress());
        world.Barrier();
        using var progress = world.Rank == 0
            ? new Progress(options.Part ?? $"stage {options.Stage}", configuration.Stage(options.Stage).LogEvery) : null;
        using var log = new RunLog(options.Folder(configuration).TextLogPath); // rank 0 alone is told anything
        try
        {
            var folder = TrainingRun.Execute(configuration, options, world, progress, log.Tell, interrupt);
            if (world.Rank == 0) Terminal.Standard.Message($"{options.Part ?? $"stage {options.Stage}"} is finished: {folder.Path}  (peak memory {Units.Bytes(ProcessMemory.Peak)})");
            return folder;
        }
        catch (Exception failure)
        {
            log.Note(failure);
            throw;
        }
    }
}
