using System.Diagnostics;
using System.Globalization;

namespace Pfmvg.Benchmarks;

/// <summary>How much of the machine other processes have used since this object was made; zero on systems other than Linux.</summary>
internal sealed class OtherLoad
{
    private const double TicksPerSecond = 100; // of /proc/stat, on every usual kernel

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly double _busy = BusySeconds(), _own = OwnSeconds();

    /// <summary>Mean number of cores that other processes kept busy.</summary>
    public double Cores => Math.Max(0, (BusySeconds() - _busy - (OwnSeconds() - _own)) / _clock.Elapsed.TotalSeconds);

    private static double OwnSeconds() => Environment.CpuUsage.TotalTime.TotalSeconds;

    // The line is "cpu user nice system idle iowait irq softirq steal ..."; idle and iowait are not busy.
    private static double BusySeconds()
    {
        const string Place = "/proc/stat";
        if (!File.Exists(Place)) return 0;
        var numbers = File.ReadLines(Place).First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8)
            .Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        return (numbers.Sum() - numbers[3] - numbers[4]) / TicksPerSecond;
    }
}
