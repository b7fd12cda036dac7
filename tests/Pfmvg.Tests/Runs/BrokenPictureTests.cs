using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Runs;

/// <summary>Pictures that broke after the data were prepared, where `data.skip_broken` leaves them out.</summary>
[Collection(nameof(Alone))]
public sealed class BrokenPictureTests : IDisposable
{
    private readonly TrainingWorkspace _workspace = new(patients: 40);

    [Fact]
    public void A_step_of_broken_pictures_only_is_skipped_and_no_NaN()
    {
        Break(Split.Train, 1);
        var lines = Train("step", "stage2.batch_size=1", "stage2.validate=false");
        var log = StepLog.Read(_workspace.Run("step", 2).LogPath).Nodes().ToList();
        Assert.Contains(log, line => (string?)line["text"] == "step skipped: no picture of its samples can be read");
        Assert.DoesNotContain(log, line => line.ToJsonString().Contains("NaN", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("samples were left out, their pictures are broken", StringComparison.Ordinal));
        Assert.Equal(RunStatus.Finished, RunInfo.Read(_workspace.Run("step", 2).InfoPath).Status);
    }

    [Theory, InlineData(1, true), InlineData(int.MaxValue, false)]
    public void A_broken_validation_picture_costs_neither_checkpoint_nor_run(int count, bool isValidated)
    {
        Break(Split.Validate, count);
        var lines = Train("validation");
        Assert.Equal(isValidated, lines.Exists(line => line.Contains("validation loss", StringComparison.Ordinal)));
        Assert.Equal(!isValidated, lines.Exists(line => line.Contains("nothing was validated", StringComparison.Ordinal)));
        Assert.Contains(lines, line => line.Contains("validation samples were left out", StringComparison.Ordinal));
        Assert.True(Checkpoint.List(_workspace.Run("validation", 2).Checkpoints)[0].IsWhole());
        Assert.Equal(RunStatus.Finished, RunInfo.Read(_workspace.Run("validation", 2).InfoPath).Status);
    }

    public void Dispose() => _workspace.Dispose();

    private List<string> Train(string name, params string[] changes)
    {
        var recorded = new RecordedSession(_workspace.Configuration(name, ["stage2.epochs=1", "stage2.warmup_steps=1",
            "data.skip_broken=true", "data.cache=null", "data.feature_cache=null", .. changes]));
        TrainingRun.Execute(recorded.Session, new TrainingOptions { Stage = 2, FromBase = true });
        return recorded.Lines;
    }

    /// <summary>Breaks some pictures of a split, which no other split has.</summary>
    private void Break(Split split, int count)
    {
        var data = PreparedData.Open(_workspace.Data);
        var pictures = data.Read(SampleTask.Refer, split).Select(data.ImagePath).Distinct().Take(count).ToList();
        foreach (var picture in pictures) File.WriteAllText(picture, "broken");
    }
}
