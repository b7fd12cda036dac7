using System.Security.Cryptography;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Runs.Records;
using Pfmvg.Tensors;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>One stage from its files to its result: what `pfmvg train` does.</summary>
public sealed class TrainingRun
{
    private readonly Session _session;
    private readonly TrainingOptions _options;
    private readonly StageSettings _settings;
    private readonly RunFolder _folder;
    private readonly CheckpointFolder _checkpoints;
    private readonly IModelSetup _setup;
    private readonly Trainer _trainer;
    private readonly StageValidation _validation;
    private readonly Action<string> _tell;

    private TrainingRun(
        Session session, TrainingOptions options, IModelSetup setup, Trainer trainer, ILearner validation, Action<string> tell)
    {
        (_session, _options, _setup, _trainer, _tell) = (session, options, setup, trainer, tell);
        _settings = session.Configuration.Stage(options.Stage);
        _folder = options.Folder(session.Configuration);
        _checkpoints = new CheckpointFolder(_folder.Checkpoints, _settings.KeepLast);
        _validation = new StageValidation(session, _settings, setup, trainer, validation, _checkpoints, tell);
    }

    /// <summary>Runs a stage, from its start or from its last good checkpoint.</summary>
    /// <param name="session">The configuration, and who computes together.</param>
    /// <param name="options">Which stage and from where.</param>
    /// <returns>The run folder of the stage.</returns>
    /// <exception cref="InputException">A file or setting that it needs is absent or wrong.</exception>
    /// <exception cref="OperationCanceledException">It was interrupted; a checkpoint is written.</exception>
    public static RunFolder Execute(Session session, TrainingOptions options)
    {
        var folder = options.Folder(session.Configuration);
        if (session.World.FromRankZero(() => IsFinished(session, options)))
        {
            session.Tell($"{options.Title} is finished already, nothing is changed: {folder.Path}");
            return folder;
        }

        using var log = new TextLog(folder.TextLogPath, session.Tell);
        try
        {
            Execute(session, options, session.IsFirst ? log.Tell : _ => { }, session.IsFirst ? log.Open : () => { });
        }
        catch (Exception failure)
        {
            log.Note(failure);
            throw;
        }

        session.Tell($"{options.Title} is finished: {folder.Path}  (peak memory {Units.Bytes(ProcessMemory.Peak)}"
            + (GpuMemory.Peak is { } peak ? $", of the GPU {Units.Bytes(peak)})" : ")"));
        return folder;
    }

    private static void Execute(Session session, TrainingOptions options, Action<string> tell, Action begun)
    {
        var (start, world) = (options.Start(session.Configuration), session.World);
        session.PrepareData();
        var configuration = session.Configuration;
        var settings = configuration.Stage(options.Stage);
        var data = GroundingSetup.OpenData(configuration);
        var (training, heldOut) = (GroundingSetup.TrainingSplit(data, options.Stage, settings), data.Read(settings.Task, Split.Validate));
        TrainingForecast.RequireBest(configuration, options.Stage, heldOut.Count);
        var dicom = DicomPictures.Among([.. training, .. heldOut], configuration);
        var folder = options.Folder(configuration);
        var resumed = options.Existing == ExistingRun.Resume;
        if (resumed && session.IsFirst) RequireSameSettings(session, options, tell);
        // What is to be overwritten stays until everything has loaded and nothing speaks against the new run.
        var replaces = session.IsFirst && options.Existing == ExistingRun.Overwrite && File.Exists(folder.InfoPath);
        using var hold = session.IsFirst && !replaces ? folder.Begin(configuration, options.Existing) : null;
        if (!replaces) begun();
        if (world.Size > 1) world.RequireSame("the training data", string.Join('\n', training.Select(s => s.Id)));
        var recompute = options.Recompute(session, training);
        var info = session.IsFirst ? Describe(session, options, start, tell) with
        {
            Synthetic = data.IsSynthetic, Dicom = dicom?.Rule, Recompute = recompute?.Recompute,
        } : null;
        tell($"data  {data.Title}{(dicom is null ? "" : $"; {dicom.Clause}")}");
        if (recompute is { Said: { } why }) tell(why);
        if (recompute is not null) settings = recompute.In(settings);

        using var setup = options.Load(session, start?.Path, training);
        setup.Truncation = session.Truncation;
        if (start is not null) tell($"start  {(info?.Model ?? start).Describe()}");
        foreach (var line in setup.Lines) tell(line);
        var samples = setup.Learner(training, settings);
        var validation = setup.Learner(TaughtMixture.ToValidate(heldOut, settings), settings.Unmixed);
        if (samples.Mixture is { } mixture) tell(mixture);
        var sums = session.GradientWorld(tell);
        using var nccl = sums as NcclCommunicator;
        using var trainer = new Trainer(samples, settings, sums);
        TrainingForecast.Check(options, configuration, samples, trainer, tell);
        using var taken = replaces ? folder.Begin(configuration, options.Existing) : null;
        if (replaces) begun();
        var run = new TrainingRun(session, options, setup, trainer, validation, tell);
        var next = resumed ? run.Resume() : new Position(0, 0);
        var done = run.StepOf(next);
        tell($"{options.Kind}  {samples.Samples.Count} samples, {trainer.GlobalBatch} per step, {trainer.StepsPerEpoch} steps per epoch, "
            + $"{settings.Epochs} epochs" + (done > 0 ? $"; continuing after step {done}" : ""));

        if (nccl is not null) info = info?.WithGradientSums("nccl");
        using var record = info is null ? null : run.Record(info, done, samples.Samples.Count, validation.Samples.Count);
        run.Train(next, done, record);
        if (setup.Summary is { } summary) tell(summary);
        TellBroken(samples, "samples");
        TellBroken(validation, "validation samples");

        void TellBroken(ILearner split, string what)
        {
            if (split.Broken is not { Count: > 0 } broken) return;
            tell($"{broken.Count} of {split.Samples.Count} {what} were left out, their pictures are broken: "
                + $"{string.Join("; ", broken.Take(3).Select(b => b.Reason))}{(broken.Count > 3 ? "; ..." : "")}");
        }
    }

    private string ResumeCommand => (_session.World.Size > 1 ? $"mpirun -n {_session.World.Size} " : "")
        + (_options.ResumeCommand ?? $"pfmvg train {(_options.Cnn ? "--model cnn" : $"--stage {_options.Stage}")} --resume");

    private TrainingRecord Record(RunInfo info, long done, int samples, int validation) => new(
        _folder,
        _session.Configuration,
        _checkpoints,
        info with
        {
            Steps = (long)_settings.Epochs * _trainer.StepsPerEpoch,
            Step = done,
            SamplesPerStep = _trainer.GlobalBatch,
            Counts = new Dictionary<string, long>
            {
                ["parameters"] = _setup.Parameters,
                ["trainable_parameters"] = _trainer.Trainables.Sum(t => t.Parameter.numel()),
                ["training_samples"] = samples,
                ["validation_samples"] = validation,
            },
        },
        report => _session.Display.Stepped(_options.Title, _settings.LogEvery, report));

    private void Train(Position start, long done, TrainingRecord? record)
    {
        try
        {
            _session.IsSaving = true; // until the end, and while an interrupt is on its way out
            if (!_validation.CatchUp(start, record))
                _trainer.Run(start, entry =>
                {
                    done = entry.Step;
                    record?.Add(entry);
                }, Save, epoch => _validation.After(epoch, record), _session.Interrupt);
            _session.IsSaving = false;
            record?.End(RunStatus.Finished);
            _validation.TellBest();
        }
        catch (OperationCanceledException)
        {
            record?.End(RunStatus.Interrupted);
            _tell((_checkpoints.Newest is null
                ? "No step was whole, so there is no checkpoint yet." : $"A checkpoint is in {_folder.Checkpoints}.")
                + $" Go on with: {ResumeCommand}");
            throw;
        }
        catch (Exception failure)
        {
            try
            {
                record?.End(RunStatus.Failed, FileFault.Say(failure));
            }
            catch (Exception second) when (second is IOException or UnauthorizedAccessException)
            {
                // The disk that failed cannot take the note either; the first failure is the one to tell.
            }

            if (failure is not (IOException or UnauthorizedAccessException))
            {
                if (record is { HasResult: true })
                    _tell($"The checkpoints in {_folder.Checkpoints} are unharmed. When the cause is mended, go on with: "
                        + $"{ResumeCommand}");
                throw;
            }

            throw new TrainingException($"After step {done}: {FileFault.Say(failure).TrimEnd('.')}. The checkpoints in "
                + $"{_folder.Checkpoints} are unharmed: mend the cause and continue with `{ResumeCommand}`.", failure);
        }
    }

    /// <summary>Writes a checkpoint on rank 0 and insists that all ranks hold the same trainables.</summary>
    private void Save(Position next)
    {
        if (_session.World.Size > 1) _session.World.RequireSame("the trained tensors", TrainablesHash());
        if (_session.IsFirst) _checkpoints.Save(_trainer.Kept, _trainer.Optimizer, next, StepOf(next), _setup.Marks);
    }

    /// <summary>Puts the newest whole checkpoint into model and optimizer.</summary>
    /// <returns>The next step to take.</returns>
    private Position Resume()
    {
        if (_session.IsFirst) _checkpoints.RemoveHalfWritten();
        if (_checkpoints.NewestWhole(_session.IsFirst, _tell) is not { } good) return new Position(0, 0);

        _validation.Continue(_folder.LogPath, good.Step);
        var position = good.Restore(_trainer.Kept, _trainer.Optimizer, _setup.Marks);
        if (position.Step >= _trainer.StepsPerEpoch) position = new Position(position.Epoch + 1, 0); // epochs have become shorter
        if (StepOf(position) == good.Step) return position;
        _session.World.Barrier(); // all ranks have read it
        if (_session.IsFirst) _checkpoints.Renumber(good, StepOf(position));
        _tell($"An epoch has {_trainer.StepsPerEpoch} steps now: step {good.Step} has become step {StepOf(position)}; "
            + "older checkpoints are kept as *.earlier.");
        return position;
    }

    /// <summary>Number of steps before a position.</summary>
    private long StepOf(Position position) => (long)position.Epoch * _trainer.StepsPerEpoch + position.Step;

    /// <summary>The record of this run; a resumed one must depend on the same files.</summary>
    private static RunInfo Describe(Session session, TrainingOptions options, UsedCheckpoint? start, Action<string> tell)
    {
        var infoPath = options.Folder(session.Configuration).InfoPath;
        var earlier = options.Existing == ExistingRun.Resume ? RunInfo.Read(infoPath) : null;
        var (weights, manifests) = EarlierTraining.HashFiles(session, options, start?.Path, earlier);
        if (earlier is not null)
            RequireUnchanged([.. RunFile.Changes(earlier.Weights, weights), .. RunFile.Changes(earlier.Data, manifests)], session, options,
                tell);
        return new RunInfo
        {
            Started = DateTimeOffset.UtcNow,
            Seconds = earlier?.Seconds ?? 0,
            Resumed = earlier is null ? 0 : earlier.Resumed + 1,
            Command = options.Command,
            Ranks = session.World.Size,
            From = start?.Path ?? RunInfo.Base,
            Model = earlier?.Model ?? start,
            Environment = RunInfo.DescribeEnvironment(),
            Figures = earlier?.Figures ?? new Dictionary<string, double>(),
            Best = earlier?.Best,
            Weights = weights,
            Data = manifests,
        };
    }

    /// <summary>The run to be continued is at its end, and nothing else is asked for.</summary>
    private static bool IsFinished(Session session, TrainingOptions options)
    {
        var path = options.Folder(session.Configuration).InfoPath;
        return options.Existing == ExistingRun.Resume && File.Exists(path) && RunInfo.Read(path).Status == RunStatus.Finished
            && EarlierTraining.Find(session, options) is { Changes.Count: 0 };
    }

    /// <summary>A run continues with the settings that it was begun with; only where it computes may change.</summary>
    private static void RequireSameSettings(Session session, TrainingOptions options, Action<string> tell)
    {
        try
        {
            var changes = EarlierTraining.ChangedSettings(session.Configuration, options, session.World.Size);
            RequireUnchanged(changes, session, options, tell);
        }
        catch (InputException unreadable) when (options.AllowChanges)
        {
            tell($"The settings that the run was begun with cannot be compared: {unreadable.Message} Continuing all the same.");
        }
    }

    /// <summary>Refuses what is not as it was when the run was begun, or says that it continues all the same.</summary>
    private static void RequireUnchanged(List<string> changes, Session session, TrainingOptions options, Action<string> tell)
    {
        if (changes.Count == 0) return;
        var folder = options.Folder(session.Configuration).Path;
        var changed = $"The run in {folder} was begun with other settings or files: {string.Join("; ", changes)}.";
        if (!options.AllowChanges)
            throw new InputException($"{changed} Put them back, start again with --overwrite, or continue all the same with "
                + "--allow-changes.");
        tell($"{changed} Continuing all the same.");
    }

    private string TrainablesHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (_, parameter) in _trainer.Trainables)
        {
            using var value = parameter.detach().cpu().contiguous();
            hash.AppendData(value.bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
