using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Runs;

/// <summary>What a run says, notes and keeps when something goes wrong in its midst.</summary>
[Collection(nameof(Alone))]
public sealed class FailingTrainingTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Fact]
    public void Data_that_vanish_in_mid_run_end_it_in_a_sentence_and_it_continues_when_they_are_back()
    {
        workspace.Train("undisturbed");
        var images = PreparedData.Open(workspace.Data).Roots["roco"];
        var recorded = new RecordedSession(workspace.Configuration("vanished", "data.workers=1"), (_, report) =>
        {
            if (report.Entry.Step == 3) Directory.Move(images, images + "-away");
        });
        InputException failure;
        try
        {
            failure = Assert.Throws<InputException>(() => TrainingRun.Execute(recorded.Session, new TrainingOptions { Stage = 1 }));
        }
        finally
        {
            Directory.Move(images + "-away", images);
        }

        Assert.Contains("roco", failure.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Contains(recorded.Lines, line => line.Contains("train --stage 1 --resume", StringComparison.Ordinal));
        var last = Checkpoint.List(workspace.Run("vanished").Checkpoints)[0];
        Assert.InRange(last.Step, 2, 4); // what was loaded ahead is still learnt
        Assert.True(last.IsWhole());
        Assert.Equal(RunStatus.Failed, RunInfo.Read(workspace.Run("vanished").InfoPath).Status);
        workspace.Train("vanished", ExistingRun.Resume);
        Assert.Equal(workspace.Log("undisturbed"), workspace.Log("vanished"));
        Assert.Equal(workspace.Checkpoints("undisturbed"), workspace.Checkpoints("vanished"));
    }

    [Fact]
    public void What_may_not_start_leaves_what_it_was_to_overwrite()
    {
        workspace.Train("kept");
        Answer();
        var parts = new[] { workspace.Run("kept").Path, Path.Combine(workspace.Run("kept").Path, "..", "eval-test") };
        var files = parts.SelectMany(part => Directory.GetFiles(part, "*", SearchOption.AllDirectories))
            .ToDictionary(file => file, File.ReadAllBytes);
        Assert.Contains(files.Keys, file => file.EndsWith("predictions.jsonl", StringComparison.Ordinal));
        var broken = Path.Combine(workspace.Path, "broken.pth");
        File.WriteAllText(broken, "no weights");

        Assert.Throws<InputException>(() => workspace.Train("kept", ExistingRun.Overwrite, [$"weights.start={broken}"]));
        Assert.Throws<InputException>(() => workspace.Train("kept", ExistingRun.Overwrite, ["stage1.max_answer_tokens=1"]));
        Assert.Throws<InputException>(() => Answer($"weights.start={broken}"));
        Assert.Equal(files.Keys.Order(), parts.SelectMany(part => Directory.GetFiles(part, "*", SearchOption.AllDirectories)).Order());
        foreach (var (file, content) in files) Assert.Equal(content, File.ReadAllBytes(file));

        void Answer(params string[] changes) => EvaluationRun.Execute(new RecordedSession(workspace.Configuration("kept", changes)).Session,
            new EvaluationOptions { Split = Split.Test, FromBase = true });
    }

    [Fact]
    public void A_skipped_step_is_noted_with_its_step_samples_and_tensor_and_the_run_that_stops_says_the_same()
    {
        // The adapters' gradients are beyond float32.
        var seen = new List<StepEntry>();
        var failure = Assert.Throws<TrainingException>(() => workspace.Train(
            "skipped", changes: ["model.lora.alpha=1e39", "stage1.nan_tolerance=2"], watch: report => seen.Add(report.Entry)));
        var skipped = Assert.IsType<string>(seen[0].Skipped);
        Assert.Matches(
            @"^the loss is \S+, the gradient is not finite in \d+ tensors, first llama_\S+; samples \d+, \d+, \d+, \d+ of the split$",
            skipped);
        var notes = StepLog.Read(workspace.Run("skipped").LogPath).Nodes().Where(line => (string?)line["kind"] == "note").ToList();
        Assert.Equal([1L, 2L], notes.Select(note => (long)note["step"]!));
        Assert.Equal($"step skipped: {skipped}", (string?)notes[0]["text"]);
        Assert.StartsWith("Epoch 1, step 3: the loss is ", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_continues_with_allowed_changes_and_says_so_also_where_an_epoch_has_another_number_of_steps()
    {
        Assert.ThrowsAny<OperationCanceledException>(() => workspace.Train("allowed", lastStep: 3));
        var told = workspace.Train("allowed", ExistingRun.Resume,
            ["stage1.init_lr=0.001", "stage1.batch_size=2", "stage1.checkpoint_every=0"], allowChanges: true);
        var said = Assert.Single(told, line => line.EndsWith("Continuing all the same.", StringComparison.Ordinal));
        Assert.Contains("stage1.init_lr", said, StringComparison.Ordinal);
        Assert.Contains("samples per step over all processes: 4 -> 2", said, StringComparison.Ordinal);
        var info = RunInfo.Read(workspace.Run("allowed").InfoPath);
        Assert.Equal((RunStatus.Finished, info.Steps), (info.Status, info.Step));
        Assert.Equal(info.Steps, Checkpoint.List(workspace.Run("allowed").Checkpoints)[0].Step);

        // Fewer steps than the checkpoint's number: the run must still continue from the newest one.
        Assert.ThrowsAny<OperationCanceledException>(() => workspace.Train("shorter", changes: ["stage1.batch_size=1"], lastStep: 12));
        var again = workspace.Train("shorter", ExistingRun.Resume, ["stage1.batch_size=8"], allowChanges: true);
        Assert.Contains(again, line => line.Contains("step 12 has become step ", StringComparison.Ordinal));
        info = RunInfo.Read(workspace.Run("shorter").InfoPath);
        Assert.Equal(info.Steps, Checkpoint.List(workspace.Run("shorter").Checkpoints)[0].Step);
        Assert.Equal($"checkpoints/step-{info.Steps:d8}.safetensors", info.Result);
    }
}
