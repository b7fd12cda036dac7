using System.Globalization;
using Pfmvg.Configuration;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Planning;

/// <summary>Whether a training's memory is there: the plan's figures beside what the machine, the container and the GPU allow.</summary>
internal static class MemoryForecast
{
    /// <summary>A sentence when the plan needs more than there is; null otherwise.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="stage">1 or 2.</param>
    /// <param name="processes">Processes that share this machine.</param>
    public static string? Check(PfmvgConfiguration configuration, int stage, int processes)
    {
        var (limit, name) = Limit();
        var plan = new TrainingPlan(configuration, new PlanRequest(stage, limit, processes, null, null, null));
        var needed = plan.Memory(plan.Configured).Peak;
        if (!plan.IsCpu)
            return cuda.is_available() && GpuMemory.Of(0) is { } gpu ? OnGpu(stage, needed, gpu.Free, gpu.Total) : null;
        return Sentence(stage, needed * processes, limit, name);
    }

    /// <summary>A sentence when more is needed than there is; null otherwise.</summary>
    internal static string? Sentence(int stage, long needed, long limit, string name) =>
        limit <= 0 || needed <= limit ? null : Sentence(stage, needed, $"{name} has {Units.DecimalBytes(limit)}");

    private static string Sentence(int stage, long needed, string limit) =>
        $"warning: stage {stage} needs about {Units.DecimalBytes(needed)} by 'pfmvg plan', but {limit}: "
            + $"it will end when the memory is full; set a smaller stage{stage}.batch_size with more accumulate, recompute: true, "
            + "precision: bf16, or model.language.quantized: true.";

    /// <summary>A sentence when a GPU has too little memory in all, or too little free beside what others hold there.</summary>
    /// <param name="stage">1 or 2.</param>
    /// <param name="needed">Bytes at the peak of the training.</param>
    /// <param name="free">Bytes free before anything is loaded.</param>
    /// <param name="total">Bytes in all.</param>
    internal static string? OnGpu(int stage, long needed, long free, long total) =>
        needed > total ? Sentence(stage, needed, total, "the GPU")
            : needed <= free ? null
            : Sentence(stage, needed, $"only {Units.DecimalBytes(free)} of the GPU's {Units.DecimalBytes(total)} are free (other programs "
                + $"hold {Units.DecimalBytes(total - free)})");

    /// <summary>The least of the machine's memory and the limits of the containers and jobs that this process is in.</summary>
    /// <param name="root">Where the system's files are; another folder for tests.</param>
    internal static (long Bytes, string Name) Limit(string root = "/")
    {
        var least = (Bytes: HostMemory(root), Name: "this machine");
        foreach (var file in LimitFiles(root))
            if (Number(file) is > 0 and var bytes && (least.Bytes <= 0 || bytes < least.Bytes))
                least = (bytes, $"the container or job ({file})");
        return least;
    }

    // Version 2 has one tree, version 1 one for memory. Each folder above this process's own limits it, too; in a container the
    // process's own folder is often mounted as the root.
    private static IEnumerable<string> LimitFiles(string root)
    {
        var list = Path.Combine(root, "proc/self/cgroup");
        if (!File.Exists(list)) yield break;
        foreach (var line in File.ReadLines(list))
        {
            if (line.Split(':', 3) is not [_, var controllers, var own]) continue;
            var isNew = controllers.Length == 0;
            if (!isNew && !controllers.Split(',').Contains("memory")) continue;
            var (tree, file) = isNew ? ("sys/fs/cgroup", "memory.max") : ("sys/fs/cgroup/memory", "memory.limit_in_bytes");
            for (var folder = own.Trim('/'); ; folder = Path.GetDirectoryName(folder) ?? "")
            {
                yield return Path.Combine(root, tree, folder, file);
                if (folder.Length == 0) break;
            }
        }
    }

    private static long HostMemory(string root)
    {
        const string Key = "MemTotal:";
        var path = Path.Combine(root, "proc/meminfo");
        var line = File.Exists(path) ? File.ReadLines(path).FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal)) : null;
        return line is not null && long.TryParse(line[Key.Length..].Replace("kB", "", StringComparison.Ordinal), NumberStyles.Any,
            CultureInfo.InvariantCulture, out var kibibytes) ? 1024 * kibibytes : 0;
    }

    // "max" is no limit; version 1 writes a number near 2^63 for none.
    private static long? Number(string file)
    {
        try
        {
            return File.Exists(file) && long.TryParse(File.ReadAllText(file).Trim(), NumberStyles.None, CultureInfo.InvariantCulture,
                out var bytes) && bytes < 1L << 60 ? bytes : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
