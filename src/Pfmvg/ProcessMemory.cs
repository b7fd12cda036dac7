using System.Globalization;

namespace Pfmvg;

/// <summary>Resident memory of this process, native libraries included, as Linux counts it.</summary>
internal static class ProcessMemory
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
            return line is null ? Resident : 1024 * long.Parse(
                line[Key.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        }
    }

    /// <summary>Lets <see cref="Peak"/> count from now on; does nothing where the system does not let it.</summary>
    public static void ResetPeak()
    {
        const string Place = "/proc/self/clear_refs", ResetPeakResident = "5";
        try
        {
            if (File.Exists(Place)) File.WriteAllText(Place, ResetPeakResident);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // A container may forbid it: the peak then counts from the start of the process.
        }
    }
}
