using System.Diagnostics;
using System.Globalization;

namespace Pfmvg.Benchmarks;

/// <summary>How much of the machine other processes took since this was made. Zero where the system (not Linux) does not say.</summary>
public sealed class OtherLoad
{
    private const double TicksPerSecond = 100; // of /proc/stat, on every usual kernel

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly double _busy = Busy(), _own = Own();

    /// <summary>Mean number of cores that others kept busy.</summary>
    public double Cores => Math.Max(0, (Busy() - _busy - (Own() - _own)) / _clock.Elapsed.TotalSeconds);

    private static double Own() => Environment.CpuUsage.TotalTime.TotalSeconds;

    // "cpu user nice system idle iowait irq softirq steal ...": all but idle and waiting.
    private static double Busy()
    {
        const string Place = "/proc/stat";
        if (!File.Exists(Place)) return 0;
        var numbers = File.ReadLines(Place).First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8)
            .Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        return (numbers.Sum() - numbers[3] - numbers[4]) / TicksPerSecond;
    }
}
