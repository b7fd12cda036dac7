using System.Diagnostics;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Training;

[Trait("Category", "Slow")]
public sealed class KilledTrainingTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Fact]
    public void A_run_killed_at_random_moments_ends_with_the_bytes_and_losses_of_an_undisturbed_one()
    {
        var clock = Stopwatch.StartNew();
        var whole = Shell.RunPfmvg(workspace.Arguments("whole", resume: false));
        Assert.True(whole.ExitCode == 0, $"{whole}");
        var duration = clock.Elapsed;

        var random = new Random(5);
        var kills = 0;
        for (var round = 0; round < 6; round++)
        {
            using var process = TrainingWorkspace.Start(workspace.Arguments("killed", File.Exists(workspace.Run("killed").InfoPath)));
            if (process.WaitForExit(duration * (0.3 + 0.6 * random.NextDouble()))) continue;
            process.Kill(); // SIGKILL
            process.WaitForExit();
            kills++;
        }

        var last = Shell.RunPfmvg(workspace.Arguments("killed", File.Exists(workspace.Run("killed").InfoPath)));
        Assert.True(last.ExitCode == 0, $"{last}");
        Assert.InRange(kills, 2, 6);
        Assert.Equal(workspace.Log("whole"), workspace.Log("killed"));
        Assert.Equal(workspace.Checkpoints("whole"), workspace.Checkpoints("killed"));
        Assert.Equal(RunStatus.Finished, RunInfo.Read(workspace.Run("killed").InfoPath).Status);
    }
}
