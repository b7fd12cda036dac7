using System.Diagnostics;

namespace Pfmvg.Benchmarks;

/// <summary>Measures in rounds: the limit, then the part, and again, so that other load on the machine slows down both.</summary>
/// <param name="rounds">Timed rounds; the medians are kept.</param>
/// <param name="cancel">Stops between two runs.</param>
internal sealed class Rounds(int rounds, CancellationToken cancel)
{
    /// <summary>Timed rounds of each part.</summary>
    public int Count => rounds;

    /// <summary>Measures a part against its limit. With several rounds, both run once untimed first.</summary>
    /// <param name="part">Name.</param>
    /// <param name="unit">Unit of 1e9 pieces of work a second.</param>
    /// <param name="work">Pieces of work in one run.</param>
    /// <param name="limit">The bound, or null.</param>
    /// <param name="run">One run.</param>
    /// <param name="note">Makes a note from the median duration.</param>
    public BenchmarkLine Measure(string part, string unit, double work, Limit? limit, Action run, Func<double, string>? note = null)
    {
        ProcessMemory.ResetPeak();
        if (rounds > 1) // a single round is there to measure the first run
        {
            run();
            limit?.Run();
        }

        var parts = new List<(double Wall, double Cpu)>();
        var limits = new List<(double Wall, double Cpu)>();
        for (var round = 0; round < rounds; round++)
        {
            cancel.ThrowIfCancellationRequested();
            if (limit is not null) limits.Add(Time(limit.Run));
            parts.Add(Time(run));
        }

        var seconds = Median(parts.Select(time => time.Wall));
        var scale = limit is null ? 0 : work / limit.Work;
        return new BenchmarkLine
        {
            Part = part,
            Unit = unit,
            Achieved = work / 1e9 / seconds,
            Limit = limit is null ? 0 : limit.Work / 1e9 / Median(limits.Select(time => time.Wall)),
            LimitName = limit?.Name ?? "",
            Ratio = Median(limits.Zip(parts, (bound, own) => scale * bound.Wall / own.Wall)),
            CpuRatio = Median(limits.Zip(parts, (bound, own) => scale * bound.Cpu / own.Cpu)),
            Seconds = seconds,
            PeakBytes = ProcessMemory.Peak,
            Note = note?.Invoke(seconds) ?? "",
        };
    }

    /// <summary>The median, of an even number the mean of the two in the middle; 0 without values.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? 0 : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static (double Wall, double Cpu) Time(Action run)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        run();
        return (clock.Elapsed.TotalSeconds, Math.Max(1e-9, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds));
    }
}
