using System.Globalization;

namespace Pfmvg;

/// <summary>Memory of the machine, and of the containers and jobs that this process is in, as Linux tells it.</summary>
internal static class MachineMemory
{
    /// <summary>The least of the machine's memory and the limits of the containers and jobs that this process is in.</summary>
    /// <param name="root">Where the system's files are; another folder for tests.</param>
    public static (long Bytes, string Name) Limit(string root = "/")
    {
        var least = (Bytes: Host(root, "MemTotal:"), Name: "this machine");
        foreach (var group in Groups(root))
            if (Number(group.Limit) is > 0 and var bytes && (least.Bytes <= 0 || bytes < least.Bytes))
                least = (bytes, $"the container or job ({group.Limit})");
        return least;
    }

    /// <summary>
    /// Bytes that a process can still take: what the machine has available, or what is left below a limit, if that is less. Files that the
    /// system keeps in memory can be given up, so they count as free. 0 where nothing is known.
    /// </summary>
    /// <param name="root">As for <see cref="Limit"/>.</param>
    public static long Available(string root = "/")
    {
        var least = Host(root, "MemAvailable:");
        foreach (var group in Groups(root))
        {
            if (Number(group.Limit) is not (> 0 and var limit) || Number(group.Used) is not { } used) continue;
            var left = Math.Clamp(limit - used + FilePages(group.Detail), 1, limit);
            if (least <= 0 || left < least) least = left;
        }

        return least;
    }

    // Version 2 has one tree, version 1 one for memory. Each folder above this process's own limits it, too; in a container the
    // process's own folder is often mounted as the root.
    private static IEnumerable<(string Limit, string Used, string Detail)> Groups(string root)
    {
        var list = Path.Combine(root, "proc/self/cgroup");
        if (!File.Exists(list)) yield break;
        foreach (var line in File.ReadLines(list))
        {
            if (line.Split(':', 3) is not [_, var controllers, var own]) continue;
            var isNew = controllers.Length == 0;
            if (!isNew && !controllers.Split(',').Contains("memory")) continue;
            var (tree, limit, used) = isNew ? ("sys/fs/cgroup", "memory.max", "memory.current")
                : ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes");
            for (var folder = own.Trim('/'); ; folder = Path.GetDirectoryName(folder) ?? "")
            {
                yield return (Path.Combine(root, tree, folder, limit), Path.Combine(root, tree, folder, used),
                    Path.Combine(root, tree, folder, "memory.stat"));
                if (folder.Length == 0) break;
            }
        }
    }

    private static long Host(string root, string key) =>
        Lines(Path.Combine(root, "proc/meminfo")).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal)) is { } line
            && long.TryParse(line[key.Length..].Replace("kB", "", StringComparison.Ordinal), NumberStyles.Any, CultureInfo.InvariantCulture,
                out var kibibytes) ? 1024 * kibibytes : 0;

    // Version 1 counts the folders below under names with "total_" in front.
    private static long FilePages(string detail)
    {
        var counted = Lines(detail).Select(line => line.Split(' ')).Where(words => words.Length == 2)
            .ToLookup(words => words[0], words => words[1]);
        return new[] { "active_file", "inactive_file" }.Sum(name =>
            long.TryParse((counted[$"total_{name}"].FirstOrDefault() ?? counted[name].FirstOrDefault()), NumberStyles.None,
                CultureInfo.InvariantCulture, out var bytes) ? bytes : 0);
    }

    // "max" is no limit; version 1 writes a number near 2^63 for none.
    private static long? Number(string file) => long.TryParse(Lines(file).FirstOrDefault()?.Trim(), NumberStyles.None,
        CultureInfo.InvariantCulture, out var bytes) && bytes < 1L << 60 ? bytes : null;

    private static string[] Lines(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllLines(file) : [];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
