using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Tests.Runs;

public sealed class AblationTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Short =
        ["stage1.epochs=1", "stage2.epochs=2", "stage2.batch_size=8", "stage2.validate=false", "stage1.validate=false",
        "eval.max_new_tokens=4", "phantom.patients=10"];

    private PfmvgConfiguration Settings(string name, params string[] changes) => workspace.Configuration(name, [.. Short, .. changes]);

    private static IReadOnlyList<AblationRow> Run(
        PfmvgConfiguration settings, List<TrainingOptions> trained, List<string>? told = null, AblationOptions? options = null,
        int stopAfter = int.MaxValue)
    {
        using var stop = new CancellationTokenSource();
        return AblationRun.Execute(settings, options ?? new AblationOptions(), new SingleProcess(), training =>
        {
            trained.Add(training);
            TrainingRun.Execute(settings, training, new SingleProcess(),
                new Watcher(report => { if (trained.Count == stopAfter && report.Entry.Step == 2) stop.Cancel(); }), _ => { }, stop.Token);
        }, (told ?? []).Add, (_, _) => { }, CancellationToken.None);
    }

    [Fact]
    public void Four_rows_are_run_once_and_gathered_afterwards()
    {
        var (settings, trained, told) = (Settings("rows"), new List<TrainingOptions>(), new List<string>());
        var rows = Run(settings, trained, options: new AblationOptions { Controls = true });
        Assert.Equal([(false, false), (true, false), (false, true), (true, true)], rows.Select(row => (row.Stage1, row.Stage2)));
        Assert.Equal(["stage1", "stage2-only", "stage2"], trained.Select(training => training.Folder(settings).Part));
        Assert.Equal([false, true, false], trained.Select(training => training.FromBase));
        Assert.Equal(4, rows.Select(row => row.Result.Folder.Path).Distinct().Count());
        Assert.Equal(rows[0].Result.Predictions.Select(p => p.Id), rows[3].Result.Predictions.Select(p => p.Id));
        Assert.Equal(Enum.GetValues<ControlCondition>(), rows[3].Result.Controls.Keys.Order());
        Assert.All(rows[3].Result.Controls.Values, answers => Assert.Equal(
            rows[3].Result.Predictions.Select(p => (p.Id, p.Image, p.Width, p.Height, p.Truth[0])),
                answers.Select(p => (p.Id, p.Image, p.Width, p.Height, p.Truth[0]))));
        Assert.Empty(rows[0].Result.Controls);

        // The rows differ in their weights: none has no trained tensors, each other one its own.
        var weights = rows.Select(row => string.Join(' ', RunInfo.Read(row.Result.Folder.InfoPath).Weights.Select(w => w.Sha256))).ToList();
        Assert.Equal(4, weights.Distinct().Count());

        var written = rows.ToDictionary(row => row, row => File.GetLastWriteTimeUtc(row.Result.Folder.PredictionsPath));
        var again = Run(settings, trained, told);
        Assert.Equal(3, trained.Count);
        Assert.Equal(7, told.Count(line => line.StartsWith("gathered", StringComparison.Ordinal)
            || line.StartsWith("answers  as they are", StringComparison.Ordinal)));
        Assert.Equal(written.Values, again.Select(row => File.GetLastWriteTimeUtc(row.Result.Folder.PredictionsPath)));
        Assert.Equal(rows.Select(row => Scorer.Score(row.Result.Predictions, new ScoringOptions { Resamples = 0 }).Weighted[Metric.Iou]),
            again.Select(row => Scorer.Score(row.Result.Predictions, new ScoringOptions { Resamples = 0 }).Weighted[Metric.Iou]));

        // Other ways to answer are answered again; the training stays.
        var longer = Run(Settings("rows", "eval.max_new_tokens=5"), trained, told = []);
        Assert.Equal(3, trained.Count);
        Assert.DoesNotContain(told, line => line.StartsWith("answers  as they are", StringComparison.Ordinal));
        Assert.Equal(4, longer.Count);

        // Another training is refused by its differences, and made on request, with all that builds upon it.
        var refused = Assert.Throws<InputException>(() => Run(Settings("rows", "stage1.init_lr=0.001"), trained));
        Assert.Contains("stage1.init_lr: 0.004 -> 0.001", refused.Message, StringComparison.Ordinal);
        Run(Settings("rows", "stage1.init_lr=0.001"), trained, options: new AblationOptions { Overwrite = true });
        Assert.Equal(["stage1", "stage2"], trained.Skip(3).Select(training => training.Folder(settings).Part));
    }

    [Fact]
    public void An_interrupted_row_is_gone_on_with()
    {
        var (settings, trained) = (Settings("halves"), new List<TrainingOptions>());
        Assert.ThrowsAny<OperationCanceledException>(() => Run(settings, trained, stopAfter: 2));
        Assert.Equal(RunStatus.Interrupted, RunInfo.Read(RunFolder.Of(settings, "stage2-only").InfoPath).Status);
        Run(settings, trained);
        Assert.Equal([("stage1", ExistingRun.Refuse), ("stage2-only", ExistingRun.Refuse), ("stage2-only", ExistingRun.Resume),
            ("stage2", ExistingRun.Refuse)],
            trained.Select(training => (training.Folder(settings).Part, training.Existing)));
        Assert.Equal(RunStatus.Finished, RunInfo.Read(RunFolder.Of(settings, "stage2-only").InfoPath).Status);
    }

    [Fact]
    public void Missing_controls_are_added_to_answers_that_are_there()
    {
        var (settings, told) = (Settings("later"), new List<string>());
        var (options, world) = (new EvaluationOptions { Split = Split.Test, FromBase = true, Gather = true }, new SingleProcess());
        var first = EvaluationRun.Execute(settings, options, world, _ => { }, (_, _) => { }, CancellationToken.None);
        var written = File.ReadAllBytes(first.Folder.PredictionsPath);
        var asked = 0;
        var second = EvaluationRun.Execute(settings, options with { Controls = true }, world, told.Add, (_, _) => asked++,
            CancellationToken.None);
        Assert.Equal(written, File.ReadAllBytes(first.Folder.PredictionsPath));
        Assert.Equal(3, told.Count(line => line.StartsWith("control", StringComparison.Ordinal)));
        Assert.Equal(3, second.Controls.Count);
        Assert.True(asked > 0);
    }

    private sealed class Watcher(Action<StepReport> watch) : IProgress<StepReport>
    {
        public void Report(StepReport value) => watch(value);
    }
}
