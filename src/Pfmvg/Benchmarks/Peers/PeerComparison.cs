using Pfmvg.Benchmarks.Parts;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Tensors;
using Pfmvg.Text;

namespace Pfmvg.Benchmarks.Peers;

/// <summary>Ours beside one other program.</summary>
internal sealed record PeerLine
{
    /// <summary>What was measured.</summary>
    public required string Part { get; init; }

    /// <summary>Tokens in the durations below; 0 where the duration itself is what counts.</summary>
    public required long Tokens { get; init; }

    /// <summary>Median of our durations in seconds.</summary>
    public required double Ours { get; init; }

    /// <summary>The other program and its version.</summary>
    public required string Other { get; init; }

    /// <summary>Median of its durations in seconds.</summary>
    public required double Others { get; init; }

    /// <summary>Median over the turns of its duration divided by ours.</summary>
    public required double Gain { get; init; }

    /// <summary>The same by processor time, which only what runs in this process has; 0 without.</summary>
    public required double CpuGain { get; init; }
}

/// <summary>Sizes and how often.</summary>
internal sealed record PeerComparisonOptions
{
    /// <summary>How often ours and the others take turns; medians are kept.</summary>
    public int Turns { get; init; } = 3;

    /// <summary>Our timed rounds in a turn.</summary>
    public int Rounds { get; init; } = 3;

    /// <summary>Whether to leave out the parts with layers of 7B's size, which take 5 GB.</summary>
    public bool Small { get; init; }

    /// <summary>The model whose training step is measured.</summary>
    public ModelSettings Step { get; init; } = new()
    {
        Vision = new VisionSettings { Depth = 1 },
        Language = new LanguageSettings { HiddenSize = 1024, Layers = 8, Heads = 8, IntermediateSize = 2816 },
    };

    /// <summary>The model whose vision tower is measured.</summary>
    public ModelSettings Vision { get; init; } = new()
    {
        Vision = new VisionSettings { Depth = 4 },
        Language = new LanguageSettings { HiddenSize = 1024, Layers = 1, Heads = 8, IntermediateSize = 2816 },
    };

    /// <summary>The model whose prefill and decoding are measured.</summary>
    public ModelSettings Decoder { get; init; } = new()
    {
        Vision = new VisionSettings { Depth = 1 }, Language = new LanguageSettings { Layers = 3 },
    };
}

/// <summary>
/// Ours and others with random weights of the same sizes, in turns on one machine: PyTorch, llama.cpp, and the same work written plainly
/// with the libtorch that we use, which is always there.
/// </summary>
/// <param name="options">Sizes and how often.</param>
/// <param name="peers">The others.</param>
/// <param name="world">This process.</param>
/// <param name="cancel">Stops between two runs.</param>
internal sealed class PeerComparison(
    PeerComparisonOptions options, PeerPrograms peers, ICommunicator world, CancellationToken cancel)
{
    private const int StepRows = 2;

    /// <summary>Measures one kind of work after another.</summary>
    /// <param name="measured">Called with each line as soon as it is measured.</param>
    public IReadOnlyList<PeerLine> Run(Action<PeerLine> measured)
    {
        var lines = new List<PeerLine>();
        foreach (var precision in (Precision[])[Precision.Bf16, Precision.Float32])
        {
            var type = precision == Precision.Bf16 ? "bfloat16" : "float32";
            Keep(options.Step, precision, (bench, model) => [.. TrainingPart.Measure(bench, model, new ModelBenchmarkOptions
            {
                Batch = StepRows, Recompute = false, Plain = true,
            }, stage: 2)], bench => peers.Step(
                bench.Sizes.Language, bench.Sizes.Lora.Rank, type, StepRows, bench.PromptPositions, TypicalLengths.Box));
            Keep(options.Vision, precision, (bench, model) => [VisionPart.Measure(bench, model, plain: true)],
                bench => peers.Vision(bench.Sizes.Vision, type));
        }

        if (options.Small) return lines;
        foreach (var quantized in (bool[])[false, true])
        {
            var sizes = options.Decoder with { Language = options.Decoder.Language with { Quantized = quantized } };
            Keep(sizes, Precision.Bf16, (bench, model) =>
            [
                PrefillPart.Measure(bench, model, plain: !quantized),
                DecodingPart.Measure(bench, model, 1, new ModelBenchmarkOptions().DecodedTokens),
            ], bench => peers.Llama(bench.Sizes.Language, quantized ? "q8_0" : "bf16", bench.PromptPositions));
        }

        return lines;

        void Keep(ModelSettings sizes, Precision precision, Func<Workbench, GroundingModel, IReadOnlyList<BenchmarkLine>> ours,
            Func<Workbench, PeerRun?> other)
        {
            foreach (var line in Compare(sizes, precision, ours, other))
            {
                lines.Add(line);
                measured(line);
            }
        }
    }

    private List<PeerLine> Compare(ModelSettings sizes, Precision precision,
        Func<Workbench, GroundingModel, IReadOnlyList<BenchmarkLine>> ours, Func<Workbench, PeerRun?> other)
    {
        var configuration = new PfmvgConfiguration { Device = DeviceChoice.Cpu, Precision = precision, Model = sizes };
        using var bench = new Workbench(configuration, world, new Rounds(options.Rounds, cancel));
        using var model = new GroundingModel(bench.Sizes, bench.Type, bench.Device);
        RandomWeights.Fill(model, configuration.Seed);
        var turns = new List<(IReadOnlyList<BenchmarkLine> Ours, PeerRun? Other)>();
        for (var turn = 0; turn < options.Turns; turn++)
        {
            turns.Add((ours(bench, model), other(bench)));
            bench.Limits.Free();
        }

        var lines = new List<PeerLine>();
        foreach (var (index, first) in turns[0].Ours.Index())
        {
            var own = turns.Select(turn => turn.Ours[index]).ToList();
            var line = new PeerLine
            {
                Part = $"{first.Part}, {(sizes.Language.Quantized ? "int8" : precision == Precision.Bf16 ? "bf16" : "float32")}",
                Tokens = first.Part.StartsWith("prefill", StringComparison.Ordinal) ? bench.PromptPositions
                    : first.Part.StartsWith("decode", StringComparison.Ordinal) ? 1 : 0,
                Ours = Rounds.Median(own.Select(turn => turn.Seconds)),
                Other = $"plain libtorch {Libtorch.InUse().Version}",
                Others = 0, Gain = 0, CpuGain = 0,
            };
            var perToken = line.Tokens == 1 ? new ModelBenchmarkOptions().DecodedTokens : 1;
            line = line with { Ours = line.Ours / perToken };
            if (first.LimitName.StartsWith("plain", StringComparison.Ordinal))
            {
                var gain = Rounds.Median(own.Select(turn => turn.Ratio));
                lines.Add(line with
                {
                    Others = gain * line.Ours, Gain = gain, CpuGain = Rounds.Median(own.Select(turn => turn.CpuRatio)),
                });
            }

            var pairs = turns.Where(turn => turn.Other is not null)
                .Select(turn => (Ours: turn.Ours[index].Seconds / perToken, Other: turn.Other!)).ToList();
            if (pairs.Count > 0)
                lines.Add(line with
                {
                    Other = pairs[0].Other.Name,
                    Others = Rounds.Median(pairs.Select(pair => pair.Other.Seconds[index])),
                    Gain = Rounds.Median(pairs.Select(pair => pair.Other.Seconds[index] / pair.Ours)),
                });
        }

        return lines;
    }
}
