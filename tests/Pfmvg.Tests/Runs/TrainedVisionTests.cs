using Pfmvg.Exporting;
using Pfmvg.Models;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Models;
using Pfmvg.Tests.Support;
using Pfmvg.Training;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Runs;

/// <summary>A vision tower that learns is a part of what a run has made, whatever reads it.</summary>
public sealed class TrainedVisionTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Trained = ["stage1.train_vision=true", "stage1.vision_lr_factor=0.5"];

    [Fact]
    public void A_resumed_run_is_the_undisturbed_one_and_its_tower_is_found_by_whoever_starts_from_it()
    {
        workspace.Train("whole-vision", changes: Trained);
        Assert.Throws<OperationCanceledException>(() => workspace.Train("cut-vision", changes: Trained, lastStep: 3));
        workspace.Train("cut-vision", ExistingRun.Resume, Trained);
        Assert.Equal(workspace.Log("whole-vision"), workspace.Log("cut-vision"));
        Assert.Equal(workspace.Checkpoints("whole-vision"), workspace.Checkpoints("cut-vision"));

        // Stage 2 leaves the tower as it is, and hands it on.
        var configuration = workspace.Configuration("whole-vision", [.. Trained, "stage2.epochs=1", "stage2.image=resize"]);
        TrainingRun.Execute(new RecordedSession(configuration).Session, new TrainingOptions { Stage = 2 });
        using var scope = NewDisposeScope();
        var (before, first, second) = (Tower(null), Tower("stage1"), Tower("stage2"));
        foreach (var (name, value) in first)
        {
            Assert.False(value.Same(before[name]), name);
            Assert.True(value.Same(second[name]), name);
        }

        Dictionary<string, Tensor> Tower(string? part)
        {
            using var setup = GroundingSetup.Load(configuration, 0, 160, part is null ? null : RunFolder.ForPart(configuration, part).Path);
            return setup.Model.named_parameters().Where(p => ParameterNames.IsPartOf(ParameterNames.VisionTower, p.name))
                .ToDictionary(p => p.name, p => p.parameter.detach().clone());
        }
    }

    [Theory, InlineData("Peft"), InlineData("Hf"), InlineData("MiniGptV2")]
    public void An_export_refuses_it_by_name(string form)
    {
        var format = Enum.Parse<ExportFormat>(form);
        var name = $"export-vision-{format}";
        workspace.Train(name, changes: [.. Trained, "stage1.epochs=1"]);
        var run = workspace.Run(name);
        var output = Path.Combine(run.Path, "..", "..", $"export-{format}");
        var refusal = Assert.Throws<InputException>(() => ExportRun.Execute(
            new RecordedSession(workspace.Configuration(name, [.. Trained, "stage1.epochs=1"])).Session,
            new ExportOptions { From = run.Path, Output = output, Format = format }));
        Assert.Contains("holds a vision tower that was trained (train_vision)", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(Checkpoint.List(run.Checkpoints)[0].Path, refusal.Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(output));
    }
}
