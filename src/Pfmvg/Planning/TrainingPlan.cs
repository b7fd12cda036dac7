using System.Diagnostics;
using Pfmvg.Benchmarks;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Models;
using Pfmvg.Models.Kernels;
using Pfmvg.Runs;
using Pfmvg.Text;
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

    private const long CpuProcess = 220L << 20, CudaProcess = 1L << 30;

    // How often a step reads or writes the kept activations (the first two) and the trained weights (the last).
    private const int Passes = 8, RecomputedPasses = 12, OptimizerPasses = 30;

    // What an allocator loses between the pieces, as shares of the working memory.
    private const double CpuLoss = 0.6, RecomputedCpuLoss = 1.2, CudaLoss = 0.1;

    private readonly PfmvgConfiguration _configuration;
    private readonly PlanRequest _request;
    private readonly StageSettings _stage;
    private readonly Dictionary<Precision, (double Flops, double Bytes)> _rates = [];

    /// <summary>Prepares a plan.</summary>
    /// <exception cref="InputException">There is no such stage, or the prepared data are broken.</exception>
    public TrainingPlan(PfmvgConfiguration configuration, PlanRequest request)
    {
        if (!PhantomWorkspace.LacksBase(configuration)) configuration = LanguageFolder.Read(configuration).Configuration;
        (_configuration, _request, _stage) = (configuration, request, configuration.Stage(request.Stage));
        Vocabulary = VocabularySize(configuration);
        Sizes = ConfiguredModel.Sizes(configuration, Vocabulary);
        Samples = request.Samples ?? PreparedSamples();
        Answers = _stage.Task == SampleTask.Caption ? TypicalLengths.Caption : TypicalLengths.Box;
        LongestAnswers = Math.Min(_stage.MaxAnswerTokens,
            _stage.Task == SampleTask.Caption ? 2 * _stage.CaptionWords : 2 * TypicalLengths.Box);
    }

    /// <summary>Sizes of the model as configured.</summary>
    public GroundingConfig Sizes { get; }

    /// <summary>Tokens of the vocabulary.</summary>
    public int Vocabulary { get; }

    /// <summary>Samples of the training split; null when unknown.</summary>
    public int? Samples { get; }

    /// <summary>Tokens of a usual answer, for time.</summary>
    public int Answers { get; }

    /// <summary>Tokens of the longest answer, for memory.</summary>
    public int LongestAnswers { get; }

    /// <summary>Positions of a usual sample.</summary>
    public int Positions => Sizes.VisualTokens + TypicalLengths.Prompt + Answers;

    /// <summary>Positions of the longest sample.</summary>
    public int LongestPositions => Positions - Answers + LongestAnswers;

    /// <summary>
    /// Whether the memory in question is the machine's own. `device: auto` means a GPU when there is one, or when --tflops
    /// gives the rate of one.
    /// </summary>
    public bool IsCpu => _configuration.Device switch
    {
        DeviceChoice.Cpu => true,
        DeviceChoice.Cuda => false,
        _ => _request.Teraflops is null && !cuda.is_available(),
    };

    /// <summary>Whether the vision tower's output is kept, so that only the first epoch computes it.</summary>
    public bool KeepsFeatures => _configuration.Data.FeatureCache is not null && _stage is { Image: ImageMode.Resize, TrainVision: false };

    /// <summary>
    /// Whether epochs end with answers. Their cache of keys and values is then in memory beside the optimizer's state.
    /// </summary>
    public bool Validates => _stage.Validate && _stage.Task == SampleTask.Refer;

    /// <summary>Share of the rate that the plan assumes a step to reach.</summary>
    public double Efficiency => _request.Efficiency ?? (_request.Teraflops is null ? MeasuredEfficiency : GivenEfficiency);

    /// <summary>The settings as they are.</summary>
    public PlanChoice Configured => new(_configuration.Precision, Sizes.Language.Quantized, _stage.BatchSize, _stage.Accumulate,
        Recompute: _stage.Recompute || (Sizes.Language.Quantized && !IsCpu));

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
        if (choices.Find(choice => Memory(choice).Peak <= _request.DeviceMemory) is { } found) return Plan(found);
        var least = choices.Select(choice => (Choice: choice, Memory: Memory(choice))).MinBy(c => c.Memory.Peak);
        throw new InputException(TooSmall(least.Choice, least.Memory));
    }

    /// <summary>What a choice needs.</summary>
    public PlannedChoice Plan(PlanChoice choice) => new(choice, Memory(choice), Time(choice));

    /// <summary>Memory of a choice in training.</summary>
    public PlannedMemory Memory(PlanChoice choice)
    {
        var memory = MemoryModel(choice);
        var step = Math.Max(memory.OptimizerStep, Math.Max(
            memory.Training(choice.Batch, LongestPositions, LongestAnswers, choice.Recompute),
            memory.Vision(KeepsFeatures ? 1 : choice.Batch)));
        var (cache, prompts) = Answering(choice);
        var working = Validates ? Math.Max(step, cache + prompts) : step;
        var loss = !IsCpu ? CudaLoss : choice.Recompute ? RecomputedCpuLoss : CpuLoss;
        return new PlannedMemory
        {
            Frozen = memory.Frozen().ToDictionary(frozen => frozen.Type.ToString().ToLowerInvariant(), frozen => frozen.Bytes),
            Trained = memory.Trained,
            Gradients = memory.Trained,
            Moments = 2 * memory.Trained,
            Exchange = IsCpu && _request.Devices > 1 ? memory.Trained : 0,
            Process = IsCpu ? CpuProcess : CudaProcess,
            Working = working,
            Allocator = (long)(step * loss),
        };
    }

    /// <summary>The model's formulas under a choice.</summary>
    public ModelMemory MemoryModel(PlanChoice choice) =>
        new(Sizes with { Language = Sizes.Language with { Quantized = choice.Quantized } }, ConfiguredModel.Type(choice.Precision), IsCpu);

    /// <summary>Bytes of the evaluation beside the weights: the cache of keys and values, and the rest.</summary>
    public (long Cache, long Working) Answering(PlanChoice choice)
    {
        var (eval, memory) = (_configuration.Eval, MemoryModel(choice));
        var rows = eval.BatchSize * eval.Beams;
        var prompt = Sizes.VisualTokens + TypicalLengths.Prompt;
        var answers = eval.Decode == AnswerChoice.ExpectedIou ? eval.Draws : 1; // at most: all share the prompt's part
        return (memory.KvCache(rows, prompt + answers * eval.MaxNewTokens),
            Math.Max(memory.Prefill(rows, prompt), memory.Vision(eval.BatchSize)));
    }

    private PlannedTime Time(PlanChoice choice)
    {
        var (flops, memory) = (new ModelFlops(Sizes), MemoryModel(choice));
        var rows = choice.Batch * choice.Accumulate;
        var step = flops.TrainingStep(rows, Positions, (long)rows * Answers)
            + (choice.Recompute ? flops.Recomputation(rows, Positions) : 0) + (KeepsFeatures ? 0 : flops.Vision(rows));
        if (!_rates.TryGetValue(choice.Precision, out var rates))
            rates = _rates[choice.Precision] = _request.Teraflops is { } given ? (given * 1e12, 0) : Measure(choice);
        var bytes = rates.Bytes == 0 ? 0
            : (double)rows * Positions * memory.KeptPerPosition(false) * (choice.Recompute ? RecomputedPasses : Passes)
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
        long width = Sizes.Language.HiddenSize, inner = Sizes.Language.IntermediateSize, rows = (long)choice.Batch * Positions;
        rows = Math.Clamp((long)(LongestRun / (2.0 * width * (width + 2 * inner))), Math.Min(rows, Positions), rows);
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

    private int? PreparedSamples()
    {
        if (!OutputFolder.IsPrepared(_configuration.Resolve(_configuration.Data.Folder))) return null;
        var samples = GroundingSetup.OpenData(_configuration).Read(_stage.Task, Split.Train);
        if (samples.Count == 0) return null;
        return _stage.MultiBox == MultiBox.PerBox ? PhraseGroups.PerBox(samples).Count : samples.Count;
    }

    private static int VocabularySize(PfmvgConfiguration configuration)
    {
        if (configuration.Model.Language.Vocabulary is > 0 and var given) return given;
        var tokenizer = Path.Combine(GroundingSetup.Paths(configuration).Language, "tokenizer.model");
        return File.Exists(tokenizer) ? LlamaTokenizer.Load(tokenizer).VocabularySize : TypicalLengths.Vocabulary;
    }

    private static IEnumerable<int> Divisors(int number) => Enumerable.Range(1, number).Where(d => number % d == 0).Reverse();
}
