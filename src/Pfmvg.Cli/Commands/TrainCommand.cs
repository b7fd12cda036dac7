using System.CommandLine;
using System.Globalization;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tensors;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg train`: one stage of the fine-tuning.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var model = new Option<string>("--model")
        {
            Description = "Who is trained: pfmvg, our own model; or cnn, a plain network from scratch, to compare with.",
            DefaultValueFactory = _ => ModelNames.Ours,
        }.AcceptOnlyFromAmong(ModelNames.Ours, ModelNames.Cnn);
        var stage = new Option<int?>("--stage")
        {
            Description = "1 (captions) or 2 (boxes). Our own model needs it; the plain network has one stage, of boxes.",
            HelpName = "1|2",
        }.Between(1, 2);
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
        var command = new Command("train", 
            "Train projector and adapters, stage 1 on captions, stage 2 on boxes; or a plain network to compare with.")
        {
            model, stage, from, resume, overwrite, allowChanges, dryRun,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(resume) && parsed.GetValue(overwrite))
                throw new InputException("--resume and --overwrite contradict each other: give one of them.");
            if (!parsed.GetValue(resume)) parsed.Refuse("belongs to --resume; leave it out, or continue a run with both", allowChanges);
            var isBase = parsed.GetValue(from) == "base";
            var isCnn = parsed.GetValue(model) == ModelNames.Cnn;
            if (isCnn) parsed.Refuse("belongs to our own model, and --model cnn trains a network of one stage from scratch; leave it out",
                stage, from);
            var number = isCnn ? 2 : parsed.GetValue(stage) ?? throw new InputException("--stage is missing: train needs --stage 1 "
                + "(captions) or --stage 2 (boxes), or --model cnn, which has one stage only.");
            string[] what = isCnn ? ["--model", ModelNames.Cnn] : ["--stage", $"{number}"];
            var start = parsed.GetValue(from) is { } path && !isBase ? Path.GetFullPath(path) : null;
            var options = new TrainingOptions
            {
                Stage = number,
                Cnn = isCnn,
                From = start,
                FromBase = isBase,
                Existing = parsed.GetValue(resume)
                    ? ExistingRun.Resume : parsed.GetValue(overwrite) ? ExistingRun.Overwrite : ExistingRun.Refuse,
                AllowChanges = parsed.GetValue(allowChanges),
                Command = [.. parsed.Tokens.Select(token => token.Value).Prepend("pfmvg")],
                ResumeCommand = configuration.Command(parsed,
                    ["train", .. what, "--resume", .. parsed.GetValue(allowChanges) ? (string[])["--allow-changes"] : []]),
            };
            if (parsed.GetValue(dryRun))
                return Job.Run(Read, "nothing more is tried.", session => Rehearse(session, options), _ => !isCnn);
            return Job.Run(Read, "a checkpoint is written after this step.", session =>
            {
                TellMemory(session, options);
                TrainingRun.Execute(session, options);
                if (!session.IsFirst) return ExitCode.Success;
                string[] next = isCnn ? ["eval", "--split", "test", .. what]
                    : number == 1 ? ["train", "--stage", "2"] : ["eval", "--split", "test"];
                Terminal.Standard.Message($"Next: {configuration.Command(parsed, next)}");
                return ExitCode.Success;
            }, _ => !isCnn);

            PfmvgConfiguration Read()
            {
                var read = configuration.ReadForData(parsed, isCnn);
                if (isCnn) _ = CnnSetup.Settings(read);
                return read;
            }
        });
        return command;
    }

    private static void TellMemory(Session session, TrainingOptions options)
    {
        if (options.Cnn) return; // the plan knows our own model only
        // Each rank may have a GPU of its own, which other programs may use.
        var warnings = session.World.Gather(MemoryForecast.Check(session.Configuration, options.Stage, session.World.LocalSize) ?? "");
        foreach (var warning in warnings.Where(warning => warning.Length > 0).Distinct()) Terminal.Standard.Message(warning);
    }

    private static int Rehearse(Session session, TrainingOptions options)
    {
        Interrupt.LoseNothing();
        TellMemory(session, options);
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
