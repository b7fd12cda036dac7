using System.Diagnostics;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Training;

[Trait("Category", "Mpi")]
public sealed class ParallelTrainingTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Fact]
    public void Two_ranks_are_one_process_with_twice_the_batch_also_when_resumed_with_another_number()
    {
        string[] changes = ["stage1.epochs=200", "stage1.checkpoint_every=20", "stage1.validate=false", "stage1.keep_last=100"];
        string[] half = [.. changes, "stage1.batch_size=2"];
        Assert.Throws<OperationCanceledException>(() => workspace.Train("one", changes: changes, lastStep: 60));
        Assert.Throws<OperationCanceledException>(() => workspace.Train("both", changes: changes, lastStep: 20));

        using (var process = StartMpi(workspace.Arguments("both", resume: true, half)))
        {
            Until(() => process.HasExited || Checkpoint.List(workspace.Run("both").Checkpoints)[0].Step >= 60, 60);
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
        }

        var (one, both) = (workspace.Losses("one"), workspace.Losses("both"));
        Assert.True(both.Length >= 60, $"{both.Length} steps");
        Assert.All(one.Zip(both), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
    }

    [Fact]
    public void A_killed_rank_ends_the_job()
    {
        using var process = StartMpi(workspace.Arguments("rank-killed", resume: false, "stage1.epochs=100000", "stage1.validate=false"));
        Until(() => File.Exists(workspace.Run("rank-killed").LogPath) && File.ReadLines(workspace.Run("rank-killed").LogPath).Count() > 2, 60);
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

    private static Process StartMpi(string[] arguments)
    {
        Shell.RunMpi(["--version"]); // skips where there is none
        var process = Process.Start(new ProcessStartInfo("mpirun", ["--allow-run-as-root", "--oversubscribe", "-n", "2", "dotnet", Shell.Pfmvg, .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
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
