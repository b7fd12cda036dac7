using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

public sealed class DryRunTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Theory]
    [InlineData("1")]
    [InlineData("2")]
    public void A_dry_run_tells_memory_and_time_and_writes_no_run(string stage)
    {
        var settings = workspace.Settings("dry", "eval.max_new_tokens=4").SelectMany(s => new[] { "--set", s });
        var result = Shell.RunPfmvg(["train", "--dry-run", "--stage", stage, "--from", "base", .. settings]);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Matches(@"losses +\d+\.\d{4}, \d+\.\d{4}; validation batch \d+\.\d{4}", result.Output);
        Assert.Matches(@"peak memory +\d+\.\d [MG]iB", result.Output);
        Assert.Matches(@"the stage +\d+:\d\d:\d\d", result.Output);
        Assert.False(Directory.Exists(Path.GetDirectoryName(workspace.Run("dry").Path)));
    }
}
