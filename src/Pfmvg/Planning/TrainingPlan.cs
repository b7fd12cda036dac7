using System.Diagnostics;
using Pfmvg.Benchmarks;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Models;
using Pfmvg.Models.Kernels;
using Pfmvg.Runs;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Planning;

/// <summary>What a plan is asked for.</summary>
/// <param name="Stage">1 or 2.</param>
/// <param name="DeviceMemory">Bytes of one device.</param>
/// <param name="Devices">Processes that train together, one per device.</param>
/// <param name="Teraflops">Rate of one device; null measures the products of the model's shape here.</param>
/// <param name="Efficiency">Share of that rate that a step reaches; null for the usual one.</param>
/// <param name="Samples">Of the training split; null takes the prepared data's, if they are there.</param>
public sealed record PlanRequest(int Stage, long DeviceMemory, int Devices, double? Teraflops, double? Efficiency, int? Samples);

/// <summary>The settings that a plan chooses between.</summary>
/// <param name="Precision">Type of the frozen weights.</param>
/// <param name="Quantized">Whether the language model's linear layers are int8.</param>
/// <param name="Batch">Samples of a micro-step.</param>
/// <param name="Accumulate">Micro-steps of a step.</param>
/// <param name="Recompute">Whether layers are computed again in the backward pass.</param>
public sealed record PlanChoice(Precision Precision, bool Quantized, int Batch, int Accumulate, bool Recompute);

/// <summary>Memory by its use, in bytes.</summary>
/// <param name="Frozen">Frozen weights by type.</param>
/// <param name="Trained">Trained weights.</param>
/// <param name="Gradients">Their gradients.</param>
/// <param name="Moments">AdamW's two moments.</param>
/// <param name="Exchange">Buffer that sums the gradients over processes, where it is in the device's memory.</param>
/// <param name="Process">What a process has before the model.</param>
/// <param name="Working">The most of decoder, vision tower, optimizer step and the answers of a validation, which
/// follow one another.</param>
/// <param name="Allocator">Freed pieces that nothing else fits into.</param>
public sealed record PlannedMemory(
    IReadOnlyDictionary<string, long> Frozen, long Trained, long Gradients, long Moments, long Exchange, long Process, long Working,
        long Allocator)
{
    /// <summary>Frozen and trained weights.</summary>
    public long Weights => Frozen.Values.Sum() + Trained;

    /// <summary>Everything at once.</summary>
    public long Peak => Weights + Gradients + Moments + Exchange + Process + Working + Allocator;
}

/// <summary>Time of a choice.</summary>
/// <param name="StepFlop">Of one device and step, vision tower and recomputation included.</param>
/// <param name="StepBytes">What the operations beside the products read and write in it; 0 where the memory's rate is not known.</param>
/// <param name="Flops">Rate of the device.</param>
/// <param name="StepSeconds">A step.</param>
/// <param name="StepsPerEpoch">Null without a number of samples.</param>
public sealed record PlannedTime(double StepFlop, double StepBytes, double Flops, double StepSeconds, int? StepsPerEpoch)
{
    /// <summary>An epoch without its validation; null without a number of samples.</summary>
    public double? EpochSeconds => StepSeconds * StepsPerEpoch;
}

/// <summary>A choice with what it needs.</summary>
public sealed record PlannedChoice(PlanChoice Choice, PlannedMemory Memory, PlannedTime Time);

/// <summary>
/// Memory and time that a stage will need, and the settings that fit a device, from the sizes alone: no weights are
/// read.
/// </summary>
public sealed class TrainingPlan
{
    /// <summary>Share of the measured rate of plain products that a step reaches on a CPU (docs/performance.md).</summary>
    public const double MeasuredEfficiency = 0.9;

    /// <summary>Assumed share of a data sheet's rate.</summary>
    public const double GivenEfficiency = 0.4;

    private const long CpuProcess = 220L << 20, CudaProcess = 1L << 30;
    // how often what is kept, and what is trained, is read or written
    private const int Passes = 8, RecomputedPasses = 12, OptimizerPasses = 30;
    private const double CpuLoss = 0.6, RecomputedCpuLoss = 1.2, CudaLoss = 0.1; // shares of the working memory

    private readonly PfmvgConfiguration _configuration;
    private readonly PlanRequest _request;
    private readonly StageSettings _stage;
    private readonly Dictionary<Precision, (double Flops, double Bytes)> _rates = [];

    /// <summary>Prepares a plan.</summary>
    /// <exception cref="InputException">There is no such stage, or the prepared data are broken.</exception>
    public TrainingPlan(PfmvgConfiguration configuration, PlanRequest request)
    {
        (_configuration, _request, _stage) = (configuration, request, configuration.Stage(request.Stage));
        Vocabulary = WordsOf(configuration);
        Sizes = ConfiguredModel.Sizes(configuration.Model, Vocabulary);
        Samples = request.Samples ?? Prepared();
        Answers = _stage.Task == SampleTask.Caption ? ModelBenchmark.CaptionTokens : ModelBenchmark.BoxTokens;
        LongestAnswers = Math.Min(_stage.MaxAnswerTokens,
            _stage.Task == SampleTask.Caption ? 2 * _stage.CaptionWords : 2 * ModelBenchmark.BoxTokens);
    }

    /// <summary>Sizes of the model as configured.</summary>
    public GroundingConfig Sizes { get; }

    /// <summary>Tokens of the vocabulary.</summary>
    public int Vocabulary { get; }

    /// <summary>Samples of the training split; null when nobody knows.</summary>
    public int? Samples { get; }

    /// <summary>Tokens of a usual answer, for time.</summary>
    public int Answers { get; }

    /// <summary>Tokens of the longest answer, for memory.</summary>
    public int LongestAnswers { get; }

    /// <summary>Positions of a usual sample.</summary>
    public int Positions => Sizes.VisualTokens + ModelBenchmark.PromptTokens + Answers;

    /// <summary>Positions of the longest sample.</summary>
    public int LongestPositions => Positions - Answers + LongestAnswers;

    /// <summary>
    /// Whether the memory in question is the machine's own: `device: auto` means a GPU when there is one or --tflops
    /// speaks of one.
    /// </summary>
    public bool IsCpu => _configuration.Device switch
    {
        DeviceChoice.Cpu => true,
        DeviceChoice.Cuda => false,
        _ => _request.Teraflops is null && !cuda.is_available(),
    };

    /// <summary>Whether the vision tower's output is kept, so that only the first epoch computes it.</summary>
    public bool KeepsFeatures => _configuration.Data.FeatureCache is not null && _stage.Image == ImageMode.Resize;

    /// <summary>Whether epochs end with answers, whose cache of keys and values then is in memory beside the optimizer's state.</summary>
    public bool Validates => _stage.Validate && _stage.Task == SampleTask.Refer;

    /// <summary>Share of the rate that is counted with.</summary>
    public double Efficiency => _request.Efficiency ?? (_request.Teraflops is null ? MeasuredEfficiency : GivenEfficiency);

    /// <summary>The settings as they are.</summary>
    public PlanChoice Configured => new(
        _configuration.Precision, Sizes.Language.Quantized, _stage.BatchSize, _stage.Accumulate, _stage.Recompute
            || (Sizes.Language.Quantized && !IsCpu));

    /// <summary>
    /// The settings that fit, of the configured samples per step: as configured if possible, then recomputing, then bfloat16, then
    /// int8; of each the largest micro-batch.
    /// </summary>
    /// <exception cref="InputException">Nothing fits.</exception>
    public PlannedChoice Suggest()
    {
        var now = Configured;
        var global = now.Batch * now.Accumulate;
        (Precision, bool, bool)[] kinds =
        [
            (now.Precision, now.Quantized, false), (now.Precision, now.Quantized, true), (Precision.Bf16, now.Quantized, false),
                (Precision.Bf16, now.Quantized, true),
            (Precision.Bf16, true, false), (Precision.Bf16, true, true),
        ];
        var choices = kinds.Where(kind => !kind.Item2 || kind.Item3 || IsCpu) // on CUDA int8 always recomputes
            .Distinct()
            .SelectMany(kind => Divisors(global).Select(batch => new PlanChoice(kind.Item1, kind.Item2, batch, global / batch, kind.Item3)))
                .ToList();
        if (choices.Find(choice => Memory(choice).Peak <= _request.DeviceMemory) is { } found) return Plan(found);
        var least = choices.Select(choice => (Choice: choice, Memory: Memory(choice))).MinBy(c => c.Memory.Peak);
        throw new InputException(FormattableString.Invariant(
            $"--device-memory {_request.DeviceMemory / 1e9:0.###}GB is too small for stage {_request.Stage} of {_configuration.Name}: even with {(least.Choice.Quantized ? "int8" : least.Choice.Precision.ToString().ToLowerInvariant())} weights, recomputation and micro-batches of one it needs {least.Memory.Peak / 1e9:f2} GB, {(least.Memory.Peak - _request.DeviceMemory) / 1e9:f2} GB more; the weights alone are {least.Memory.Weights / 1e9:f2} GB."));
    }

    /// <summary>What a choice needs.</summary>
    public PlannedChoice Plan(PlanChoice choice) => new(choice, Memory(choice), Time(choice));

    /// <summary>Memory of a choice in training.</summary>
    public PlannedMemory Memory(PlanChoice choice)
    {
        var memory = Of(choice);
        var step = Math.Max(memory.OptimizerStep, Math.Max(
            memory.Training(choice.Batch, LongestPositions, LongestAnswers, choice.Recompute),
                memory.Vision(KeepsFeatures ? 1 : choice.Batch)));
        var (cache, prompts) = Answering(choice);
        var working = Validates ? Math.Max(step, cache + prompts) : step;
        return new PlannedMemory(
            memory.Frozen().ToDictionary(f => f.Type.ToString().ToLowerInvariant(), f => f.Bytes), memory.Trained, memory.Trained,
                2 * memory.Trained,
            IsCpu && _request.Devices > 1 ? memory.Trained : 0, IsCpu ? CpuProcess : CudaProcess, working,
                (long)(step * (!IsCpu ? CudaLoss : choice.Recompute ? RecomputedCpuLoss : CpuLoss)));
    }

    /// <summary>The model's formulas under a choice.</summary>
    public ModelMemory Of(PlanChoice choice) =>
        new(Sizes with { Language = Sizes.Language with { Quantized = choice.Quantized } }, ConfiguredModel.Type(choice.Precision), IsCpu);

    /// <summary>Bytes of the evaluation beside the weights: the cache of keys and values, and the rest.</summary>
    public (long Cache, long Working) Answering(PlanChoice choice)
    {
        var (eval, memory) = (_configuration.Eval, Of(choice));
        var rows = eval.BatchSize * eval.Beams;
        var prompt = Sizes.VisualTokens + ModelBenchmark.PromptTokens;
        return (memory.KvCache(rows, prompt + eval.MaxNewTokens), Math.Max(memory.Prefill(rows, prompt), memory.Vision(eval.BatchSize)));
    }

    private PlannedTime Time(PlanChoice choice)
    {
        var (flops, memory) = (new ModelFlops(Sizes), Of(choice));
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

    // The products of a layer at the rows of a micro-step, or of fewer where that takes long, for about a second; and reading memory.
    private (double Flops, double Bytes) Measure(PlanChoice choice)
    {
        const double LongestRun = 4e10;
        if (_configuration.Device == DeviceChoice.Cuda && !cuda.is_available())
            throw new InputException("device: cuda, but there is no CUDA device here whose rate could be measured: give --tflops, its data sheet's TFLOP/s.");
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

    private int? Prepared()
    {
        if (!File.Exists(Path.Combine(_configuration.Resolve(_configuration.Data.Folder), "prepared.json"))) return null;
        var samples = GroundingSetup.OpenData(_configuration)
            .Read(_stage.Task, Split.Train);
        return samples.Count == 0 ? null : _stage.MultiBox == MultiBox.PerBox ? PhraseGroups.PerBox(samples).Count : samples.Count;
    }

    private static int WordsOf(PfmvgConfiguration configuration)
    {
        const int SmallVocabulary = 512; // where the tokenizer decides, which is not there
        if (configuration.Model.Language.Vocabulary is > 0 and var given) return given;
        var tokenizer = Path.Combine(GroundingSetup.Paths(configuration).Language, "tokenizer.model");
        return File.Exists(tokenizer) ? LlamaTokenizer.Load(tokenizer).VocabularySize : SmallVocabulary;
    }

    private static IEnumerable<int> Divisors(int number) => Enumerable.Range(1, number).Where(d => number % d == 0).Reverse();
}
