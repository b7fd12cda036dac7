using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training.Footprint;

namespace Pfmvg.Tests.Runs;

/// <summary>`recompute: auto` follows the plan's figures, and a run keeps what it was begun with.</summary>
[Collection(nameof(Alone))]
public sealed class RecomputeTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string Full = Path.Combine(Fixtures.Repository, "configs", "pfmvg-7b.yaml");
    private static readonly GroundingConfig Sizes = ConfiguredModel.Sizes(ConfigurationFile.Load(Full, []).Model);

    [Theory, InlineData(true), InlineData(false)]
    public void It_recomputes_exactly_where_the_step_would_not_fit_otherwise(bool isCpu)
    {
        var figures = Figures(isCpu);
        var needed = figures.Of(figures.Configured(long.MaxValue)).Peak;
        Assert.True(figures.Of(figures.Configured(0)).Peak < needed);
        foreach (var (room, recompute) in ((long, bool)[])[(needed, false), (needed - 1, true), (1, true)])
        {
            var choice = isCpu ? RecomputeDecision.OnProcessor(figures, room) : RecomputeDecision.OnGpu(figures, room);
            Assert.Equal(recompute, choice.Recompute);
            Assert.Equal($"recompute  {(recompute ? "yes" : "no")} (auto): without it about {Units.DecimalBytes(needed)} are needed by "
                + $"'pfmvg plan', and {Units.DecimalBytes(room)} are {(isCpu ? "available" : "free")}", choice.Said);
        }
    }

    [Fact]
    public void Where_nothing_is_known_a_gpu_recomputes_and_a_processor_does_not()
    {
        Assert.True(RecomputeDecision.OnGpu(Figures(false), null).Recompute);
        Assert.False(RecomputeDecision.OnProcessor(Figures(true), 0).Recompute);
    }

    [Theory, InlineData("true", true), InlineData("false", false)]
    public void An_explicit_setting_is_obeyed_whatever_memory_there_is(string setting, bool recompute)
    {
        var figures = Figures(true, $"stage2.recompute={setting}");
        Assert.Equal(recompute, figures.Configured(1).Recompute);
        Assert.Equal(recompute, figures.Configured(long.MaxValue).Recompute);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void The_step_of_small_models_is_left_only_by_an_explicit_setting(bool isExplicit)
    {
        string[] changes = ["stage2.share_pictures=true", "precision=float32", .. isExplicit ? (string[])["stage2.recompute=true"] : []];
        var tiny = ConfigurationFile.Load(Path.Combine(Fixtures.Repository, "configs", "tiny.yaml"), changes);
        var figures = new StageMemory(tiny, 2, ConfiguredModel.Sizes(tiny.Model, 512), isCpu: true, 1, null);
        Assert.Equal(!isExplicit, figures.IsSharedStep);
        Assert.Equal(isExplicit, figures.Configured(1).Recompute);
    }

    [Fact]
    public void A_run_says_and_records_its_choice_and_a_resumed_one_keeps_it_whatever_memory_there_is_by_then()
    {
        string[] auto = ["stage1.recompute=auto"], always = ["stage1.recompute=true"];
        Assert.Contains(workspace.Train("auto", changes: auto),
            line => line.StartsWith("recompute  no (auto): ", StringComparison.Ordinal));
        Assert.Equal(false, RunInfo.Read(workspace.Run("auto").InfoPath).Recompute);
        Assert.DoesNotContain(workspace.Train("always", changes: always), IsSaid);
        Assert.Equal(true, RunInfo.Read(workspace.Run("always").InfoPath).Recompute);

        // A run that chose to recompute, as on a machine with little memory, goes on so.
        Assert.Throws<OperationCanceledException>(() => workspace.Train("little", changes: always, lastStep: 3));
        var configuration = workspace.Run("little").ConfigurationPath;
        File.WriteAllText(configuration, File.ReadAllText(configuration).Replace("recompute: true", "recompute: auto",
            StringComparison.Ordinal));
        Assert.Contains("recompute  yes, as the run was begun", workspace.Train("little", ExistingRun.Resume, auto));
        Assert.Equal(workspace.Log("always"), workspace.Log("little"));
        Assert.Equal(workspace.Checkpoints("always"), workspace.Checkpoints("little"));
        Assert.Equal(true, RunInfo.Read(workspace.Run("little").InfoPath).Recompute);

        static bool IsSaid(string line) => line.StartsWith("recompute", StringComparison.Ordinal);
    }

    [Fact]
    public void Resuming_with_the_other_choice_is_refused_and_with_the_same_or_auto_it_is_not()
    {
        Assert.Throws<OperationCanceledException>(() => workspace.Train("asked", changes: ["stage1.recompute=auto"], lastStep: 2));
        var refused = Assert.Throws<InputException>(() => workspace.Train("asked", ExistingRun.Resume, ["stage1.recompute=true"]));
        Assert.Contains("stage1.recompute: false -> true", refused.Message, StringComparison.Ordinal);
        Assert.Throws<OperationCanceledException>(
            () => workspace.Train("asked", ExistingRun.Resume, ["stage1.recompute=false"], lastStep: 3));
        workspace.Train("asked", ExistingRun.Resume, ["stage1.recompute=auto"]);
        Assert.Equal(2, RunInfo.Read(workspace.Run("asked").InfoPath).Resumed);
    }

    [Fact]
    public void A_run_of_an_earlier_version_whose_record_does_not_say_it_goes_on_as_its_settings_say()
    {
        string[] never = ["stage1.recompute=false"];
        Assert.Throws<OperationCanceledException>(() => workspace.Train("earlier", changes: never, lastStep: 2));
        var path = workspace.Run("earlier").InfoPath;
        var info = JsonNode.Parse(File.ReadAllText(path))!;
        Assert.True(info.AsObject().Remove("recompute"));
        File.WriteAllText(path, info.ToJsonString());
        Assert.Contains("recompute  no, as the run was begun", workspace.Train("earlier", ExistingRun.Resume, ["stage1.recompute=auto"]));
    }

    private static StageMemory Figures(bool isCpu, params string[] changes) =>
        new(ConfigurationFile.Load(Full, ["model.language.vocabulary=32000", .. changes]), 2, Sizes, isCpu, 1, null);
}
