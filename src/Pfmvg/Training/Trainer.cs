using System.Diagnostics;
using Pfmvg.Configuration;
using Pfmvg.Data.Loading;
using Pfmvg.Distributed;
using Pfmvg.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>
/// One loop for both stages (paper, sections 2.2 and 3.1): only projector and adapters are trained, and the vision tower where a
/// setting says so, with AdamW and a cosine schedule; what differs between the stages is their settings and their data. Several
/// processes each take their share of every global batch and sum their gradients. Another model learns by the same loop through
/// <see cref="ILearner"/>.
/// </summary>
public sealed class Trainer : IDisposable
{
    private readonly ILearner _learner;
    private readonly StageSettings _settings;
    private readonly ICommunicator _world;
    private readonly AdamW _optimizer;
    private readonly (string Name, TorchSharp.Modules.Parameter Parameter)[] _trainables;
    private readonly GradientBuffer _gradients;
    private readonly LearningRate _schedule;
    private readonly Stopwatch _clock = new();
    private int _skipped;

    /// <summary>Sets up a stage of our own model at its first step.</summary>
    public Trainer(GroundingModel model, StageSettings settings, TrainingSamples samples, ICommunicator world)
        : this(new AnswerLearner(model, samples, settings), settings, world)
    {
    }

    /// <summary>Sets up a stage at its first step.</summary>
    internal Trainer(ILearner learner, StageSettings settings, ICommunicator world)
    {
        (_learner, _settings, _world) = (learner, settings, world);
        _trainables = [.. learner.Trainables()];
        _optimizer = new AdamW(_trainables, settings.Beta1, settings.Beta2, settings.WeightDecay, rateOf: name =>
            ParameterNames.IsLoraUp(name) ? settings.LoraBLrFactor : ParameterNames.IsVision(name) ? settings.VisionLrFactor : 1);
        _gradients = new GradientBuffer([.. _trainables.Select(t => t.Parameter)], StepSums.Numbers,
            staged: learner.Device.type == DeviceType.CUDA);
        GlobalBatch = settings.BatchSize * settings.Accumulate * world.Size;
        StepsPerEpoch = (learner.Samples.Count + GlobalBatch - 1) / GlobalBatch;
        _schedule = LearningRate.ForStage(settings, StepsPerEpoch);
    }

    /// <summary>Samples of one step over all ranks.</summary>
    public int GlobalBatch { get; }

    /// <summary>Steps of an epoch; the last one may be smaller.</summary>
    public int StepsPerEpoch { get; }

    /// <summary>What is trained.</summary>
    internal IReadOnlyList<(string Name, TorchSharp.Modules.Parameter Parameter)> Trainables => _trainables;

    /// <summary>What a checkpoint holds.</summary>
    internal IEnumerable<(string Name, TorchSharp.Modules.Parameter Parameter)> Kept => _learner.Kept();

    /// <summary>The optimizer, for checkpoints.</summary>
    public AdamW Optimizer => _optimizer;

    /// <summary>Runs steps from a position to the end of the stage.</summary>
    /// <param name="start">Where to begin.</param>
    /// <param name="stepped">Called on every rank after each step.</param>
    /// <param name="save">Called on every rank where a checkpoint is due, with the position to continue from.</param>
    /// <param name="epochEnded">Called on every rank after an epoch and its checkpoint; true ends the stage here.</param>
    /// <param name="interrupt">
    /// Any rank's interrupt ends the run on all ranks behind the last whole step, with a checkpoint; a step that has begun is dropped.
    /// </param>
    /// <exception cref="OperationCanceledException">The run was interrupted; its checkpoint is written.</exception>
    /// <exception cref="TrainingException">The numbers went wrong.</exception>
    public void Run(
        Position start, Action<StepEntry> stepped, Action<Position> save, Func<int, bool> epochEnded, CancellationToken interrupt)
    {
        var saved = start;
        var (epoch, step) = (start.Epoch, start.Step);
        _clock.Restart();
        using var ahead = _learner.Follow(Shares(start), interrupt);
        for (; epoch < _settings.Epochs; epoch++, step = 0)
        {
            var order = _learner.Order(epoch, GlobalBatch);
            for (; step < StepsPerEpoch; step++)
            {
                if (Step(order, epoch, step, interrupt) is not { } entry)
                {
                    Save(new Position(epoch, step), mustBeFinite: true);
                    throw new OperationCanceledException("interrupted");
                }

                stepped(entry);
                var last = step + 1 == StepsPerEpoch;
                if (last) Save(new Position(epoch + 1, 0), mustBeFinite: epoch + 1 == _settings.Epochs);
                else if (_settings.CheckpointEvery > 0 && entry.Step % _settings.CheckpointEvery == 0)
                    Save(new Position(epoch, step + 1), mustBeFinite: false);
            }

            if (epochEnded(epoch)) return;
        }

        // A broken checkpoint never replaces a good one; the skipped steps are counted down until the run stops.
        void Save(Position next, bool mustBeFinite)
        {
            if (next == saved) return;
            if (NotFinite() is not { } broken) save(saved = next);
            else if (mustBeFinite)
                throw new TrainingException($"Epoch {epoch + 1}, step {step + 1}: the trained tensor {broken} is not "
                    + "finite, so no checkpoint is written. The last checkpoint is intact.");
        }
    }

    /// <summary>Runs the first steps of the stage for what can be seen of them: no validation, no checkpoint.</summary>
    /// <param name="steps">How many; no more than the stage has.</param>
    /// <param name="stepped">Called on every rank after each step.</param>
    /// <param name="interrupt">Ends it behind the last whole step.</param>
    public void Rehearse(int steps, Action<StepEntry> stepped, CancellationToken interrupt)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(interrupt);
        try
        {
            Run(new Position(0, 0), entry =>
            {
                stepped(entry);
                if (entry.Step == steps) enough.Cancel();
            }, _ => { }, _ => enough.IsCancellationRequested, enough.Token);
        }
        catch (OperationCanceledException)
        {
            interrupt.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Frees the optimizer's state and the gradients.</summary>
    public void Dispose()
    {
        _optimizer.Dispose();
        _gradients.Dispose();
    }

    // What this rank takes of all steps from a position to the end of the stage.
    private IEnumerable<StepShare> Shares(Position start)
    {
        for (var (epoch, step) = (start.Epoch, start.Step); epoch < _settings.Epochs; epoch++, step = 0)
        {
            var order = _learner.Order(epoch, GlobalBatch);
            for (; step < StepsPerEpoch; step++) yield return new StepShare(epoch, Share(Batch(order, step)));
        }
    }

    private int[] Batch(int[] order, int step) =>
        order.AsSpan(step * GlobalBatch, Math.Min(GlobalBatch, order.Length - step * GlobalBatch)).ToArray();

    private int[] Share(int[] batch) => [.. batch.Where((_, i) => (long)i * _world.Size / GlobalBatch == _world.Rank)];

    /// <summary>Takes a step; null when a rank was interrupted before it was whole, and nothing has changed.</summary>
    private StepEntry? Step(int[] order, int epoch, int step, CancellationToken interrupt)
    {
        if (_world.Size == 1 && interrupt.IsCancellationRequested) return null;
        using var scope = NewDisposeScope();
        var batch = Batch(order, step);
        var share = Share(batch);
        var sums = new StepSums();
        var losses = new List<Tensor>(); // not read yet
        try
        {
            foreach (var micro in _learner.Learn(share, epoch, interrupt))
            {
                losses.Add(micro.Loss);
                sums.Targets += micro.Targets;
                sums.Positions += micro.Positions;
            }
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            // The other ranks hear of it where their sums meet.
        }

        sums.Interrupts = interrupt.IsCancellationRequested ? 1 : 0;
        if (_world.Size > 1)
        {
            sums.Loss = Read(losses).Sum(value => (double)value);
            sums = SumOverRanks(sums);
            losses.Clear();
        }

        if (sums.Interrupts > 0)
        {
            _gradients.Clear();
            return null;
        }

        var rate = _schedule.At(epoch, step);
        if (sums.Targets == 0) return Entry(0, null, "no picture of its samples can be read");
        _gradients.Scale(1.0 / sums.Targets); // from the gradient of the summed loss to that of the mean over targets
        var read = Read([.. losses, _gradients.Norms()]);
        sums.Loss += read.Take(losses.Count).Sum(value => (double)value);
        var norms = read[losses.Count..];
        var norm = Math.Sqrt(norms.Sum(value => Math.Pow(value, 2)));
        if (_settings.ClipNorm > 0 && norm > _settings.ClipNorm) _gradients.Scale(_settings.ClipNorm / norm);
        var loss = sums.Loss / sums.Targets;
        string? skipped = null;
        if (double.IsFinite(loss) && double.IsFinite(norm))
        {
            _skipped = 0;
            _optimizer.Step(rate);
        }
        else
        {
            skipped = SkipOrStop(epoch, step, loss, norms, batch);
        }

        return Entry(loss, norm, skipped);

        StepEntry Entry(double loss, double? norm, string? skipped)
        {
            var seconds = _clock.Elapsed.TotalSeconds;
            _clock.Restart();
            return new StepEntry((long)epoch * StepsPerEpoch + step + 1, epoch + 1, loss, rate, batch.Length, (int)sums.Positions, seconds,
                norm, skipped);
        }
    }

    private StepSums SumOverRanks(StepSums sums)
    {
        Span<float> numbers = stackalloc float[StepSums.Numbers];
        sums.Write(numbers);
        _gradients.SumOverRanks(_world, numbers);
        return StepSums.Read(numbers);
    }

    // Several tensors at once, because each reading waits for the device.
    private static float[] Read(List<Tensor> values)
    {
        if (values.Count == 0) return []; // a rank without a share of the last step
        using var scope = NewDisposeScope();
        return cat([.. values.Select(value => value.view(-1))]).cpu().data<float>().ToArray();
    }

    /// <summary>The first trained tensor that holds a NaN or an infinity.</summary>
    private string? NotFinite()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var finite = stack(_trainables.Select(t => t.Parameter.isfinite().all())).cpu().data<bool>().ToArray();
        return _trainables.Zip(finite).FirstOrDefault(pair => !pair.Second).First.Name;
    }

    /// <summary>Drops the gradients of a step gone wrong and says what is wrong; too many of them in a row end the run.</summary>
    private string SkipOrStop(int epoch, int step, double loss, float[] norms, int[] batch)
    {
        using var scope = NewDisposeScope();
        var broken = NotFinite();
        var bad = _trainables.Zip(norms).Where(pair => !float.IsFinite(pair.Second)).Select(pair => pair.First.Name).ToList();
        _gradients.Clear();
        _skipped++;
        var wrong = $"the loss is {loss}" +
            (bad.Count > 0 ? $", the gradient is not finite in {bad.Count} tensors, first {bad[0]}" : "") +
            (broken is null ? "" : $"; the trained tensor {broken} itself is not finite") +
            $"; samples {string.Join(", ", batch.Take(8))}{(batch.Length > 8 ? ", ..." : "")} of the split";
        if (_skipped <= _settings.NanTolerance) return wrong;
        throw new TrainingException($"Epoch {epoch + 1}, step {step + 1}: {wrong}. " +
            $"{_skipped} steps in a row were skipped. The last checkpoint is intact; a lower init_lr or clip_norm helps, or "
                + "precision: float32.");
    }
}

/// <summary>What the samples of a step add up to.</summary>
internal record struct StepSums(double Loss, long Targets, long Positions, int Interrupts)
{
    /// <summary>How many numbers the ranks add up, in float32.</summary>
    public const int Numbers = 4;

    /// <summary>From the numbers, summed over the ranks.</summary>
    public static StepSums Read(ReadOnlySpan<float> numbers) => new(numbers[0], (long)numbers[1], (long)numbers[2], (int)numbers[3]);

    /// <summary>To the numbers.</summary>
    public readonly void Write(Span<float> numbers) =>
        (numbers[0], numbers[1], numbers[2], numbers[3]) = ((float)Loss, Targets, Positions, Interrupts);
}

/// <summary>Training cannot continue; the message says why and what to do.</summary>
public sealed class TrainingException(string message, Exception? cause = null) : Exception(message, cause);
