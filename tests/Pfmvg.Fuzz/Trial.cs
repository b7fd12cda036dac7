using System.Globalization;
using System.Text.RegularExpressions;

namespace Pfmvg.Fuzz;

/// <summary>What came of one input.</summary>
/// <param name="Fault">Null where it was read or refused; otherwise the kind of fault, the same for the same place in the program.</param>
/// <param name="Detail">What happened, for people.</param>
/// <param name="Refused">It was refused, and not read.</param>
internal sealed record Verdict(string? Fault, string Detail, bool Refused = false);

/// <summary>Reads one input under the limits that hold for every file.</summary>
internal static partial class Trial
{
    /// <summary>Processor time, so that a busy machine is no other test.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    /// <summary>Allocated in all, or more in memory at one time than before.</summary>
    public const long Most = 500L << 20;

    public static Verdict Run(Seed input)
    {
        Memory.ForgetPeak();
        var (before, allocated, cpu) = (Memory.Of("VmRSS"), GC.GetTotalAllocatedBytes(), Environment.CpuUsage.TotalTime);
        string? refusal = null;
        try
        {
            input.Way.Read(input.Bytes);
        }
        catch (InputException refused)
        {
            refusal = refused.Message;
        }
        catch (Exception other)
        {
            return new Verdict($"{other.GetType().Name} in {Place(other)}", other.ToString());
        }

        var time = Environment.CpuUsage.TotalTime - cpu;
        if (time > Longest) return new Verdict("time", string.Create(CultureInfo.InvariantCulture, $"took {time.TotalSeconds:f1} s"));
        var memory = Math.Max(GC.GetTotalAllocatedBytes() - allocated, Memory.Of("VmHWM") - before);
        return memory > Most ? new Verdict("memory", $"took {memory >> 20} MiB")
            : new Verdict(null, refusal is null ? "read" : $"refused: {refusal}", refusal is not null);
    }

    /// <summary>The innermost method of the program's own.</summary>
    private static string Place(Exception exception) =>
        Own().Match(exception.ToString()) is { Success: true } match ? match.Groups[1].Value : exception.TargetSite?.Name ?? "nowhere";

    [GeneratedRegex(@"^\s+at (Pfmvg\.(?!Fuzz)[^(]+)\(", RegexOptions.Multiline)]
    private static partial Regex Own();
}

/// <summary>This process' memory, as Linux counts it.</summary>
internal static class Memory
{
    public static long Of(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return 1024 * long.Parse(line.AsSpan(name.Length + 1).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
    }

    /// <summary>The peak begins anew; where that is not allowed it stays, and only what is allocated is judged.</summary>
    public static void ForgetPeak()
    {
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
        }
    }
}
