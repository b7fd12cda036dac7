using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

public sealed class AblationTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Short =
        ["stage1.epochs=1", "stage2.epochs=2", "stage2.batch_size=8", "stage2.validate=false", "stage1.validate=false",
        "eval.max_new_tokens=4", "phantom.patients=10"];

    private PfmvgConfiguration Settings(string name, params string[] changes) => workspace.Configuration(name, [.. Short, .. changes]);

    /// <summary>Runs an ablation; notes each part that was trained, by its folder's name.</summary>
    private static IReadOnlyList<AblationRow> Run(
        PfmvgConfiguration settings, List<string> trained, List<string>? told = null, AblationOptions? options = null,
        string? interruptIn = null)
    {
        using var stop = new CancellationTokenSource();
        var seen = new HashSet<string>();
        var recorded = new RecordedSession(settings, (part, report) =>
        {
            if (seen.Add(part)) trained.Add(part);
            if (part == interruptIn && report.Entry.Step == 2) stop.Cancel();
        }, stop.Token);
        try
        {
            return AblationRun.Execute(recorded.Session, options ?? new AblationOptions());
        }
        finally
        {
            told?.AddRange(recorded.Lines);
        }
    }

    [Fact]
    public void Four_rows_are_run_once_and_gathered_afterwards()
    {
        var (settings, trained, told) = (Settings("rows"), new List<string>(), new List<string>());
        var rows = Run(settings, trained, options: new AblationOptions { Controls = true });
        Assert.Equal([(false, false), (true, false), (false, true), (true, true)], rows.Select(row => (row.Stage1, row.Stage2)));
        Assert.Equal(["stage 1", "stage2-only", "stage 2"], trained);
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
        Assert.Equal(["stage 1", "stage 2"], trained.Skip(3));
    }

    [Fact]
    public void An_interrupted_row_is_continued()
    {
        var (settings, trained) = (Settings("halves"), new List<string>());
        Assert.ThrowsAny<OperationCanceledException>(() => Run(settings, trained, interruptIn: "stage2-only"));
        var interrupted = RunInfo.Read(RunFolder.ForPart(settings, "stage2-only").InfoPath);
        Assert.Equal(RunStatus.Interrupted, interrupted.Status);
        Assert.InRange(interrupted.Step, 1, interrupted.Steps - 1);
        var told = new List<string>();
        Run(settings, trained, told);
        Assert.Equal(["stage 1", "stage2-only", "stage2-only", "stage 2"], trained);
        Assert.Single(told, line => line.Contains($"continuing after step {interrupted.Step}", StringComparison.Ordinal));
        Assert.Equal(RunStatus.Finished, RunInfo.Read(RunFolder.ForPart(settings, "stage2-only").InfoPath).Status);
    }

    [Fact]
    public void Missing_controls_are_added_to_answers_that_are_there()
    {
        var options = new EvaluationOptions { Split = Split.Test, FromBase = true, Gather = true };
        var first = EvaluationRun.Execute(new RecordedSession(Settings("later")).Session, options);
        var written = File.ReadAllBytes(first.Folder.PredictionsPath);
        var again = new RecordedSession(Settings("later"));
        var second = EvaluationRun.Execute(again.Session, options with { Controls = true });
        Assert.Equal(written, File.ReadAllBytes(first.Folder.PredictionsPath));
        Assert.Equal(3, again.Lines.Count(line => line.StartsWith("control", StringComparison.Ordinal)));
        Assert.Equal(3, second.Controls.Count);
        Assert.True(again.AnsweredCount > 0);
    }
}
