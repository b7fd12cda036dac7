using System.Globalization;

namespace Pfmvg.Training;

/// <summary>Resident memory of this process, native libraries included, as Linux counts it.</summary>
public static class ProcessMemory
{
    /// <summary>Bytes resident now.</summary>
    public static long Resident => Environment.WorkingSet;

    /// <summary>The most bytes that were ever resident; the present ones where the system does not say.</summary>
    public static long Peak
    {
        get
        {
            const string Key = "VmHWM:";
            var line = File.Exists("/proc/self/status")
                ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal))
                : null;
            return line is null ? Resident : 1024 * long.Parse(line[Key.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        }
    }
}
