using System.Runtime.InteropServices;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Runs;

/// <summary>A checkpoint is written before the validation of its epoch, which may be stopped at any time.</summary>
public sealed partial class StoppedValidationTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private const int Kill = 9;

    [Trait("Category", "Slow")]
    [Theory, InlineData(Kill), InlineData(1), InlineData(10), InlineData(15)]
    public void A_run_stopped_in_its_validation_goes_on_behind_the_last_step_and_makes_up_for_the_validation(int signal)
    {
        var (whole, stopped) = ($"whole-{signal}", $"stopped-{signal}");
        Assert.Equal(0, Shell.RunPfmvg(Arguments(whole)).ExitCode);
        var log = workspace.Log(whole, 2);
        var steps = log.TakeWhile(line => !line.Contains("\"validation\"", StringComparison.Ordinal)).Count();
        var run = workspace.Run(stopped, 2);
        using (var process = TrainingWorkspace.Start(Arguments(stopped)))
        {
            while (!process.HasExited && Lines() < steps) Thread.Sleep(1);
            Thread.Sleep(300);
            Assert.Equal(0, Send(process.Id, signal));
            process.WaitForExit();
            if (signal != Kill) Assert.Equal(130, process.ExitCode);
        }

        Assert.Equal(steps, Lines()); // no validation yet, and no step behind it
        Assert.Equal(steps, Checkpoint.List(run.Checkpoints)[0].Step);
        Assert.Equal(signal == Kill ? RunStatus.Running : RunStatus.Interrupted, RunInfo.Read(run.InfoPath).Status);
        var resumed = Shell.RunPfmvg([.. Arguments(stopped), "--resume"]);
        Assert.True(resumed.ExitCode == 0, $"{resumed}");
        Assert.Contains($"continuing after step {steps}\n", resumed.Error, StringComparison.Ordinal);
        Assert.Equal(log, workspace.Log(stopped, 2));
        Assert.Equal(workspace.Checkpoints(whole, 2), workspace.Checkpoints(stopped, 2));
        var (one, other) = (RunInfo.Read(workspace.Run(whole, 2).InfoPath), RunInfo.Read(run.InfoPath));
        Assert.Equal((one.Best, one.Figures["last_loss"], one.Figures["best_validation_wiou"], 0),
            (other.Best, other.Figures["last_loss"], other.Figures["best_validation_wiou"], one.Resumed));
        Assert.EndsWith(", resumed once", run.State(other), StringComparison.Ordinal);

        int Lines() => File.Exists(run.LogPath) ? File.ReadLines(run.LogPath).Count() : 0;

        string[] Arguments(string name) =>
        [
            "train", "--stage", "2", "--from", "base",
            .. workspace.Sets(name, "stage2.batch_size=8", "stage2.epochs=1", "stage2.warmup_steps=1", "eval.max_new_tokens=600",
                "eval.beams=8", "eval.batch_size=1"),
        ];
    }

    [Fact]
    public void Resuming_a_finished_run_changes_nothing_and_says_so()
    {
        workspace.Train("finished");
        var before = Contents();
        var told = workspace.Train("finished", ExistingRun.Resume);
        Assert.Equal($"stage 1 is finished already, nothing is changed: {workspace.Run("finished").Path}", told[^1]);
        Assert.Equal(before, Contents());

        List<string> Contents() => [.. Directory.GetFiles(workspace.Run("finished").Path, "*", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal).Select(path => $"{path} {File.GetLastWriteTimeUtc(path):O} {File.ReadAllText(path).Length}")];
    }

    [Fact]
    public void A_stage_waits_as_many_epochs_for_a_better_validation_as_its_patience_says_and_names_the_best()
    {
        // A rate of nothing but noise makes later epochs worse or better by chance.
        string[] changes = ["stage1.epochs=30", "stage1.init_lr=0.5", "stage1.min_lr=0.5", "stage1.patience=2"];
        var told = workspace.Train("patient", changes: changes);
        var run = workspace.Run("patient");
        var losses = StepLog.Read(run.LogPath).Nodes().Where(line => (string?)line["kind"] == "validation")
            .Select(line => (Step: (long)line["step"]!, Loss: (double)line["loss"]!)).ToList();
        Assert.InRange(losses.Count, 3, 29);
        Assert.Equal(losses.MinBy(epoch => epoch.Loss), losses[^3]);
        var info = RunInfo.Read(run.InfoPath);
        Assert.Equal((RunStatus.Finished, "no better validation for 2 epochs"), (info.Status, info.Message));
        Assert.Equal(new BestCheckpoint(Path.Combine("checkpoints", "best.safetensors"), losses[^3].Step, "loss", losses[^3].Loss,
            losses[^1].Loss), info.Best);
        Assert.Contains(told, line => line.StartsWith($"best by validation: step {losses[^3].Step} ", StringComparison.Ordinal)
            && line.Contains($"the last, step {losses[^1].Step}, has", StringComparison.Ordinal));
    }

    [LibraryImport("libc", EntryPoint = "kill")] private static partial int Send(int process, int signal);
}
