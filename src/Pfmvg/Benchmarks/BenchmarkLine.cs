namespace Pfmvg.Benchmarks;

/// <summary>One line of a benchmark: what was reached, beside the most that the machine could do.</summary>
internal sealed record BenchmarkLine
{
    /// <summary>What was measured.</summary>
    public required string Part { get; init; }

    /// <summary>Unit of <see cref="Achieved"/> and <see cref="Limit"/>.</summary>
    public required string Unit { get; init; }

    /// <summary>Median rate.</summary>
    public required double Achieved { get; init; }

    /// <summary>
    /// Median rate of the machine at the kind of work that the part consists of, measured in turns with it; 0 without one.
    /// </summary>
    public required double Limit { get; init; }

    /// <summary>What that work is.</summary>
    public required string LimitName { get; init; }

    /// <summary>Median of the rounds' achieved / limit; 0 without a limit.</summary>
    public required double Ratio { get; init; }

    /// <summary>
    /// The same ratio with both timed by the CPU time of this process: it still means something on a machine that others use.
    /// Threads that wait by spinning count as busy, so it is most reliable with one thread.
    /// </summary>
    public required double CpuRatio { get; init; }

    /// <summary>Median duration of one run of the part.</summary>
    public required double Seconds { get; init; }

    /// <summary>Peak resident memory of the process while the part ran.</summary>
    public required long PeakBytes { get; init; }

    /// <summary>Anything else worth printing.</summary>
    public required string Note { get; init; }
}
