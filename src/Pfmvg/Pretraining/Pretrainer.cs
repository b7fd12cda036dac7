using System.Diagnostics;
using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Tensors;
using Pfmvg.Text;
using Pfmvg.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining;

/// <summary>Progress of the pre-training; a line of its log.</summary>
internal sealed record PretrainProgress
{
    /// <summary>Steps taken.</summary>
    public required int Step { get; init; }

    /// <summary>Steps of the whole run.</summary>
    public required int Steps { get; init; }

    /// <summary>Mean loss of an answer token since the last line.</summary>
    public required double AnswerLoss { get; init; }

    /// <summary>Mean auxiliary loss since the last line.</summary>
    public required double AuxiliaryLoss { get; init; }

    /// <summary>Rate of the last step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Speed since the last line.</summary>
    public required double PicturesPerSecond { get; init; }

    /// <summary>Expected time to the end.</summary>
    public required TimeSpan Remaining { get; init; }

    /// <summary>Held-out score; null where none was computed.</summary>
    public HeldOutScore? Score { get; init; }
}

/// <summary>
/// Trains every weight of a small model on generic scenes: vision tower, norm, projector and language model, in float32,
/// without adapters. Workers of one thread each draw their own scenes; gradients are averaged in the order of the workers,
/// so the result is a function of the settings and the seed.
/// </summary>
internal sealed class Pretrainer : IDisposable
{
    private readonly PretrainSettings _settings;
    private readonly long _seed;
    private readonly PretrainWorker[] _workers;
    private readonly AdamW _optimizer;
    private readonly Muon _muon;
    private readonly HeldOutScenes _heldOut;

    /// <summary>Draws the start values.</summary>
    public Pretrainer(GroundingConfig config, LlamaTokenizer tokenizer, PretrainSettings settings, long seed)
    {
        (_settings, _seed) = (settings, seed);
        _workers = [.. Enumerable.Range(0, settings.Workers).Select(_ => new PretrainWorker(config, tokenizer, settings, seed))];
        var blocks = _workers[0].Parameters.ToLookup(p => Muon.Takes(p.Name, p.Value), p => (p.Name, p.Value));
        _optimizer = new AdamW(blocks[false], 0.9, 0.99, settings.WeightDecay);
        _muon = new Muon(blocks[true], settings.WeightDecay);
        _heldOut = new HeldOutScenes(config, tokenizer, seed, settings.HeldOut, settings.Objects, settings.Phrases);
    }

    /// <summary>The model in its present state.</summary>
    public GroundingModel Model => _workers[0].Model;

    /// <summary>Steps taken so far.</summary>
    public int Step => (int)_optimizer.Steps;

    /// <summary>Weights, heads and optimizer moments by name.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State() =>
        _workers[0].Parameters.Select(p => KeyValuePair.Create(p.Name, (Tensor)p.Value))
            .Concat(_optimizer.State().Concat(_muon.State()).Select(s => KeyValuePair.Create("optimizer." + s.Name, s.Value)));

    /// <summary>Continues after a saved state was copied into <see cref="State"/>.</summary>
    public void Restore(int step)
    {
        _optimizer.Restore(step);
        ShareWeights();
    }

    /// <summary>The learning rate of a step: linear warm-up, then a cosine.</summary>
    public double LearningRateAt(int step) => step < _settings.WarmupSteps
        ? _settings.Lr * (step + 1) / _settings.WarmupSteps
        : LearningRate.Cosine(
            _settings.Lr, _settings.MinLr, step - _settings.WarmupSteps, Math.Max(1, _settings.Steps - _settings.WarmupSteps));

    /// <summary>Trains to the end.</summary>
    /// <param name="report">Called with the progress at every line of the log.</param>
    /// <param name="save">Called when the state is to be saved.</param>
    /// <param name="cancel">Saves the state and stops after the current step.</param>
    public void Run(Action<PretrainProgress> report, Action save, CancellationToken cancel)
    {
        var threads = get_num_threads();
        set_num_threads(1); // one thread per worker is faster than several threads per operation
        try
        {
            var watch = Stopwatch.StartNew();
            var (answer, auxiliary, since) = (0.0, 0.0, Step);
            while (Step < _settings.Steps)
            {
                if (cancel.IsCancellationRequested)
                {
                    save();
                    cancel.ThrowIfCancellationRequested();
                }

                var rate = LearningRateAt(Step);
                var losses = TakeStep(rate);
                (answer, auxiliary) = (answer + losses.Answer, auxiliary + losses.Auxiliary);
                var last = Step == _settings.Steps;
                var scored = last || Step % _settings.EvaluateEvery == 0;
                if (Step % _settings.SaveEvery == 0 && !last) save();
                if (!scored && Step % _settings.LogEvery != 0) continue;
                var (steps, seconds) = (Step - since, watch.Elapsed.TotalSeconds);
                report(new PretrainProgress
                {
                    Step = Step,
                    Steps = _settings.Steps,
                    AnswerLoss = answer / steps,
                    AuxiliaryLoss = auxiliary / steps,
                    LearningRate = rate,
                    PicturesPerSecond = steps * _settings.Workers * _settings.Pictures / seconds,
                    Remaining = TimeSpan.FromSeconds(seconds / steps * (_settings.Steps - Step)),
                    Score = scored ? _heldOut.Score(Model) : null,
                });
                (answer, auxiliary, since) = (0, 0, Step);
                watch.Restart();
            }
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    /// <summary>Frees models and optimizers.</summary>
    public void Dispose()
    {
        foreach (var worker in _workers) worker.Dispose();
        _optimizer.Dispose();
        _muon.Dispose();
    }

    private (double Answer, double Auxiliary) TakeStep(double rate)
    {
        var most = Step < _settings.EasyShare * _settings.Steps ? Math.Min(2, _settings.Objects) : _settings.Objects;
        var first = (long)Step * _settings.Workers * _settings.Pictures;
        var losses = new (double Answer, double Auxiliary)[_workers.Length];
        OnWorkers(worker => losses[worker] = _workers[worker].Accumulate(_seed, first + (long)worker * _settings.Pictures, most));
        SumGradients();
        _optimizer.Step(rate);
        OnWorkers(worker => _muon.Step(rate / _settings.Lr * _settings.MuonLr, worker, _workers.Length));
        ShareWeights();
        return (losses.Average(l => l.Answer), losses.Average(l => l.Auxiliary));
    }

    /// <summary>Runs one piece of work for each worker, each on its own thread.</summary>
    private void OnWorkers(Action<int> work)
    {
        var others = Enumerable.Range(1, _workers.Length - 1).Select(worker => Task.Run(() =>
        {
            set_num_threads(1); // a pool thread may have had more before; it would then sum in another order
            work(worker);
        })).ToArray();
        work(0);
        foreach (var task in others) task.GetAwaiter().GetResult();
    }

    /// <summary>Adds the gradients of the other workers to the first one's and clips their common norm.</summary>
    private void SumGradients()
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var squares = new List<Tensor>();
        for (var i = 0; i < _workers[0].Parameters.Count; i++)
        {
            if (_workers[0].Parameters[i].Value.grad is not { } gradient) continue;
            foreach (var worker in _workers.Skip(1))
            {
                if (worker.Parameters[i].Value.grad is not { } other) continue;
                gradient.PlusInPlace(other);
                other.zero_();
            }

            squares.Add(gradient.mul(gradient).sum());
        }

        var norm = Math.Sqrt(stack(squares).sum().item<float>());
        if (norm <= _settings.ClipNorm) return;
        using Scalar factor = _settings.ClipNorm / norm;
        foreach (var (_, parameter) in _workers[0].Parameters) parameter.grad?.mul_(factor);
    }

    private void ShareWeights()
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        foreach (var worker in _workers.Skip(1))
            for (var i = 0; i < worker.Parameters.Count; i++) worker.Parameters[i].Value.copy_(_workers[0].Parameters[i].Value);
    }
}
