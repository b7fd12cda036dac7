using System.Security.Cryptography;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Evaluation;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>How a stage is to be run.</summary>
public sealed record TrainingOptions
{
    /// <summary>1 or 2.</summary>
    public required int Stage { get; init; }

    /// <summary>Trained tensors to start from; null takes stage 1's result for stage 2 and the base weights for stage 1.</summary>
    public string? From { get; init; }

    /// <summary>Start from the base weights whatever there is, for an ablation without stage 1.</summary>
    public bool FromBase { get; init; }

    /// <summary>What to do when the run folder already holds a run.</summary>
    public ExistingRun Existing { get; init; } = ExistingRun.Refuse;

    /// <summary>Go on although the configuration, the weights or the data have changed.</summary>
    public bool AllowChanges { get; init; }

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];
}

/// <summary>One stage from its files to its result: what `pfmvg train` does.</summary>
public sealed class TrainingRun : IDisposable
{
    private const string Best = "best.safetensors";

    private readonly PfmvgConfiguration _configuration;
    private readonly TrainingOptions _options;
    private readonly StageSettings _settings;
    private readonly ICommunicator _world;
    private readonly Action<string> _tell;
    private readonly RunFolder _folder;
    private GroundingSetup? _setup;
    private Trainer? _trainer;
    private TrainingSamples? _validation;
    private StepLog? _log;
    private RunInfo _info = new();
    private double _best = double.NegativeInfinity, _lastLoss = double.NaN;
    private bool _improved;

    private TrainingRun(PfmvgConfiguration configuration, TrainingOptions options, ICommunicator world, Action<string> tell)
    {
        (_configuration, _options, _world, _tell) = (configuration, options, world, tell);
        _settings = configuration.Stage(options.Stage);
        _folder = RunFolder.Of(configuration, $"stage{options.Stage}");
    }

    /// <summary>Runs a stage, from its start or from its last good checkpoint.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="options">Which stage and from where.</param>
    /// <param name="world">The processes that train together.</param>
    /// <param name="watcher">Told of every step on rank 0.</param>
    /// <param name="tell">Told on rank 0, in a line each, what a user wants to know.</param>
    /// <param name="interrupt">Stops after the step at hand, with a checkpoint.</param>
    /// <returns>The run folder of the stage.</returns>
    public static RunFolder Execute(
        PfmvgConfiguration configuration, TrainingOptions options, ICommunicator world, IProgress<StepReport>? watcher, Action<string> tell, CancellationToken interrupt)
    {
        using var run = new TrainingRun(configuration, options, world, world.Rank == 0 ? tell : _ => { });
        return run.Execute(watcher, interrupt);
    }

    private RunFolder Execute(IProgress<StepReport>? watcher, CancellationToken interrupt)
    {
        var from = _options.From ?? (_options.Stage == 2 && !_options.FromBase ? RunFolder.FinishedStage1(_configuration) : null);
        var data = GroundingSetup.OpenData(_configuration);
        var task = _settings.Task == StageTask.Caption ? SampleTask.Caption : SampleTask.Refer;
        var training = data.Read(task, Split.Train);
        if (training.Count == 0)
            throw new InputException($"{data.Folder}: has no {Manifest.FileName(task, Split.Train)}, so stage {_options.Stage} has nothing to learn from; prepare the data sets that it needs.");

        using var hold = _world.Rank == 0 ? _folder.Begin(_configuration, _options.Existing) : null;
        _world.Barrier();
        var resumed = _options.Existing == ExistingRun.Resume;
        if (_world.Rank == 0) _info = Describe(from, data, interrupt);
        _setup = GroundingSetup.Load(_configuration, _world.LocalRank, _settings.MaxAnswerTokens, from);
        foreach (var file in _setup.Files) _tell($"weights  {file.Path}: {file.Report}");
        var samples = Samples(training);
        _validation = Samples(data.Read(task, Split.Validate));
        _trainer = new Trainer(_setup.Model, _settings, samples, _world);
        var start = resumed ? Resume() : new Position(0, 0);
        var done = (long)start.Epoch * _trainer.StepsPerEpoch + start.Step;
        var total = (long)_settings.Epochs * _trainer.StepsPerEpoch;
        _tell($"stage {_options.Stage}  {samples.Count} samples, {_trainer.GlobalBatch} per step, {_trainer.StepsPerEpoch} steps per epoch, {_settings.Epochs} epochs"
            + (done > 0 ? $"; going on after step {done}" : ""));
        if (_world.Rank == 0)
        {
            _info = _info with
            {
                Steps = total,
                Step = done,
                Counts = new Dictionary<string, long>
                {
                    ["parameters"] = _setup.Model.named_parameters().Sum(p => p.parameter.numel()),
                    ["trainable_parameters"] = _setup.Model.Trainables().Sum(t => t.Parameter.numel()),
                    ["training_samples"] = samples.Count,
                    ["validation_samples"] = _validation.Count,
                },
            };
            _info.Write(_folder.InfoPath);
            _log = new StepLog(_folder, total, done, watcher);
        }

        Train(start, interrupt);
        return _folder;
    }

    /// <summary>Frees model, optimizer state and log.</summary>
    public void Dispose()
    {
        _log?.Dispose();
        _trainer?.Dispose();
        _setup?.Dispose();
    }

    private void Train(Position start, CancellationToken interrupt)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var before = _info.Seconds;
        try
        {
            _trainer!.Run(start, entry =>
            {
                (_lastLoss, _info) = (entry.Loss, _info with { Step = entry.Step });
                _log?.Add(entry);
            }, Save, Validate, interrupt);
            Finish(RunStatus.Finished, null);
        }
        catch (OperationCanceledException)
        {
            Finish(RunStatus.Interrupted, null);
            _tell($"A checkpoint is in {_folder.Checkpoints}. Go on with: pfmvg train --stage {_options.Stage} --resume");
            throw;
        }
        catch (Exception failure) when (failure is not InputException)
        {
            Finish(RunStatus.Failed, failure.Message);
            throw;
        }

        void Finish(RunStatus status, string? message)
        {
            if (_world.Rank != 0) return;
            var newest = Checkpoint.List(_folder.Checkpoints) is [var first, ..] ? first : null;
            _info = _info with
            {
                Status = status,
                Message = message,
                Ended = DateTimeOffset.UtcNow,
                Seconds = before + clock.Elapsed.TotalSeconds,
                Result = newest is null ? null : Path.GetRelativePath(_folder.Path, newest.Path),
                Figures = new Dictionary<string, double>(_info.Figures) { ["last_loss"] = _lastLoss, ["peak_memory_bytes"] = ProcessMemory.Peak },
            };
            _info.Write(_folder.InfoPath);
        }
    }

    /// <summary>Writes a checkpoint on rank 0, keeps the last few and the best, and insists that all ranks hold the same trainables.</summary>
    private void Save(Position next)
    {
        if (_world.Size > 1) _world.RequireSame("the trained tensors", TrainablesHash());
        if (_world.Rank != 0) return;
        var step = (long)next.Epoch * _trainer!.StepsPerEpoch + next.Step;
        var saved = Checkpoint.Save(_folder.Checkpoints, _setup!.Model, _trainer.Optimizer, next, step);
        if (_improved)
        {
            var best = Path.Combine(_folder.Checkpoints, Best);
            AtomicFile.Write(best, target =>
            {
                using var source = File.OpenRead(saved.Path);
                source.CopyTo(target);
            });
            _improved = false;
        }

        foreach (var old in Checkpoint.List(_folder.Checkpoints).Skip(_settings.KeepLast)) File.Delete(old.Path);
    }

    /// <summary>Loss over the validation split, and for boxes the weighted IoU; each rank takes its share.</summary>
    private void Validate(int epoch)
    {
        if (!_settings.Validate || _validation!.Count == 0) return;
        Span<double> sums = stackalloc double[4]; // loss, answer tokens, IoU, phrases
        var share = Enumerable.Range(0, _validation.Count).Where(i => i % _world.Size == _world.Rank).ToArray();
        (sums[0], sums[1]) = _trainer!.ValidationLoss(_validation, share);
        if (_settings.Task == StageTask.Refer)
        {
            var phrases = share.Select(i => _validation.Samples[i]).ToList();
            var answers = new ModelAnswers(_setup!.Model, _setup.Builder, _configuration.Eval);
            var table = Scorer.Score(answers.Answer(phrases, s => ImageFile.Decode(_setup.Data.ImagePath(s))), new ScoringOptions { Resamples = 0 });
            (sums[2], sums[3]) = (table.Samples.Sum(s => s.Iou), table.Samples.Count);
        }

        _world.AllReduceSum(sums);
        var figures = new Dictionary<string, double> { ["loss"] = sums[0] / sums[1] };
        if (sums[3] > 0) figures["wiou"] = sums[2] / sums[3];
        var score = sums[3] > 0 ? figures["wiou"] : -figures["loss"];
        (_improved, _best) = (score > _best, Math.Max(score, _best));
        if (_world.Rank != 0) return;
        _log!.Add("validation", (epoch + 1L) * _trainer.StepsPerEpoch, epoch + 1, figures);
        _info = _info with { Figures = new Dictionary<string, double>(_info.Figures) { [sums[3] > 0 ? "best_validation_wiou" : "best_validation_loss"] = Math.Abs(_best) } };
        _tell(FormattableString.Invariant($"epoch {epoch + 1}  validation loss {figures["loss"]:f4}") + (sums[3] > 0 ? FormattableString.Invariant($"  wIoU {figures["wiou"]:f3}") : ""));
    }

    private Position Resume()
    {
        var checkpoints = Checkpoint.List(_folder.Checkpoints);
        var good = checkpoints.FirstOrDefault(c => c.IsWhole());
        if (good is null)
        {
            _tell(checkpoints.Count == 0 ? "There is no checkpoint yet: starting from the beginning." : "No checkpoint is whole: starting from the beginning.");
            return new Position(0, 0);
        }

        foreach (var damaged in checkpoints.TakeWhile(c => c != good)) _tell($"{damaged.Path} is damaged and not used.");
        _best = _info.Figures.TryGetValue("best_validation_wiou", out var wiou) ? wiou
            : _info.Figures.TryGetValue("best_validation_loss", out var loss) ? -loss : double.NegativeInfinity;
        return good.Restore(_setup!.Model, _trainer!.Optimizer);
    }

    /// <summary>The record of this run; for a resumed one it must depend on the same files.</summary>
    private RunInfo Describe(string? from, PreparedData data, CancellationToken interrupt)
    {
        var earlier = _options.Existing == ExistingRun.Resume ? RunInfo.Read(_folder.InfoPath) : null;
        var paths = GroundingSetup.Paths(_configuration);
        var weights = new List<string> { paths.Vision, paths.Language };
        if (paths.Start is not null) weights.Add(paths.Start);
        if (from is not null) weights.Add(GroundingSetup.Trained(from));
        var info = new RunInfo
        {
            Started = DateTimeOffset.UtcNow,
            Seconds = earlier?.Seconds ?? 0,
            Command = _options.Command,
            Ranks = _world.Size,
            Environment = RunInfo.DescribeEnvironment(),
            Figures = earlier?.Figures ?? new Dictionary<string, double>(),
            Weights = RunFile.Of(weights, earlier?.Weights, interrupt),
            Data = RunFile.Of(Directory.GetFiles(data.Folder, "*.*.jsonl").Append(Path.Combine(data.Folder, "prepared.json")).Order(StringComparer.Ordinal), earlier?.Data, interrupt),
        };
        if (earlier is null || _options.AllowChanges) return info;
        var changes = RunFile.Changes(earlier.Weights, info.Weights).Concat(RunFile.Changes(earlier.Data, info.Data)).ToList();
        return changes.Count == 0
            ? info
            : throw new InputException($"The run in {_folder.Path} cannot be gone on with as it was: {string.Join("; ", changes)}. Start again with --overwrite, or go on all the same with --allow-changes.");
    }

    private TrainingSamples Samples(IReadOnlyList<Sample> samples) =>
        new(_setup!.Data, samples, _setup.Builder, _settings, _configuration.Model.ImageSize, _configuration.Seed);

    private string TrainablesHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (_, parameter) in _setup!.Model.Trainables())
        {
            using var value = parameter.detach().cpu().contiguous();
            hash.AppendData(value.bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
