using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Runs.Records;
using Pfmvg.Training;

namespace Pfmvg.Runs;

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
        _folder = options.Folder(configuration);
    }

    /// <summary>Finds what a run would fail on in a moment, before any work: the device and what to start from.</summary>
    /// <returns>The trained tensors to start from; null for the base weights alone.</returns>
    /// <exception cref="InputException">The device is not there, or there is nothing to start from.</exception>
    public static string? CheckStart(PfmvgConfiguration configuration, TrainingOptions options, int localRank)
    {
        _ = configuration.Stage(options.Stage);
        _ = ConfiguredModel.Device(configuration.Device, localRank);
        var from = options.From ?? (options.Stage == 2 && !options.FromBase ? RunFolder.FinishedStage1(configuration) : null);
        if (from is not null) _ = GroundingSetup.Trained(from);
        return from;
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
        PfmvgConfiguration configuration, TrainingOptions options, ICommunicator world, IProgress<StepReport>? watcher, Action<string> tell,
            CancellationToken interrupt)
    {
        using var run = new TrainingRun(configuration, options, world, world.Rank == 0 ? tell : _ => { });
        return run.Execute(watcher, interrupt);
    }

    private RunFolder Execute(IProgress<StepReport>? watcher, CancellationToken interrupt)
    {
        var from = CheckStart(_configuration, _options, _world.LocalRank);
        var data = GroundingSetup.OpenData(_configuration);
        var task = _settings.Task == StageTask.Caption ? SampleTask.Caption : SampleTask.Refer;
        var training = data.Read(task, Split.Train);
        if (training.Count == 0)
            throw new InputException($"{data.Folder}: has no {Manifest.FileName(task, Split.Train)}, so stage {_options.Stage} has nothing to learn from; prepare the data sets that it needs.");

        var resumed = _options.Existing == ExistingRun.Resume;
        if (resumed && _world.Rank == 0) RequireSameConfiguration();
        using var hold = _world.Rank == 0 ? _folder.Begin(_configuration, _options.Existing) : null;
        if (_world.Size > 1) _world.RequireSame("the training data", string.Join('\n', training.Select(s => s.Id)));
        if (_world.Rank == 0) _info = Describe(from, interrupt);
        _setup = GroundingSetup.Load(_configuration, _world.LocalRank, _settings.MaxAnswerTokens, from);
        foreach (var file in _setup.Files) _tell($"weights  {file.Path}: {file.Report}");
        var samples = _setup.Samples(training, _settings);
        _validation = _setup.Samples(data.Read(task, Split.Validate), _settings);
        _trainer = new Trainer(_setup.Model, _settings, samples, _world);
        var start = resumed ? Resume() : new Position(0, 0);
        var done = StepOf(start);
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
        if (_setup.Features is { } features) _tell(features.Summary);
        if (samples.Broken is { Count: > 0 } broken)
            _tell($"{broken.Count} of {samples.Count} samples were left out, their pictures are broken: {string.Join("; ", broken.Take(3).Select(b => b.Reason))}{(broken.Count > 3 ? "; ..." : "")}");
        return _folder;
    }

    /// <summary>Frees model, optimizer state and log.</summary>
    public void Dispose()
    {
        _log?.Dispose();
        _trainer?.Dispose();
        _setup?.Dispose();
    }

    private string GoOn => _options.GoOn ?? $"pfmvg train --stage {_options.Stage} --resume";

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
            _tell($"A checkpoint is in {_folder.Checkpoints}. Go on with: {GoOn}");
            throw;
        }
        catch (Exception failure)
        {
            try
            {
                Finish(RunStatus.Failed, failure.Message);
            }
            catch (Exception second) when (second is IOException or UnauthorizedAccessException)
            {
                // The disk that failed cannot take the note either; the first failure is the one to tell.
            }

            if (failure is not (IOException or UnauthorizedAccessException))
            {
                if (_info.Result is not null)
                    _tell($"The checkpoints in {_folder.Checkpoints} are as they were. When it is put right, go on with: {GoOn}");
                throw;
            }

            throw new TrainingException($"After step {_info.Step}: {failure.Message.TrimEnd('.')}. The checkpoints in {_folder.Checkpoints} "
                + $"are as they were: put it right and go on with `{GoOn}`.", failure);
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
                Figures = new Dictionary<string, double>(_info.Figures)
                {
                    ["last_loss"] = _lastLoss,
                    ["peak_memory_bytes"] = ProcessMemory.Peak,
                },
            };
            _info.Write(_folder.InfoPath);
        }
    }

    /// <summary>
    /// Writes a checkpoint on rank 0, keeps the last few and the best, and insists that all ranks hold the same
    /// trainables.
    /// </summary>
    private void Save(Position next)
    {
        if (_world.Size > 1) _world.RequireSame("the trained tensors", TrainablesHash());
        if (_world.Rank != 0) return;
        var (model, optimizer) = (_setup!.Model, _trainer!.Optimizer);
        // The best first: a kill between the two repeats the step, and with it the best.
        if (_improved) Checkpoint.Save(Path.Combine(_folder.Checkpoints, Best), model, optimizer, next);
        Checkpoint.Save(Checkpoint.PathOf(_folder.Checkpoints, StepOf(next)), model, optimizer, next);
        _improved = false;
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
            var answers = new ModelAnswers(_setup!.Model, _setup.Builder, _configuration.Eval, _configuration.Seed);
            if (_world.Rank == 0) _info = _info.WithDecoding(answers.Decoding);
            var table = Scorer.Score(answers.Answer(phrases, _setup.Pictures().Whole), new ScoringOptions { Resamples = 0 });
            (sums[2], sums[3]) = (table.Samples.Sum(s => s.Iou), table.Samples.Count);
        }

        _world.AllReduceSum(sums);
        var figures = new Dictionary<string, double> { ["loss"] = sums[0] / sums[1] };
        if (sums[3] > 0) figures["wiou"] = sums[2] / sums[3];
        var score = Score(sums[3] > 0 ? figures["wiou"] : null, figures["loss"]);
        (_improved, _best) = (score > _best, Math.Max(score, _best));
        if (_world.Rank != 0) return;
        _log!.Add("validation", (epoch + 1L) * _trainer.StepsPerEpoch, epoch + 1, figures);
        _info = _info with
        {
            Figures = new Dictionary<string, double>(_info.Figures)
            {
                [sums[3] > 0 ? "best_validation_wiou" : "best_validation_loss"] = Math.Abs(_best),
            },
        };
        _tell(FormattableString.Invariant($"epoch {epoch + 1}  validation loss {figures["loss"]:f4}")
            + (sums[3] > 0 ? FormattableString.Invariant($"  wIoU {figures["wiou"]:f3}") : ""));
    }

    /// <summary>What the best checkpoint has most of: the weighted IoU where there is one, else as little loss as possible.</summary>
    private static double Score(double? wiou, double? loss) => wiou ?? (loss is { } l && double.IsFinite(l) ? -l : double.NegativeInfinity);

    private static double? Figure(JsonObject line, string name) =>
        line[name] is JsonValue value && value.TryGetValue<double>(out var number) ? number : null;

    private Position Resume()
    {
        var checkpoints = Checkpoint.List(_folder.Checkpoints);
        if (_world.Rank == 0 && Directory.Exists(_folder.Checkpoints))
            foreach (var half in Directory.GetFiles(_folder.Checkpoints, ".*.tmp")) File.Delete(half); // left by a killed process
        var good = checkpoints.FirstOrDefault(c => c.IsWhole());
        foreach (var damaged in checkpoints.TakeWhile(c => c != good))
        {
            _tell($"{damaged.Path} is damaged and not used.");
            // Out of the rotation, where it would push out good ones.
            if (_world.Rank == 0) File.Move(damaged.Path, damaged.Path + ".damaged", overwrite: true);
        }

        if (good is null)
        {
            _tell(checkpoints.Count == 0 ? "There is no checkpoint yet: starting from the beginning."
                : "No checkpoint is whole: starting from the beginning.");
            return new Position(0, 0);
        }

        // From the log, which a killed process has written, too; run.json is only written at a run's start and end.
        _best = StepLog.Read(_folder.LogPath).Where(line => (string?)line["kind"] == "validation" && (long?)line["step"] <= good.Step)
            .Select(line => Score(Figure(line, "wiou"), Figure(line, "loss"))).Append(double.NegativeInfinity).Max();
        var position = good.Restore(_setup!.Model, _trainer!.Optimizer);
        if (position.Step >= _trainer.StepsPerEpoch) position = new Position(position.Epoch + 1, 0); // epochs have become shorter
        if (StepOf(position) != good.Step)
        {
            _world.Barrier(); // all ranks have read it
            if (_world.Rank == 0) Renumber(checkpoints, good, StepOf(position));
        }

        return position;
    }

    /// <summary>Number of steps before a position.</summary>
    private long StepOf(Position position) => (long)position.Epoch * _trainer!.StepsPerEpoch + position.Step;

    /// <summary>
    /// With other data or batches an epoch has another number of steps: the newest checkpoint must still have the
    /// highest number.
    /// </summary>
    private void Renumber(IReadOnlyList<Checkpoint> checkpoints, Checkpoint current, long step)
    {
        foreach (var other in checkpoints.Where(c => c != current && File.Exists(c.Path)))
            File.Move(other.Path, other.Path + ".earlier", overwrite: true);
        File.Move(current.Path, Checkpoint.PathOf(_folder.Checkpoints, step));
        _tell($"An epoch has {_trainer!.StepsPerEpoch} steps now: step {current.Step} has become step {step}; older checkpoints are kept as *.earlier.");
    }

    /// <summary>The record of this run; for a resumed one it must depend on the same files.</summary>
    private RunInfo Describe(string? from, CancellationToken interrupt)
    {
        var earlier = _options.Existing == ExistingRun.Resume ? RunInfo.Read(_folder.InfoPath) : null;
        var (weights, manifests) = EarlierTraining.Files(_configuration, from, earlier, interrupt);
        var info = new RunInfo
        {
            Started = DateTimeOffset.UtcNow,
            Seconds = earlier?.Seconds ?? 0,
            Command = _options.Command,
            Ranks = _world.Size,
            Environment = RunInfo.DescribeEnvironment(),
            Figures = earlier?.Figures ?? new Dictionary<string, double>(),
            Weights = weights,
            Data = manifests,
        };
        if (earlier is null) return info;
        Judge([.. RunFile.Changes(earlier.Weights, info.Weights), .. RunFile.Changes(earlier.Data, info.Data)]);
        return info;
    }

    /// <summary>A run goes on with the settings that it was begun with; only where it computes may change.</summary>
    private void RequireSameConfiguration()
    {
        try
        {
            Judge(EarlierTraining.ChangedSettings(_configuration, _options, _world.Size));
        }
        catch (InputException unreadable) when (_options.AllowChanges)
        {
            _tell($"The settings that the run was begun with cannot be compared: {unreadable.Message} Going on all the same.");
        }
    }

    /// <summary>Refuses what is not as it was when the run was begun, or says that it goes on with it.</summary>
    private void Judge(List<string> changes)
    {
        if (changes.Count == 0) return;
        var changed = $"The run in {_folder.Path} was begun with other settings or files: {string.Join("; ", changes)}.";
        if (!_options.AllowChanges)
            throw new InputException($"{changed} Put them back, start again with --overwrite, or go on all the same with --allow-changes.");
        _tell($"{changed} Going on all the same.");
    }

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
