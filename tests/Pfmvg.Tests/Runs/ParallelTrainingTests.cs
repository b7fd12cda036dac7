using System.Collections.Concurrent;
using System.Diagnostics;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Runs;

[Trait("Category", "Mpi")]
public sealed class ParallelTrainingTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Theory, InlineData(false), InlineData(true)]
    public void Two_ranks_are_one_process_with_twice_the_batch_also_when_resumed_with_another_number(bool shared)
    {
        var (first, second) = shared ? ("one-shared", "both-shared") : ("one", "both");
        string[] changes = ["stage1.epochs=200", "stage1.checkpoint_every=20", "stage1.validate=false", "stage1.keep_last=100",
            .. shared ? (string[])["stage1.share_pictures=true", "stage1.task=refer", "stage1.image=resize"] : []];
        string[] half = [.. changes, "stage1.batch_size=2"];
        Assert.Throws<OperationCanceledException>(() => workspace.Train(first, changes: changes, lastStep: 60));
        Assert.Throws<OperationCanceledException>(() => workspace.Train(second, changes: changes, lastStep: 20));

        using (var process = StartMpi(workspace.Arguments(second, resume: true, half)))
        {
            Until(() => process.HasExited || Checkpoint.List(workspace.Run(second).Checkpoints)[0].Step >= 60, 60);
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
        }

        var (one, both) = (workspace.Losses(first), workspace.Losses(second));
        Assert.True(both.Length >= 60, $"{both.Length} steps");
        Assert.All(one.Zip(both), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
    }

    [Fact]
    public void A_killed_rank_ends_the_job()
    {
        using var process = StartMpi(workspace.Arguments("rank-killed", resume: false, "stage1.epochs=100000", "stage1.validate=false"));
        Until(() => File.Exists(workspace.Run("rank-killed").LogPath) && File.ReadLines(workspace.Run("rank-killed").LogPath).Count() > 2,
            60);
        var rank = Shell.Run("pgrep", ["-P", $"{process.Id}"]).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1];
        Shell.Run("kill", ["-9", rank]);
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(30)), "the job hangs");
        Assert.NotEqual(0, process.ExitCode);
    }

    [Fact]
    public void A_rank_with_other_data_ends_the_job_with_its_message()
    {
        var clock = Stopwatch.StartNew();
        var other = workspace.CopyData(lines => lines.SkipLast(1));
        var result = Shell.RunMpi([
            "-n", "1", "dotnet", Shell.Pfmvg, .. workspace.Arguments("other-data", false), ":",
            "-n", "1", "dotnet", Shell.Pfmvg, .. workspace.Arguments("other-data", false, $"data.folder={other}")]);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("the training data", result.Error, StringComparison.Ordinal);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void An_interrupt_is_heard_by_all_ranks_which_write_a_checkpoint_and_exit_with_130()
    {
        using var process = StartMpi(workspace.Arguments(
            "rank-interrupted", resume: false, "stage1.epochs=100000", "stage1.validate=false", "stage1.checkpoint_every=0"));
        var run = workspace.Run("rank-interrupted");
        Until(() => File.Exists(run.LogPath) && File.ReadLines(run.LogPath).Count() > 2, 60);
        Shell.Run("kill", ["-USR1", $"{process.Id}"]); // mpirun hands it on
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), "the job hangs");
        Assert.Equal(130, process.ExitCode);
        var info = RunInfo.Read(run.InfoPath);
        Assert.Equal(RunStatus.Interrupted, info.Status);
        Assert.Equal(info.Step, Checkpoint.List(run.Checkpoints)[0].Step);
        Assert.True(Checkpoint.List(run.Checkpoints)[0].IsWhole());
    }

    [Fact]
    public void A_corrupt_picture_on_one_rank_ends_the_job_with_its_sentence()
    {
        var data = PreparedData.Open(workspace.Data);
        var path = data.ImagePath(data.Read(SampleTask.Caption, Split.Train)[0]);
        var good = File.ReadAllBytes(path);
        File.WriteAllText(path, "no picture");
        try
        {
            var clock = Stopwatch.StartNew();
            var result = Shell.RunMpi(2, workspace.Arguments("corrupt", resume: false));
            Assert.Equal(2, result.ExitCode);
            Assert.Matches(@"rank \d: error: .*the file is no JPEG, PNG", result.Error);
            Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(30));
        }
        finally
        {
            File.WriteAllBytes(path, good);
        }
    }

    [Fact]
    public void Numbers_gone_wrong_end_the_job_with_the_message()
    {
        var result = Shell.RunMpi(2, workspace.Arguments("wrong", resume: false, "model.lora.alpha=1e39", "stage1.nan_tolerance=1"));
        Assert.Equal(1, result.ExitCode);
        Assert.Matches(@"rank \d: error: Epoch 1, step 2: the loss is \S+, the gradient is not finite in \d+ tensors, first \S+; samples",
            result.Error);
    }

    [Fact]
    public void Validation_and_evaluation_over_two_ranks_are_those_of_one_process()
    {
        string[] changes = ["stage1.task=refer", "stage1.epochs=1", "eval.max_new_tokens=6", "eval.batch_size=4", "stage1.init_lr=0.01"];
        workspace.Train("alone", changes: changes);
        var trained = Shell.RunMpi(2, workspace.Arguments("together", false, [.. changes, "stage1.batch_size=2"]));
        Assert.True(trained.ExitCode == 0, $"{trained}");
        var (alone, together) = (Validation("alone"), Validation("together"));
        Assert.Equal(alone.Loss, together.Loss, 1e-5);
        Assert.Equal(alone.Wiou, together.Wiou, 1e-5);

        var from = workspace.Run("alone").Path;
        var options = new EvaluationOptions { Split = Split.Train, From = from };
        EvaluationRun.Execute(new RecordedSession(workspace.Configuration("alone", changes)).Session, options);
        using var temporary = new TemporaryFolder();
        var created = new ConcurrentBag<string>();
        using var watcher = new FileSystemWatcher(temporary.Path) { IncludeSubdirectories = true };
        watcher.Created += (_, file) => created.Add(file.Name!);
        watcher.EnableRaisingEvents = true;
        var evaluated = Shell.RunMpi(["-x", $"TMPDIR={temporary.Path}", "-n", "2", "dotnet", Shell.Pfmvg,
            "eval", "--split", "train", "--from", from, .. workspace.Sets("together", changes)]);
        Assert.True(evaluated.ExitCode == 0, $"{evaluated}");
        Assert.Equal(Answers("alone"), Answers("together"));
        // Answers name patients: they never pass through the temporary folder, where other users look.
        Assert.DoesNotContain(created, name => name.Contains("json", StringComparison.Ordinal));

        string[] Answers(string name) => File.ReadAllLines(options.Folder(workspace.Configuration(name)).PredictionsPath);

        (double Loss, double Wiou) Validation(string name)
        {
            var line = StepLog.Read(workspace.Run(name).LogPath).Nodes().Single(l => (string?)l["kind"] == "validation");
            return ((double)line["loss"]!, (double)line["wiou"]!);
        }
    }

    private static StartedProcess StartMpi(string[] arguments)
    {
        Shell.RunMpi(["--version"]); // skips where there is none
        return StartedProcess.Unheard("mpirun", ["--allow-run-as-root", "--oversubscribe", "-n", "2", "dotnet", Shell.Pfmvg, .. arguments]);
    }

    private static void Until(Func<bool> condition, int seconds)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(seconds), $"nothing came within {seconds} s");
            Thread.Sleep(50);
        }
    }
}
