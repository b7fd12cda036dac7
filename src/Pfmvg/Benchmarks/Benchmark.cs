using System.Diagnostics;

namespace Pfmvg.Benchmarks;

/// <summary>One line of a benchmark: what was reached, beside what the machine could do at most.</summary>
/// <param name="Part">What was measured.</param>
/// <param name="Unit">Of both rates.</param>
/// <param name="Achieved">Median rate.</param>
/// <param name="Limit">Median rate of the machine at the kind of work that the part consists of, measured in turns with
/// it; 0 without one.</param>
/// <param name="LimitName">What that work is.</param>
/// <param name="Ratio">Median of the rounds' achieved / limit; 0 without a limit.</param>
/// <param name="CpuRatio">
/// The same, both timed by the CPU time of this process: what is left of a ratio on a machine that others use. Threads that
/// wait by spinning count as busy, so that it says most with one thread.
/// </param>
/// <param name="Seconds">Median duration of one run of the part.</param>
/// <param name="PeakBytes">Most resident memory of the process while the part ran.</param>
/// <param name="Note">What else there is to say.</param>
public sealed record BenchmarkLine(
    string Part, string Unit, double Achieved, double Limit, string LimitName, double Ratio, double CpuRatio, double Seconds,
        long PeakBytes, string Note);

/// <summary>Work of the machine that bounds a part.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Work">Pieces of work in one run: FLOP or bytes.</param>
/// <param name="Run">Does it once.</param>
public sealed record Limit(string Name, double Work, Action Run);

/// <summary>Measures in rounds: the limit, then the part, and again, so that a machine that others use slows down both.</summary>
/// <param name="rounds">Timed rounds; the medians are kept.</param>
/// <param name="cancel">Stops between two runs.</param>
internal sealed class Rounds(int rounds, CancellationToken cancel)
{
    /// <summary>Runs a part in rounds with its limit; once untimed before, where there are several rounds.</summary>
    /// <param name="part">Name.</param>
    /// <param name="unit">Unit of 1e9 pieces of work a second.</param>
    /// <param name="work">Pieces of work in one run.</param>
    /// <param name="limit">The bound, or null.</param>
    /// <param name="run">One run.</param>
    /// <param name="note">From the median duration, something to say.</param>
    public BenchmarkLine Measure(string part, string unit, double work, Limit? limit, Action run, Func<double, string>? note = null)
    {
        ProcessMemory.ResetPeak();
        if (rounds > 1) // a single round is what the first time costs
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
        return new BenchmarkLine(
            part, unit, work / 1e9 / seconds, limit is null ? 0 : limit.Work / 1e9 / Median(limits.Select(time => time.Wall)), limit?.Name
                ?? "",
            Median(limits.Zip(parts, (bound, own) => scale * bound.Wall / own.Wall)),
                Median(limits.Zip(parts, (bound, own) => scale * bound.Cpu / own.Cpu)),
            seconds, ProcessMemory.Peak, note?.Invoke(seconds) ?? "");
    }

    private static (double Wall, double Cpu) Time(Action run)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        run();
        return (clock.Elapsed.TotalSeconds, Math.Max(1e-9, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds));
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? 0 : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
