using Pfmvg.Configuration;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>A training that was begun earlier in the folder of the same options.</summary>
/// <param name="Info">How it went.</param>
/// <param name="Changes">Settings, weights and data that are not what it was begun with; empty when it is the run that
/// the options ask for.</param>
internal sealed record EarlierTraining(RunInfo Info, IReadOnlyList<string> Changes)
{
    /// <summary>
    /// The training that the folder already holds, and whether it is the one that the options ask for; null when there
    /// is none.
    /// </summary>
    /// <exception cref="InputException">There is nothing to start from, or a file is gone.</exception>
    public static EarlierTraining? Find(Session session, TrainingOptions options)
    {
        var folder = options.Folder(session.Configuration);
        if (!File.Exists(folder.InfoPath)) return null;
        var info = RunInfo.Read(folder.InfoPath);
        var (weights, data) = HashFiles(session, options, options.Start(session.Configuration)?.Path, info);
        return new EarlierTraining(info, [.. OtherSettings(session.Configuration, options), .. RunFile.Changes(info.Weights, weights),
            .. RunFile.Changes(info.Data, data)]);
    }

    /// <summary>
    /// The settings that the run in the folder was trained with and the options do not ask for; empty when there is no
    /// run.
    /// </summary>
    /// <exception cref="InputException">The earlier settings cannot be read.</exception>
    public static IReadOnlyList<string> OtherSettings(PfmvgConfiguration configuration, TrainingOptions options)
    {
        var path = options.Folder(configuration).InfoPath;
        if (!File.Exists(path)) return [];
        // How validation answers does not change what is trained.
        return [.. ChangedSettings(configuration, options, RunInfo.Read(path).Ranks)
            .Where(c => !c.StartsWith("eval.", StringComparison.Ordinal))];
    }

    /// <summary>
    /// The settings that are not those of the run in the folder; where it computes, and how a step is divided, may
    /// change.
    /// </summary>
    /// <exception cref="InputException">The earlier settings cannot be read.</exception>
    internal static List<string> ChangedSettings(PfmvgConfiguration configuration, TrainingOptions options, int ranks)
    {
        var folder = options.Folder(configuration);
        if (!File.Exists(folder.ConfigurationPath)) return [];
        string[] free = ["threads", "device", "nccl", "workspace", "runs", "data.roots", "data.workers", "data.cache", "data.feature_cache",
            "eval.checkpoint"];
        string[] ofStage = ["batch_size", "accumulate", "log_every", "keep_last", "checkpoint_every", "recompute"];
        // The same global batch may be split over another number of processes.
        var stage = $"stage{options.Stage}.";
        var other = options.Stage == 1 ? "stage2." : "stage1.";
        var earlier = ConfigurationFile.Load(folder.ConfigurationPath, []);
        var changes = ConfigurationFile.Differences(earlier, configuration)
            .Where(c => !free.Any(f => c.StartsWith(f, StringComparison.Ordinal)) && !c.StartsWith(other, StringComparison.Ordinal)
                && !ofStage.Any(f => c.StartsWith(stage + f, StringComparison.Ordinal))).ToList();
        var (before, now, info) = (earlier.Stage(options.Stage), configuration.Stage(options.Stage), RunInfo.Read(folder.InfoPath));
        // From run.json alone, which is written as a whole: a process that is killed while it resumes changes nothing.
        var (globalBefore, globalNow) = (info.SamplesPerStep ?? (long)before.BatchSize * before.Accumulate * info.Ranks,
            (long)now.BatchSize * now.Accumulate * ranks);
        if (now.Recompute != Recomputation.Auto && Recomputes(before, info) is { } begun && begun != (now.Recompute == Recomputation.True))
            changes.Add($"{stage}recompute: {(begun ? "true -> false" : "false -> true")}");
        if (globalBefore != globalNow) changes.Add($"samples per step over all processes: {globalBefore} -> {globalNow}");
        return changes;
    }

    /// <summary>Whether the run in the folder recomputes, whatever made it so; null where there is no run, or it does not say.</summary>
    /// <exception cref="InputException">The earlier settings cannot be read.</exception>
    internal static bool? Recomputes(RunFolder folder, int stage) => File.Exists(folder.InfoPath) && File.Exists(folder.ConfigurationPath)
        ? Recomputes(ConfigurationFile.Load(folder.ConfigurationPath, []).Stage(stage), RunInfo.Read(folder.InfoPath)) : null;

    private static bool? Recomputes(StageSettings settings, RunInfo info) =>
        settings.Recompute != Recomputation.Auto ? settings.Recompute == Recomputation.True : info.Recompute;

    /// <summary>The files that a run depends on, with their hashes; those that an earlier session hashed are not read again.</summary>
    internal static (IReadOnlyList<RunFile> Weights, IReadOnlyList<RunFile> Data) HashFiles(
        Session session, TrainingOptions options, string? from, RunInfo? earlier)
    {
        var folder = GroundingSetup.OpenData(session.Configuration).Folder;
        var manifests = Directory.GetFiles(folder, "*.*.jsonl").Append(Path.Combine(folder, "prepared.json")).Order(StringComparer.Ordinal);
        return (RunFile.HashAll(
                options.Cnn ? [] : GroundingSetup.WeightFiles(session.Configuration, from), earlier?.Weights, session.Interrupt),
            RunFile.HashAll(manifests, earlier?.Data, session.Interrupt));
    }
}
