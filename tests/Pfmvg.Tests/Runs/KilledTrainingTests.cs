using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

[Trait("Category", "Slow")]
public sealed class KilledTrainingTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    /// <summary>Dropout and random crops are on in both stages.</summary>
    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 2)]
    public void A_run_killed_at_random_moments_ends_with_the_bytes_and_losses_of_an_undisturbed_one(int stage, int kills)
    {
        var whole = Shell.RunPfmvg(Arguments("whole"));
        Assert.True(whole.ExitCode == 0, $"{whole}");
        var log = workspace.Log("whole", stage);

        // Moments within a step, by chance; which steps, so that a slow machine is no other test.
        var random = new Random(5);
        for (var kill = 0; kill < kills; kill++)
        {
            using var process = TrainingWorkspace.Start(Arguments("killed"));
            var lines = 1 + (log.Length - 4) * kill / kills + random.Next(2);
            while (!process.HasExited && Lines() < lines) Thread.Sleep(1);
            Thread.Sleep(random.Next(8));
            Assert.False(process.HasExited, $"nothing to kill after {Lines()} lines");
            process.Kill(); // SIGKILL
            process.WaitForExit();
        }

        var last = Shell.RunPfmvg(Arguments("killed"));
        Assert.True(last.ExitCode == 0, $"{last}");
        Assert.Equal(log, workspace.Log("killed", stage));
        Assert.Equal(workspace.Checkpoints("whole", stage), workspace.Checkpoints("killed", stage));
        Assert.Equal(RunStatus.Finished, RunInfo.Read(workspace.Run("killed", stage).InfoPath).Status);

        int Lines() => File.Exists(workspace.Run("killed", stage).LogPath)
            ? File.ReadLines(workspace.Run("killed", stage).LogPath).Count() : 0;

        string[] Arguments(string name) =>
        [
            "train", "--stage", $"{stage}", "--from", "base",
            .. File.Exists(workspace.Run(name, stage).InfoPath) ? (string[])["--resume"] : [],
            .. workspace.Sets(name, "stage2.image=random_crop", "stage2.batch_size=8", "stage2.epochs=3", "stage2.warmup_steps=2",
                "stage2.checkpoint_every=2", "eval.max_new_tokens=4"),
        ];
    }
}
