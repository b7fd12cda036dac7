namespace Pfmvg.Benchmarks;

/// <summary>What <see cref="ModelBenchmark"/> can measure.</summary>
internal enum BenchmarkPart
{
    /// <summary>The machine itself.</summary>
    Limits,

    /// <summary>Loading the base weights from files.</summary>
    Load,

    /// <summary>The vision tower.</summary>
    Vision,

    /// <summary>A step with captions.</summary>
    Train1,

    /// <summary>A step with boxes.</summary>
    Train2,

    /// <summary>A prompt.</summary>
    Prefill,

    /// <summary>Token after token, one row and several rows.</summary>
    Decode,

    /// <summary>Summing gradients over the processes.</summary>
    AllReduce,

    /// <summary>BioViL and BioViL-T; never measured unless it is named.</summary>
    Rival,
}

/// <summary>How to measure.</summary>
internal sealed record ModelBenchmarkOptions
{
    /// <summary>Parts to measure; they run in the order of the enumeration.</summary>
    public IReadOnlyList<BenchmarkPart> Parts { get; init; } = Usual;

    /// <summary>What is measured where nothing is named.</summary>
    public static IReadOnlyList<BenchmarkPart> Usual { get; } =
        [.. Enum.GetValues<BenchmarkPart>().Where(part => part != BenchmarkPart.Rival)];

    /// <summary>Timed rounds of each part.</summary>
    public int Rounds { get; init; } = 5;

    /// <summary>Rows of a training step; null for the stage's own batch size.</summary>
    public int? Batch { get; init; }

    /// <summary>Rows of the second decoding.</summary>
    public int DecodedRows { get; init; } = 8;

    /// <summary>Tokens of a decoding round.</summary>
    public int DecodedTokens { get; init; } = 16;

    /// <summary>With, without, or (null) both with and without recomputation.</summary>
    public bool? Recompute { get; init; }

    /// <summary>
    /// Whether the limit of the vision tower, of steps and of prefill is the same work written plainly with libtorch's operations, so that
    /// the ratio is how many times as fast ours is.
    /// </summary>
    public bool Plain { get; init; }

    /// <summary>Folder for the temporary files of the parts that read files.</summary>
    public string Folder { get; init; } = Path.GetTempPath();
}
