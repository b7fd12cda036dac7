using System.CommandLine;
using System.Globalization;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Distributed;
using Pfmvg.Planning;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tensors;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg train`: one stage of the fine-tuning.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var stage = new Option<int>("--stage") { Description = "1 (captions) or 2 (boxes).", Required = true, HelpName = "1|2" };
        var from = new Option<string?>("--from")
        {
            Description = "Start from this run folder, checkpoint or peft adapter folder, or from 'base' for the base weights alone. "
                + "Stage 2 starts from stage 1's result by itself.",
            HelpName = "PATH",
        };
        var resume = new Option<bool>("--resume") { Description = "Continue an interrupted run from its last good checkpoint." };
        var overwrite = new Option<bool>("--overwrite") { Description = "Remove an earlier run of the same name and start again." };
        var allowChanges = new Option<bool>("--allow-changes")
        {
            Description = "With --resume: continue although settings, weights or data have changed.",
        };
        var dryRun = new Option<bool>("--dry-run")
        {
            Description = "Build everything, take two steps and one validation batch, say memory and time; write no run.",
        };
        var command = new Command("train", "Train projector and adapters: stage 1 on captions, stage 2 on boxes.")
        {
            stage, from, resume, overwrite, allowChanges, dryRun,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(resume) && parsed.GetValue(overwrite))
                throw new InputException("--resume and --overwrite contradict each other: give one of them.");
            if (!parsed.GetValue(resume)) parsed.Refuse("belongs to --resume; leave it out, or continue a run with both", allowChanges);
            var isBase = parsed.GetValue(from) == "base";
            var (number, start) = (parsed.GetValue(stage), parsed.GetValue(from) is { } path && !isBase ? Path.GetFullPath(path) : null);
            var options = new TrainingOptions
            {
                Stage = number,
                From = start,
                FromBase = isBase,
                Existing = parsed.GetValue(resume)
                    ? ExistingRun.Resume : parsed.GetValue(overwrite) ? ExistingRun.Overwrite : ExistingRun.Refuse,
                AllowChanges = parsed.GetValue(allowChanges),
                Command = [.. parsed.Tokens.Select(token => token.Value).Prepend("pfmvg")],
                ResumeCommand = configuration.Command(parsed,
                    ["train", "--stage", $"{number}", "--resume", .. parsed.GetValue(allowChanges) ? (string[])["--allow-changes"] : []]),
            };
            if (parsed.GetValue(dryRun))
                return Job.Run(() => configuration.ReadForData(parsed), "nothing more is tried.", session => Rehearse(session, options));
            return Job.Run(() => configuration.ReadForData(parsed), "a checkpoint is written after this step.", session =>
            {
                TellMemory(session, number);
                TrainingRun.Execute(session, options);
                if (!session.IsFirst) return ExitCode.Success;
                string[] next = number == 1 ? ["train", "--stage", "2"] : ["eval", "--split", "test"];
                Terminal.Standard.Message($"Next: {configuration.Command(parsed, next)}");
                return ExitCode.Success;
            });
        });
        return command;
    }

    private static void TellMemory(Session session, int stage)
    {
        // Each rank may have a GPU of its own, which other programs may use.
        var warnings = session.World.Gather(MemoryForecast.Check(session.Configuration, stage, session.World.LocalSize) ?? "");
        foreach (var warning in warnings.Where(warning => warning.Length > 0).Distinct()) Terminal.Standard.Message(warning);
    }

    private static int Rehearse(Session session, TrainingOptions options)
    {
        Interrupt.LoseNothing();
        TellMemory(session, options.Stage);
        var found = TrainingRehearsal.Execute(session, options);
        if (!session.IsFirst) return ExitCode.Success;
        var losses = string.Join(", ", found.Losses.Select(loss => loss.ToString("f4", CultureInfo.InvariantCulture)));
        Terminal.Standard.Print(FormattableString.Invariant($"losses        {losses}; validation batch {found.ValidationLoss:f4}"));
        Terminal.Standard.Print($"peak memory   {Units.Bytes(found.PeakBytes)} of the process (a GPU's own memory is not counted)");
        if (GpuMemory.Peak is { } gpu) Terminal.Standard.Print($"GPU memory    {Units.Bytes(gpu)} in use after a step");
        Terminal.Standard.Print(FormattableString.Invariant($"one step      {found.StepSeconds:f3} s"));
        Terminal.Standard.Print(
            $"one epoch     {Units.Duration(found.Epoch)}: {found.StepsPerEpoch} steps and the validation, if it is on");
        Terminal.Standard.Print($"the stage     {Units.Duration(found.Stage)}; estimated from one step, so a rough number");
        return ExitCode.Success;
    }
}
