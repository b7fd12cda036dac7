using System.Diagnostics;
using Pfmvg.Benchmarks;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Models;
using Pfmvg.Models.Kernels;
using Pfmvg.Runs;
using Pfmvg.Training.Footprint;
using static TorchSharp.torch;

namespace Pfmvg.Planning;

/// <summary>
/// Memory and time that a stage will need, and the settings that fit a device. Everything follows from the sizes; no weights
/// are read.
/// </summary>
internal sealed class TrainingPlan
{
    /// <summary>Share of the measured rate of plain products that a step reaches on a CPU (docs/performance.md).</summary>
    public const double MeasuredEfficiency = 0.9;

    /// <summary>Assumed share of a data sheet's rate.</summary>
    public const double GivenEfficiency = 0.4;

    // How often a step reads or writes the kept activations (the first two) and the trained weights (the last).
    private const int Passes = 8, RecomputedPasses = 12, OptimizerPasses = 30;

    private readonly PfmvgConfiguration _configuration;
    private readonly PlanRequest _request;
    private readonly StageSettings _stage;
    private readonly Dictionary<Precision, (double Flops, double Bytes)> _rates = [];

    /// <summary>Prepares a plan.</summary>
    /// <exception cref="InputException">There is no such stage, or the prepared data are broken or do not go with the stage.</exception>
    public TrainingPlan(PfmvgConfiguration configuration, PlanRequest request)
    {
        (_configuration, _request, _stage) = (configuration, request, configuration.Stage(request.Stage));
        var prepared = MemoryForecast.Prepared(configuration, request.Stage);
        Stage = MemoryForecast.Figures(configuration, request.Stage, isCpu: configuration.Device switch
        {
            DeviceChoice.Cpu => true,
            DeviceChoice.Cuda => false,
            _ => request.Teraflops is null && !cuda.is_available(), // `auto` is a GPU, too, when --tflops gives the rate of one
        }, request.Devices, prepared);
        Samples = request.Samples ?? (prepared is null ? null
            : new TaughtMixture(configuration.Resolve(configuration.Data.Folder), prepared, _stage, configuration.Seed).Samples.Count);
    }

    /// <summary>Sizes and memory of the stage.</summary>
    public StageMemory Stage { get; }

    /// <summary>Samples of the training split; null when unknown.</summary>
    public int? Samples { get; }

    /// <summary>Whether the memory in question is the machine's own.</summary>
    public bool IsCpu => Stage.IsCpu;

    /// <summary>Share of the rate that the plan assumes a step to reach.</summary>
    public double Efficiency => _request.Efficiency ?? (_request.Teraflops is null ? MeasuredEfficiency : GivenEfficiency);

    /// <summary>The settings as they are on the device in question.</summary>
    public PlanChoice Configured => Stage.Configured(_request.DeviceMemory);

    /// <summary>
    /// The first settings that fit, with as many samples per step as configured. Tried in this order: as configured, then with
    /// recomputation, then in bfloat16, then in int8; in each case with the largest micro-batch that fits.
    /// </summary>
    /// <exception cref="InputException">Nothing fits.</exception>
    public PlannedChoice Suggest()
    {
        var now = Configured;
        var global = now.Batch * now.Accumulate;
        (Precision Precision, bool Quantized, bool Recompute)[] kinds =
        [
            (now.Precision, now.Quantized, false), (now.Precision, now.Quantized, true),
            (Precision.Bf16, now.Quantized, false), (Precision.Bf16, now.Quantized, true),
            (Precision.Bf16, true, false), (Precision.Bf16, true, true),
        ];
        var choices = kinds.Where(kind => !kind.Quantized || kind.Recompute || IsCpu).Distinct() // on CUDA int8 always recomputes
            .SelectMany(kind => Divisors(global)
                .Select(batch => new PlanChoice(kind.Precision, kind.Quantized, batch, global / batch, kind.Recompute)))
            .ToList();
        if (choices.Find(choice => Stage.Of(choice).Peak <= _request.DeviceMemory) is { } found) return Plan(found);
        var least = choices.Select(choice => (Choice: choice, Memory: Stage.Of(choice))).MinBy(c => c.Memory.Peak);
        throw new InputException(TooSmall(least.Choice, least.Memory));
    }

    /// <summary>What a choice needs.</summary>
    public PlannedChoice Plan(PlanChoice choice) => new(choice, Stage.Of(choice), Time(choice));

    private PlannedTime Time(PlanChoice choice)
    {
        var (flops, memory) = (new ModelFlops(Stage.Sizes), Stage.Model(choice));
        var rows = choice.Batch * choice.Accumulate;
        var step = flops.TrainingStep(rows, Stage.Positions, (long)rows * Stage.Answers)
            + (choice.Recompute ? flops.Recomputation(rows, Stage.Positions) : 0)
            + (Stage.KeepsFeatures ? 0 : flops.Vision(rows)) * (_stage.TrainVision ? 3 : 1); // a tower that learns has two gradients
        if (!_rates.TryGetValue(choice.Precision, out var rates))
            rates = _rates[choice.Precision] = _request.Teraflops is { } given ? (given * 1e12, 0) : Measure(choice);
        var bytes = rates.Bytes == 0 ? 0
            : (double)rows * Stage.Positions * memory.KeptPerPosition(false) * (choice.Recompute ? RecomputedPasses : Passes)
                + (double)OptimizerPasses * memory.Trained;
        var seconds = step / (rates.Flops * Efficiency) + (rates.Bytes == 0 ? 0 : bytes / rates.Bytes);
        return new PlannedTime(step, bytes, rates.Flops, seconds, (Samples + rows * _request.Devices - 1) / (rows * _request.Devices));
    }

    // Measures the products of a layer with the rows of a micro-step (or fewer, where that takes long) and, on a CPU, reading
    // memory; about half a second each.
    private (double Flops, double Bytes) Measure(PlanChoice choice)
    {
        const double LongestRun = 4e10;
        if (_configuration.Device == DeviceChoice.Cuda && !cuda.is_available())
            throw new InputException("device: cuda, but there is no CUDA device here whose rate could be measured: "
                + "give --tflops, its data sheet's TFLOP/s.");
        long width = Stage.Sizes.Language.HiddenSize, inner = Stage.Sizes.Language.IntermediateSize,
            rows = (long)choice.Batch * Stage.Positions;
        rows = Math.Clamp((long)(LongestRun / (2.0 * width * (width + 2 * inner))), Math.Min(rows, Stage.Positions), rows);
        using var limits = new MachineLimits(ConfiguredModel.Device(_configuration.Device, 0));
        var type = ConfiguredModel.Type(choice.Precision);
        return (Rate(limits.Products(IsCpu ? Bf16Products.Compute(type) : type, rows, width, inner)),
            IsCpu ? Rate(limits.MemoryRead()) : 0);

        static double Rate(Limit limit)
        {
            limit.Run();
            var clock = Stopwatch.StartNew();
            var runs = 0;
            for (; runs == 0 || clock.Elapsed.TotalSeconds < 0.5; runs++) limit.Run();
            return limit.Work * runs / clock.Elapsed.TotalSeconds;
        }
    }

    private string TooSmall(PlanChoice choice, PlannedMemory memory) => FormattableString.Invariant(
        $"--device-memory {_request.DeviceMemory / 1e9:0.###}GB is too small for stage {_request.Stage} of {_configuration.Name}: ")
        + $"even with {(choice.Quantized ? "int8" : choice.Precision.ToString().ToLowerInvariant())} weights, recomputation and "
        + FormattableString.Invariant($"micro-batches of one it needs {memory.Peak / 1e9:f2} GB, ")
        + FormattableString.Invariant($"{(memory.Peak - _request.DeviceMemory) / 1e9:f2} GB more; ")
        + FormattableString.Invariant($"the weights alone are {memory.Weights / 1e9:f2} GB.");

    private static IEnumerable<int> Divisors(int number) => Enumerable.Range(1, number).Where(d => number % d == 0).Reverse();
}
