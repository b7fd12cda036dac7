using Pfmvg.Configuration;
using Pfmvg.Training;

namespace Pfmvg.Runs.Records;

/// <summary>The folder of one part of a run, `runs/NAME/PART`, and the names of what is in it.</summary>
public sealed class RunFolder
{
    private RunFolder(string path) => Path = path;

    /// <summary>Absolute path of the folder.</summary>
    public string Path { get; }

    /// <summary>What the folder is about: "stage1", "stage2", or the name of an evaluation without training.</summary>
    public string Part => System.IO.Path.GetFileName(Path);

    /// <summary>Name of the run.</summary>
    public string Name => System.IO.Path.GetFileName(System.IO.Path.GetDirectoryName(Path)) ?? "";

    /// <summary>The resolved configuration.</summary>
    public string ConfigurationPath => In("config.yaml");

    /// <summary>What was run, on what, from what and with what end: <see cref="RunInfo"/>.</summary>
    public string InfoPath => In("run.json");

    /// <summary>One JSON object per step and validation.</summary>
    public string LogPath => In("log.jsonl");

    /// <summary>The text log.</summary>
    public string TextLogPath => In("pfmvg.log");

    /// <summary>Checkpoints of the trainer.</summary>
    public string Checkpoints => In("checkpoints");

    /// <summary>One answer of the model per line.</summary>
    public string PredictionsPath => In("predictions.jsonl");

    /// <summary>Scores of the predictions.</summary>
    public string ScoresPath => In("scores.json");

    /// <summary>Report for a browser.</summary>
    public string ReportPath => In("report.html");

    /// <summary>A path within the folder.</summary>
    public string In(params string[] parts) => System.IO.Path.Combine([Path, .. parts]);

    /// <summary>The folder of a part of the configured run; nothing is created.</summary>
    public static RunFolder ForPart(PfmvgConfiguration configuration, string part) =>
        new(System.IO.Path.Combine(configuration.Resolve(configuration.Runs), configuration.Name, part));

    /// <summary>The part of a run that a user names by its folder.</summary>
    /// <exception cref="InputException">It is none.</exception>
    public static RunFolder Open(string path)
    {
        var folder = new RunFolder(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path)));
        if (!Directory.Exists(folder.Path)) throw new InputException($"The run folder {path} does not exist.");
        if (File.Exists(folder.InfoPath)) return folder;
        var parts = Parts(folder.Path).Select(part => part.Part).ToArray();
        throw new InputException(parts.Length > 0
            ? $"{path} is a run of several parts; name one of "
                + $"{string.Join(", ", parts.Select(part => System.IO.Path.Combine(path, part)))}."
            : $"{path} is not a run folder: it has no run.json.");
    }

    /// <summary>
    /// The part of a run to which a path belongs that a user names as a model: its folder, or one of its checkpoints; null where it belongs
    /// to none.
    /// </summary>
    public static RunFolder? Of(string path)
    {
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        return new[] { full, System.IO.Path.GetDirectoryName(System.IO.Path.GetDirectoryName(full)) }.OfType<string>()
            .Select(folder => new RunFolder(folder))
            .FirstOrDefault(run => File.Exists(run.InfoPath) && File.Exists(run.ConfigurationPath));
    }

    /// <summary>All parts of all runs under a folder, by name and part.</summary>
    public static IReadOnlyList<RunFolder> List(string runs) => !Directory.Exists(runs)
        ? []
        : [.. Directory.GetDirectories(runs).Order(StringComparer.Ordinal).SelectMany(Parts)];

    /// <summary>
    /// Creates the folder, writes the resolved configuration and takes the folder for this process until the result is
    /// disposed of. What an earlier run left there stays only when that run is continued.
    /// </summary>
    /// <param name="configuration">Written to config.yaml.</param>
    /// <param name="existing">What to do with an earlier run.</param>
    /// <exception cref="InputException">An earlier run is there and may not be touched, there is none to continue, or
    /// another process writes here.</exception>
    public IDisposable Begin(PfmvgConfiguration configuration, ExistingRun existing)
    {
        var present = File.Exists(InfoPath);
        if (present && existing == ExistingRun.Refuse)
            throw new InputException($"{Path} already holds a run ({State(RunInfo.Read(InfoPath))}): use --resume to "
                + "continue it, --overwrite to start again, or --set name=OTHER to keep both.");
        if (!present && existing == ExistingRun.Resume)
            throw new InputException($"There is no run in {Path} to continue: start it without --resume.");

        IDisposable? hold = null;
        try
        {
            Directory.CreateDirectory(Path);
            hold = TryHold() ?? throw new InputException(
                $"Another process is writing the run in {Path}: wait for it, or use --set name=OTHER.");
            if (present && existing == ExistingRun.Overwrite) Empty();
            RemoveHalves();
            // A run that is continued keeps its settings until it has loaded all that it needs.
            if (!present || existing != ExistingRun.Resume) WriteConfiguration(configuration);
            return hold;
        }
        catch (Exception failure)
        {
            hold?.Dispose();
            if (failure is not (IOException or UnauthorizedAccessException)) throw;
            throw new InputException(
                $"Cannot write in {Path} ({FileFault.Say(failure).TrimEnd('.')}): choose another place with --set runs=FOLDER.", failure);
        }
    }

    /// <summary>
    /// Ends a run whose answers are all there: a kill may have come between the last of them and the note that they are all, or while a
    /// report was written. Nothing is done while another process has the folder, which then ends it.
    /// </summary>
    /// <param name="complete">Adds to the record what a finished run says.</param>
    internal void EndKilled(Func<RunInfo, RunInfo> complete)
    {
        using var hold = TryHold();
        if (hold is null) return;
        RemoveHalves();
        if (RunInfo.Read(InfoPath) is { Status: not RunStatus.Finished } stopped)
            (complete(stopped) with { Status = RunStatus.Finished, Message = null, Ended = DateTimeOffset.UtcNow }).Write(InfoPath);
    }

    private void RemoveHalves()
    {
        foreach (var half in Directory.GetFiles(Path, ".*.tmp")) File.Delete(half); // of a killed process
    }

    /// <summary>Writes the resolved configuration.</summary>
    internal void WriteConfiguration(PfmvgConfiguration configuration) =>
        AtomicFile.WriteText(ConfigurationPath, ConfigurationFile.ToYaml(configuration));

    /// <summary>
    /// Whether a process, this one included, is writing the folder now; null where this user may not look. Writes nothing, so that
    /// the runs of others can be read.
    /// </summary>
    public bool? IsInUse => HoldFile.IsTaken(HoldPath);

    /// <summary>The end or the state of this part; a killed one is at the step that is saved.</summary>
    public string State(RunInfo info)
    {
        var inUse = IsInUse;
        var saved = info.Status == RunStatus.Running && inUse is not true ? Checkpoint.List(Checkpoints) : [];
        return (saved.Count > 0 ? info with { Step = saved[0].Step } : info).Describe(inUse);
    }

    /// <summary>The result of the finished stage 1 of the configured run, which stage 2 starts from.</summary>
    /// <returns>Absolute path of what the trainer noted as its result.</returns>
    /// <exception cref="InputException">There is no finished stage 1.</exception>
    public static string FinishedStage1(PfmvgConfiguration configuration)
    {
        var folder = ForPart(configuration, "stage1");
        const string Advice = "run `pfmvg train --stage 1` first, or name another start with --from";
        if (!File.Exists(folder.InfoPath)) throw new InputException($"No trained stage 1 in {folder.Path}: {Advice}.");
        var info = RunInfo.Read(folder.InfoPath);
        if (info is not { Status: RunStatus.Finished, Result: { } result })
            throw new InputException($"Stage 1 in {folder.Path} is not finished ({folder.State(info)}): {Advice}.");
        var path = folder.In(result);
        return System.IO.Path.Exists(path) ? path : throw new InputException($"The result of stage 1, {path}, is gone: {Advice}.");
    }

    private string HoldPath => In(HoldFile.Name);

    // A run that this user may not look into is listed as it is: reading its run.json says why.
    private static IEnumerable<RunFolder> Parts(string run)
    {
        try
        {
            return [.. Directory.GetDirectories(run).Order(StringComparer.Ordinal)
                .Select(path => new RunFolder(path)).Where(folder => File.Exists(folder.InfoPath))];
        }
        catch (Exception closed) when (closed is IOException or UnauthorizedAccessException)
        {
            return [new RunFolder(run)];
        }
    }

    private IDisposable? TryHold() => HoldFile.TryTake(HoldPath);

    private void Empty()
    {
        foreach (var entry in Directory.GetFileSystemEntries(Path).Where(entry => entry != HoldPath && entry != InfoPath))
        {
            if (Directory.Exists(entry) && !File.GetAttributes(entry).HasFlag(FileAttributes.ReparsePoint))
                Directory.Delete(entry, recursive: true);
            else File.Delete(entry);
        }

        File.Delete(InfoPath); // last: until then the folder is seen to hold a run
    }
}

/// <summary>What to do when a run folder already holds a run.</summary>
public enum ExistingRun
{
    /// <summary>Refuse to touch it.</summary>
    Refuse,

    /// <summary>Go on with it.</summary>
    Resume,

    /// <summary>Remove it and start again.</summary>
    Overwrite,
}
