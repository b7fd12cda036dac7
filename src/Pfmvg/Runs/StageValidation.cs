using System.Globalization;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Runs.Records;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>
/// Scores the validation split behind the checkpoint of every epoch, keeps the best one, and says when a stage has had enough.
/// </summary>
internal sealed class StageValidation(
    Session session, StageSettings settings, IModelSetup setup, Trainer trainer, ILearner samples, CheckpointFolder checkpoints,
    Action<string> tell)
{
    private readonly List<ValidationScore> _scores = [];

    /// <summary>There is something to validate with.</summary>
    private bool IsOn => settings.Validate && samples.Samples.Count > 0;

    /// <summary>The best so far; null before the first one.</summary>
    private ValidationScore? Best => _scores.MaxBy(score => score.Value);

    /// <summary>Validation has not improved for as many epochs as the settings wait.</summary>
    private bool HasEnough => settings.Patience > 0 && Best is { } best && _scores.Count - 1 - _scores.IndexOf(best) >= settings.Patience;

    /// <summary>
    /// Takes up what earlier sessions have measured up to a step. From the log, which a killed process has written, too; run.json is only
    /// written at a run's start and end.
    /// </summary>
    public void Continue(string log, long step) => _scores.AddRange(
        StepLog.Read(log).Select(ValidationScore.Read).OfType<ValidationScore>().Where(score => score.Step <= step));

    /// <summary>
    /// What is to be done before a stage goes on: a validation that a kill has cost. True when the stage has had enough.
    /// </summary>
    /// <param name="start">Where the stage goes on.</param>
    /// <param name="record">Takes what was measured; null on other ranks than 0.</param>
    public bool CatchUp(Position start, TrainingRecord? record)
    {
        Note(record);
        var isDue = IsOn && start is { Epoch: > 0, Step: 0 } && !_scores.Exists(score => score.Step == StepsAfter(start.Epoch - 1));
        return session.World.FromRankZero(() => isDue) ? After(start.Epoch - 1, record) : HasEnough;
    }

    /// <summary>
    /// Measures the loss over the validation split, and for boxes the weighted IoU; each rank takes its share. True when the stage has had
    /// enough.
    /// </summary>
    /// <param name="epoch">The epoch that has ended, from 0; its checkpoint is written.</param>
    /// <param name="record">Takes what was measured; null on other ranks than 0.</param>
    /// <exception cref="OperationCanceledException">A rank was interrupted.</exception>
    public bool After(int epoch, TrainingRecord? record)
    {
        if (!IsOn) return false;
        Span<double> sums = stackalloc double[5]; // loss, answer tokens, IoU, phrases, interrupts
        try
        {
            Measure(sums, record);
        }
        catch (OperationCanceledException) when (session.Interrupt.IsCancellationRequested)
        {
            session.IsSaving = false; // the epoch's checkpoint is written
            if (!session.SignalsReachAll) throw;
            sums[4] = 1; // the other ranks wait for the sums
        }

        session.World.AllReduceSum(sums);
        if (sums[4] > 0) throw new OperationCanceledException("interrupted");
        if (sums[1] == 0)
        {
            tell($"epoch {epoch + 1}  no picture of the validation samples can be read, so nothing was validated");
            return false;
        }

        var score = new ValidationScore(StepsAfter(epoch), epoch + 1, sums[0] / sums[1], sums[3] > 0 ? sums[2] / sums[3] : null);
        var isBest = score.Value > (Best?.Value ?? double.NegativeInfinity);
        // The best first: a kill between the two repeats the validation, and with it the best.
        if (isBest && session.IsFirst) checkpoints.KeepAsBest(score.Step);
        _scores.Add(score);
        record?.AddValidation(score);
        Note(record);
        tell($"epoch {epoch + 1}  validation {score.Describe()}");
        return HasEnough;
    }

    /// <summary>Says at the end of a stage which checkpoint is the best, and by how much.</summary>
    public void TellBest()
    {
        if (Best is not { } best || !double.IsFinite(best.Value)) return;
        if (HasEnough)
            tell($"stopped after epoch {_scores[^1].Epoch}: the validation has not improved for {settings.Patience} epochs (patience)");
        var last = _scores[^1];
        tell(best == last
            ? $"best by validation: the last checkpoint, step {best.Step} (epoch {best.Epoch}), {best.Describe()}"
            : $"best by validation: step {best.Step} (epoch {best.Epoch}), {best.Describe()}; the last, step {last.Step}, has "
                + $"{last.Describe()}, {best.Ahead(last)}. The best is {CheckpointFolder.BestOf(checkpoints.Path)}");
    }

    private void Measure(Span<double> sums, TrainingRecord? record)
    {
        var (world, cancel) = (session.World, session.Interrupt);
        var share = Enumerable.Range(0, samples.Samples.Count).Where(i => i % world.Size == world.Rank).ToArray();
        (sums[0], sums[1]) = samples.Measure(share, done => session.ShowValidated("samples", done, share.Length), cancel);
        if (settings.Task != SampleTask.Refer) return;
        var model = setup.Answers();
        record?.NoteDecoding(model.Decoding);
        var broken = samples.Broken.Select(sample => sample.Index); // found by the loss, which looked at the same pictures
        var (asked, done) = (share.Except(broken).Select(i => samples.Samples[i]).ToList(), 0);
        var answers = model.Answer(asked, setup.Pictures().Whole,
            batch => session.ShowValidated("phrases", done += batch.Count, asked.Count), cancel: cancel);
        var rules = ScoringOptions.Of(session.Configuration.Eval) with { Resamples = 0 };
        var scored = answers.Count == 0 ? [] : Scorer.Score(answers, rules).Samples;
        (sums[2], sums[3]) = (scored.Sum(s => s.Iou), scored.Count);
    }

    private void Note(TrainingRecord? record)
    {
        if (Best is not { } best) return;
        record?.NoteBest(best, _scores[^1], HasEnough ? $"no better validation for {settings.Patience} epochs" : null);
    }

    private long StepsAfter(int epoch) => (epoch + 1L) * trainer.StepsPerEpoch;
}

/// <summary>What a validation measured.</summary>
/// <param name="Step">Steps taken.</param>
/// <param name="Epoch">Epochs done.</param>
/// <param name="Loss">Mean loss of an answer token.</param>
/// <param name="Wiou">The weighted IoU of the answers; null where the stage learns no boxes.</param>
internal sealed record ValidationScore(long Step, int Epoch, double Loss, double? Wiou)
{
    /// <summary>What the best checkpoint has most of: the weighted IoU where there is one, else as little loss as possible.</summary>
    public double Value => Wiou ?? (double.IsFinite(Loss) ? -Loss : double.NegativeInfinity);

    /// <summary>The name of what is compared.</summary>
    public string Measure => Wiou is null ? "loss" : "wiou";

    /// <summary>The figures by name, as the log has them.</summary>
    public IReadOnlyDictionary<string, double> Figures => Wiou is { } wiou
        ? new Dictionary<string, double> { ["loss"] = Loss, ["wiou"] = wiou } : new Dictionary<string, double> { ["loss"] = Loss };

    /// <summary>The validation that a line of a log tells of; null when it tells of something else.</summary>
    public static ValidationScore? Read(JsonInput line) => line.Text("kind") != "validation" ? null : new(
        line.Count("step") ?? throw line.Wrong("'step' is missing"), line.Integer("epoch") ?? throw line.Wrong("'epoch' is missing"),
        StepLog.Figure(line, "loss") ?? double.NaN, StepLog.Figure(line, "wiou"));

    /// <summary>The figures in words.</summary>
    public string Describe() => FormattableString.Invariant($"loss {Loss:f4}")
        + (Wiou is { } wiou ? FormattableString.Invariant($"  wIoU {wiou:f3}") : "");

    /// <summary>By how much this one is better than another.</summary>
    public string Ahead(ValidationScore other) => Wiou is null
        ? string.Create(CultureInfo.InvariantCulture, $"{Value - other.Value:f4} more loss")
        : string.Create(CultureInfo.InvariantCulture, $"{Value - other.Value:f3} less wIoU");
}
