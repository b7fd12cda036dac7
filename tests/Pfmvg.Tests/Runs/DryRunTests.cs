using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

public sealed class DryRunTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Theory]
    [InlineData("1")]
    [InlineData("2")]
    public void A_dry_run_tells_memory_and_time_and_writes_no_run(string stage)
    {
        var settings = workspace.Sets("dry", "eval.max_new_tokens=4");
        var result = Shell.RunPfmvg(["train", "--dry-run", "--stage", stage, "--from", "base", .. settings]);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Matches(@"losses +\d+\.\d{4}, \d+\.\d{4}; validation batch \d+\.\d{4}", result.Output);
        Assert.Matches(@"peak memory +\d+\.\d [MG]iB", result.Output);
        Assert.Matches(@"the stage +\d+:\d\d:\d\d", result.Output);
        Assert.False(Directory.Exists(Path.GetDirectoryName(workspace.Run("dry").Path)));
    }

    [Fact]
    public void A_dry_run_takes_the_first_steps_of_the_run_itself()
    {
        workspace.Train("real", changes: ["stage1.epochs=1", "stage1.warmup_steps=1"]);
        var recorded = new RecordedSession(workspace.Configuration("real", "stage1.epochs=1", "stage1.warmup_steps=1"));
        var found = TrainingRehearsal.Execute(recorded.Session, new TrainingOptions { Stage = 1 });
        Assert.Equal(workspace.Losses("real").Take(found.Losses.Count), found.Losses);
    }

    [Fact]
    public void A_dry_run_leaves_broken_pictures_out_where_the_run_would()
    {
        using var own = new TrainingWorkspace();
        var data = PreparedData.Open(own.Data);
        foreach (var (i, sample) in data.Read(SampleTask.Caption, Split.Train).Index())
            if (i % 3 == 0) File.WriteAllBytes(data.ImagePath(sample), File.ReadAllBytes(data.ImagePath(sample))[..64]);
        Assert.Throws<InputException>(() => Rehearse("data.skip_broken=false"));
        Assert.All(Rehearse("data.skip_broken=true").Losses, loss => Assert.True(double.IsFinite(loss)));

        Rehearsal Rehearse(string change) => TrainingRehearsal.Execute(
            new RecordedSession(own.Configuration("broken", change, "stage1.validate=false")).Session, new TrainingOptions { Stage = 1 });
    }
}
