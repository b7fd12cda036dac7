using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

/// <summary>The embedded default with fewer patients and epochs: fine-tuning the tiny base must teach it to look.</summary>
[Trait("Category", "Slow")]
public class MiniatureTests
{
    [Fact]
    public void The_loss_falls_and_the_model_beats_its_own_blind_answers_and_the_constant_box()
    {
        using var folder = new TemporaryFolder();
        var settings = ConfigurationFile.Load(
            Path.Combine(Fixtures.Repository, "configs", "tiny.yaml"),
            [$"workspace={folder.Path}", "phantom.patients=200", "phantom.seed=11", "stage2.epochs=12", "stage2.batch_size=24",
                "stage2.warmup_steps=20"]);
        var session = new RecordedSession(settings).Session;
        var run = TrainingRun.Execute(session, new TrainingOptions { Stage = 2, FromBase = true });
        var losses = StepLog.Read(run.LogPath).Nodes().Where(line => (string?)line["kind"] == "step").Select(line => (double)line["loss"]!)
            .ToList();
        Assert.True(losses.TakeLast(20).Average() < 0.8 * losses.Take(20).Average(),
            $"{losses.Take(20).Average()} -> {losses.TakeLast(20).Average()}");

        var result = EvaluationRun.Execute(session, new EvaluationOptions { Split = Split.Test, Controls = true });
        var options = new ScoringOptions { Resamples = 2000, Synthetic = true };
        var model = Scorer.Score(result.Predictions, options);
        foreach (var control in Enum.GetValues<ControlCondition>())
        {
            var scores = Scorer.Score(result.Controls[control], options);
            var difference = Comparison.Between(scores, model).Rows[^1].Figures[Metric.Iou].Difference;
            Assert.True(difference.Low > 0, $"{control}: {difference}");
        }

        var swap = PhraseSwap.Measure(result.Predictions, options)!;
        Assert.True(swap.Moved.Low > 0.5, $"{swap.Moved}");
    }
}
