using System.Diagnostics;
using Pfmvg.Configuration;
using Pfmvg.Runs.Records;
using Pfmvg.Tensors;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>
/// What rank 0 writes down about a training: run.json at its start and end, log.jsonl and TensorBoard events at every
/// step.
/// </summary>
internal sealed class TrainingRecord : IDisposable
{
    private readonly RunFolder _folder;
    private readonly CheckpointFolder _checkpoints;
    private readonly StepLog _log;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly double _secondsBefore;
    private RunInfo _info;
    private double _lastLoss;

    /// <summary>Opens the record.</summary>
    /// <param name="folder">The run folder, which this process holds.</param>
    /// <param name="configuration">Written to config.yaml, behind run.json: a kill between the two loses only free settings.</param>
    /// <param name="checkpoints">Their newest is the run's result.</param>
    /// <param name="info">The run as it starts: steps done and steps in all included.</param>
    /// <param name="stepped">Gets every step with its speed.</param>
    public TrainingRecord(
        RunFolder folder, PfmvgConfiguration configuration, CheckpointFolder checkpoints, RunInfo info, Action<StepReport> stepped)
    {
        (_folder, _checkpoints, _info, _secondsBefore) = (folder, checkpoints, info, info.Seconds);
        info.Write(folder.InfoPath);
        folder.WriteConfiguration(configuration);
        _log = new StepLog(folder, info.Steps, info.Step, stepped);
        _lastLoss = StepLog.LastLoss(folder.LogPath);
    }

    /// <summary>The run has a checkpoint.</summary>
    public bool HasResult => _info.Result is not null;

    /// <summary>Notes a step.</summary>
    public void Add(StepEntry entry)
    {
        if (entry.Skipped is null) _lastLoss = entry.Loss;
        _info = _info with { Step = entry.Step };
        GpuMemory.Note();
        _log.Add(entry);
    }

    /// <summary>Notes a validation.</summary>
    public void AddValidation(ValidationScore score) => _log.Add("validation", score.Step, score.Epoch, score.Figures);

    /// <summary>Notes the best validation so far, beside the last one.</summary>
    /// <param name="best">The best one.</param>
    /// <param name="last">The last one.</param>
    /// <param name="enough">Why the stage ends before its last epoch; null when it does not.</param>
    public void NoteBest(ValidationScore best, ValidationScore last, string? enough) => _info = _info with
    {
        Figures = new Dictionary<string, double>(_info.Figures) { [$"best_validation_{best.Measure}"] = Math.Abs(best.Value) },
        Best = double.IsFinite(best.Value) ? new BestCheckpoint(
            Path.GetRelativePath(_folder.Path, CheckpointFolder.BestOf(_checkpoints.Path)), best.Step, best.Measure, Math.Abs(best.Value),
            Math.Abs(last.Value)) : null,
        Message = enough,
    };

    /// <summary>Notes how the tokens of validation answers were computed.</summary>
    public void NoteDecoding(string decoding) => _info = _info.WithDecoding(decoding);

    /// <summary>Notes how the run ended, for now or for good.</summary>
    public void End(RunStatus status, string? message = null)
    {
        var figures = new Dictionary<string, double>(_info.Figures)
        {
            ["last_loss"] = _lastLoss,
            ["peak_memory_bytes"] = ProcessMemory.Peak,
        };
        if (GpuMemory.Peak is { } peak) figures["peak_gpu_memory_bytes"] = peak;
        _info = _info with
        {
            Status = status,
            Message = message ?? _info.Message,
            Ended = DateTimeOffset.UtcNow,
            Seconds = _secondsBefore + _clock.Elapsed.TotalSeconds,
            Result = _checkpoints.Newest is { } newest ? Path.GetRelativePath(_folder.Path, newest.Path) : null,
            Figures = figures,
        };
        _info.Write(_folder.InfoPath);
    }

    /// <summary>Closes the log.</summary>
    public void Dispose() => _log.Dispose();
}
