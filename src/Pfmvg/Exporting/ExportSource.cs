using Pfmvg.Configuration;
using Pfmvg.Models.Building;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Training;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Exporting;

/// <summary>What is exported: a file of trained tensors, and the run that it comes from where that is known.</summary>
/// <param name="File">One of our checkpoints, one of the original code, or an adapter folder of peft.</param>
/// <param name="Run">The part of a run that wrote it; null when it is not in a run folder.</param>
internal sealed record ExportSource(string File, RunFolder? Run)
{
    /// <summary>What the run noted about itself.</summary>
    public RunInfo? Info { get; } = Run is null ? null : RunInfo.Read(Run.InfoPath);

    /// <summary>Which checkpoint it is.</summary>
    public required UsedCheckpoint Used { get; init; }

    /// <summary>Finds what a user names.</summary>
    /// <param name="from">What the user names.</param>
    /// <param name="choice">Which checkpoint of a run's folder.</param>
    /// <exception cref="InputException">It is not there, the training did not end, or its checkpoint is damaged.</exception>
    public static ExportSource Find(string from, CheckpointChoice choice = CheckpointChoice.Last)
    {
        var used = ChosenCheckpoint.Of(from, choice, "eval.checkpoint");
        var file = used.Path;
        var ours = GroundingSetup.IsOurs(file);
        if (ours && !new Checkpoint(file, 0).IsWhole())
            throw new InputException($"{file}: is damaged, its content does not have the checksum it was written with; use an older "
                + "checkpoint.");
        var source = new ExportSource(file, ours ? RunOf(from, file) : null) { Used = used };
        // A checkpoint of an unfinished training may be named; the folder stands for the result alone.
        if (file != Path.GetFullPath(from) && source is { Run: { } run, Info.Status: not RunStatus.Finished })
            throw new InputException($"{from}: the training there is not finished ({source.Info.Describe(run.IsInUse)}); let it end, or "
                + $"name one of its checkpoints in {run.Checkpoints}.");
        return source;
    }

    /// <summary>The configuration that the run was trained with.</summary>
    /// <exception cref="InputException">It is not known.</exception>
    public string ConfigurationPath => Run is not null ? Run.ConfigurationPath
        : throw new InputException($"{File}: is not in the folder of a run, so nothing tells its settings (lora_alpha, for one, cannot be "
            + "seen from the tensors); give them with --config FILE.");

    /// <summary>Refuses model settings that are not those of the run: the tensors would mean something else.</summary>
    /// <exception cref="InputException">They differ.</exception>
    public void RequireSameModel(PfmvgConfiguration configuration)
    {
        if (Run is null || !System.IO.File.Exists(Run.ConfigurationPath)) return;
        var trained = ConfigurationFile.Load(Run.ConfigurationPath, []);
        var other = ConfigurationFile.Differences(trained, configuration)
            .Where(change => change.StartsWith("model.", StringComparison.Ordinal)
                && !change.StartsWith("model.language.quantized", StringComparison.Ordinal)).ToList();
        if (other.Count > 0)
            throw new InputException($"{Run.Path}: was trained with other settings of the model ({string.Join("; ", other)}); leave out "
                + "--config and --set, so that the run's own are taken.");
    }

    /// <summary>Refuses a checkpoint whose vision tower was trained: an export's is that of the base weights.</summary>
    /// <exception cref="InputException">It holds a vision tower.</exception>
    public void RequireVisionOfBase()
    {
        if (GroundingSetup.IsOurs(File) && ModelBuilder.HoldsVision(File, Checkpoint.ToModel))
            throw Refusal.ForFile(File, "holds a vision tower that was trained (train_vision), for which --format peft, hf and minigptv2 "
                + "have no place", "ask it here (predict, eval, serve), or export a run that was trained with train_vision: false");
    }

    /// <summary>The files of the base weights with their hashes: those of the run where it noted them.</summary>
    /// <param name="configuration">Names the base weights.</param>
    /// <param name="needsBase">Base weights are read: they must be there, and be those of the run.</param>
    /// <param name="cancel">Stops the hashing.</param>
    /// <exception cref="InputException">A file is gone or has changed since the training.</exception>
    public IReadOnlyList<RunFile> HashBase(PfmvgConfiguration configuration, bool needsBase, CancellationToken cancel)
    {
        if (!needsBase && Info is not null) return Info.Weights;
        var known = (Info?.Weights ?? []).ToLookup(file => Path.GetFileName(file.Path));
        var paths = GroundingSetup.WeightFiles(configuration, null).Where(path => needsBase || Path.Exists(path));
        var files = RunFile.HashAll(paths, Info?.Weights, cancel);
        if (files.FirstOrDefault(file => known[Path.GetFileName(file.Path)] is var before && before.Any()
            && before.All(one => one.Sha256 != file.Sha256)) is { } changed)
            throw new InputException($"{changed.Path}: has changed since {Run!.Path} was trained with it; put the file of then back.");
        return [.. files, .. Info?.Weights.Where(file => files.All(now => now.Sha256 != file.Sha256)) ?? []];
    }

    /// <summary>The epoch that a checkpoint says it was saved in; 0 where it does not.</summary>
    public long Epoch()
    {
        if (Directory.Exists(File)) return 0;
        using var file = WeightFile.Open(File);
        return file.Metadata.GetValueOrDefault("epoch") switch
        {
            long number and >= 0 => number,
            string text when long.TryParse(text, out var number) => number,
            _ => 0,
        };
    }

    private static RunFolder? RunOf(string from, string file)
    {
        if (file != Path.GetFullPath(from)) return RunFolder.Open(from);
        return Path.GetDirectoryName(Path.GetDirectoryName(file)) is { } above && System.IO.File.Exists(Path.Combine(above, "run.json"))
            ? RunFolder.Open(above) : null;
    }
}
