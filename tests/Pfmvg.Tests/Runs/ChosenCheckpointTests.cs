using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Exporting;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Runs;

/// <summary>The last checkpoint of a training stands for it, or its best one where the settings say so.</summary>
public sealed class ChosenCheckpointTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    // A rate of nothing but noise: the last epochs are not the best.
    private static readonly string[] Noisy = ["stage1.epochs=30", "stage1.init_lr=0.5", "stage1.min_lr=0.5", "stage1.patience=2"];

    private static readonly string[] Quick = ["eval.max_new_tokens=4", "stage2.epochs=1", "stage2.validate=false"];

    [Fact]
    public void Answers_are_those_of_the_chosen_checkpoint_and_every_table_and_record_names_it()
    {
        workspace.Train("choice", changes: Noisy);
        var run = workspace.Run("choice");
        var best = CheckpointFolder.BestOf(run.Checkpoints);
        var info = RunInfo.Read(run.InfoPath);
        Assert.NotEqual(info.Step, info.Best!.Step);
        var (answers, notes) = (new Dictionary<string, byte[]>(), new Dictionary<string, string>());
        foreach (var (name, from, choice) in new[]
            { ("last", run.Path, "last"), ("best", run.Path, "best"), ("named", best, "last"), ("base", "", "best") })
        {
            var configuration = workspace.Configuration($"answers-{name}", [.. Quick, $"eval.checkpoint={choice}"]);
            var result = EvaluationRun.Execute(new RecordedSession(configuration).Session,
                new EvaluationOptions { Split = Split.Test, From = from, FromBase = from.Length == 0 });
            answers[name] = File.ReadAllBytes(result.Folder.PredictionsPath);
            var table = result.Name(Scorer.Score(result.Predictions, new ScoringOptions { Resamples = 0 }));
            notes[name] = Assert.Single(table.Notes, UsedCheckpoint.IsNote);
            Assert.Contains(notes[name], ScoreGrid.PerClass(table).Notes);
            Assert.Contains(notes[name], PaperGrid.Methods(Metric.Iou, [("a", table)], withPublished: false).Notes);
            var noted = RunInfo.Read(result.Folder.InfoPath).Model;
            Assert.Equal(result.Model, noted);
            // The file of the answers alone leads to the same note, where a model is noted.
            var again = UsedCheckpoint.NameBeside(table with { Notes = [] }, result.Folder.PredictionsPath);
            Assert.Equal(noted is null ? [] : [notes[name]], again.Notes);
        }

        Assert.NotEqual(answers["last"], answers["best"]);
        Assert.Equal(answers["named"], answers["best"]);
        Assert.Equal($"Model: the last checkpoint of choice/stage1 (step {info.Step}), eval.checkpoint=last.", notes["last"]);
        Assert.StartsWith($"Model: the best checkpoint of choice/stage1 (step {info.Best.Step}, validation loss ", notes["best"],
            StringComparison.Ordinal);
        Assert.Equal("Model: the checkpoint that was named, best.safetensors.", notes["named"]);
        Assert.Equal("Model: the base weights alone.", notes["base"]);

        // An export takes the same choice.
        Assert.Equal(best, ExportSource.Find(run.Path, CheckpointChoice.Best).File);
        Assert.Equal(run.In(info.Result!), ExportSource.Find(run.Path).File);
        using var grounder = PhraseGrounder.Open(workspace.Configuration("choice", "eval.checkpoint=best"), run.Path);
        Assert.Equal(("best", best, info.Best.Step), (grounder.Trained!.Choice, grounder.Trained.Path, grounder.Trained.Step));
    }

    [Fact]
    public void Stage_2_begins_with_the_chosen_checkpoint_of_stage_1_and_goes_on_with_it()
    {
        string[] both = [.. Noisy, .. Quick];
        workspace.Train("start", changes: both);
        var run = workspace.Run("start");
        var best = CheckpointFolder.BestOf(run.Checkpoints);
        var last = RunInfo.Read(run.InfoPath).Result!;
        var fromBest = Train(["stage2.start=best"], null);
        Assert.Equal((best, "best"), (Info().From, Info().Model!.Choice));
        Assert.Equal(fromBest, Train(["stage2.start=last"], best)); // a file that is named is taken as it is
        Assert.NotEqual(fromBest, Train(["stage2.start=last"], null));
        Assert.Equal((run.In(last), "last"), (Info().From, Info().Model!.Choice));
        Assert.Equal(fromBest, Train(["stage2.start=best"], run.Path)); // as is the folder that is named
        var changed = new RecordedSession(workspace.Configuration("start", [.. both, "stage2.epochs=2"]));
        Assert.Contains("stage2.start", Assert.Throws<InputException>(() => TrainingRun.Execute(changed.Session,
            new TrainingOptions { Stage = 2, Existing = ExistingRun.Resume })).Message, StringComparison.Ordinal);

        RunInfo Info() => RunInfo.Read(workspace.Run("start", 2).InfoPath);

        string[] Train(string[] settings, string? from)
        {
            var recorded = new RecordedSession(workspace.Configuration("start", [.. both, .. settings]));
            TrainingRun.Execute(recorded.Session, new TrainingOptions { Stage = 2, From = from, Existing = ExistingRun.Overwrite });
            Assert.Contains(recorded.Lines, line => line == $"start  {Info().Model!.Describe()}");
            return workspace.Log("start", 2);
        }
    }

    [Fact]
    public void Without_a_best_checkpoint_it_is_refused_in_one_sentence_before_anything_is_computed()
    {
        string[] none = ["stage1.epochs=1", "stage1.validate=false", .. Quick];
        workspace.Train("none", changes: none);
        var missing = CheckpointFolder.BestOf(workspace.Run("none").Checkpoints);
        Refused($"{missing}: there is no best checkpoint, as eval.checkpoint=best asks for; ", ["eval.checkpoint=best"], session =>
            EvaluationRun.Execute(session, new EvaluationOptions { Split = Split.Test, From = workspace.Run("none").Path }));
        Refused($"{missing}: there is no best checkpoint, as stage2.start=best asks for; ", ["stage2.start=best"], session =>
            TrainingRun.Execute(session, new TrainingOptions { Stage = 2 }));
        Refused("stage1.start=best chooses a checkpoint of the training in --from", ["stage1.start=best"], session =>
            TrainingRun.Execute(session, new TrainingOptions { Stage = 1 }));
        Refused("stage2.start=best asks for the best checkpoint of stage 1, but stage1.validate is false", ["stage2.start=best"],
            session => TrainingRun.Execute(session, new TrainingOptions { Stage = 1, Existing = ExistingRun.Overwrite }));
        Refused("eval.checkpoint=best asks for the best checkpoint of stage 1, but stage1.validate is false", ["eval.checkpoint=best"],
            session => AblationRun.Execute(session, new AblationOptions()));
        Assert.Equal(RunStatus.Finished, RunInfo.Read(workspace.Run("none").InfoPath).Status); // nothing was overwritten

        void Refused(string says, string[] settings, Action<Session> act)
        {
            var session = new RecordedSession(workspace.Configuration("none", [.. none, .. settings])).Session;
            var message = Assert.Throws<InputException>(() => { act(session); }).Message;
            Assert.StartsWith(says, message, StringComparison.Ordinal);
            Assert.Contains("last", message, StringComparison.Ordinal);
        }
    }
}
