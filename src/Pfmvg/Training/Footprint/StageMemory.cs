using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Models;
using Pfmvg.Text;
using Pfmvg.Training.Sharing;
using TorchSharp;

namespace Pfmvg.Training.Footprint;

/// <summary>Memory that a stage will need. Everything follows from the sizes; no weights are read.</summary>
internal sealed class StageMemory
{
    private const long CpuProcess = 220L << 20, CudaProcess = 1L << 30;

    // What an allocator loses between the pieces, as shares of the working memory.
    private const double CpuLoss = 0.6, RecomputedCpuLoss = 1.2, CudaLoss = 0.1;

    private const int Colours = 3; // of a decoded picture at most

    private readonly PfmvgConfiguration _configuration;
    private readonly StageSettings _stage;
    private readonly int _processes;
    private readonly long _pictures;

    /// <summary>Prepares the figures.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="stage">1 or 2.</param>
    /// <param name="sizes">Of the model.</param>
    /// <param name="isCpu">Whether the memory in question is the machine's own.</param>
    /// <param name="processes">Processes that train together, one per device.</param>
    /// <param name="samples">The training split, whose pictures may stay in memory; null where it is not known.</param>
    /// <exception cref="InputException">There is no such stage.</exception>
    public StageMemory(PfmvgConfiguration configuration, int stage, GroundingConfig sizes, bool isCpu, int processes,
        IReadOnlyList<Sample>? samples)
    {
        (_configuration, _stage, Sizes, IsCpu, _processes) = (configuration, configuration.Stage(stage), sizes, isCpu, processes);
        Answers = _stage.Task == SampleTask.Caption ? TypicalLengths.Caption : TypicalLengths.Box;
        LongestAnswers = Math.Min(_stage.MaxAnswerTokens,
            _stage.Task == SampleTask.Caption ? 2 * _stage.CaptionWords : 2 * TypicalLengths.Box);
        var pixels = samples?.DistinctBy(sample => (sample.Source, sample.Image)).Sum(sample => (long)sample.Width * sample.Height);
        _pictures = isCpu ? Math.Min(TrainingSamples.KeptBytes(_stage), Colours * pixels ?? long.MaxValue) : 0;
    }

    /// <summary>Sizes of the model as configured.</summary>
    public GroundingConfig Sizes { get; }

    /// <summary>Whether the memory in question is the machine's own.</summary>
    public bool IsCpu { get; }

    /// <summary>Tokens of a usual answer, for time.</summary>
    public int Answers { get; }

    /// <summary>Tokens of the longest answer, for memory.</summary>
    public int LongestAnswers { get; }

    /// <summary>Positions of a usual sample.</summary>
    public int Positions => Sizes.VisualTokens + TypicalLengths.Prompt + Answers;

    /// <summary>Positions of the longest sample.</summary>
    public int LongestPositions => Positions - Answers + LongestAnswers;

    /// <summary>Whether the vision tower's output is kept, so that only the first epoch computes it.</summary>
    public bool KeepsFeatures => _configuration.Data.FeatureCache is not null && _stage is { Image: ImageMode.Resize, TrainVision: false };

    /// <summary>
    /// Whether epochs end with answers. Their cache of keys and values is then in memory beside the optimizer's state.
    /// </summary>
    public bool Validates => _stage.Validate && _stage.Task == SampleTask.Refer;

    /// <summary>
    /// Whether the stage takes the step of small models, which keeps the activations of one picture a thread and never recomputes.
    /// </summary>
    public bool IsSharedStep => _stage is { SharePictures: true, Recompute: not Recomputation.True }
        && StepWeights.Fits(Sizes, ConfiguredModel.Type(_configuration.Precision), IsCpu ? DeviceType.CPU : DeviceType.CUDA);

    /// <summary>The settings as they are; `recompute: auto` recomputes where it would not fit otherwise.</summary>
    /// <param name="room">Bytes that there are.</param>
    public PlanChoice Configured(long room)
    {
        var plain = new PlanChoice(_configuration.Precision, Sizes.Language.Quantized, _stage.BatchSize, _stage.Accumulate, false);
        var recompute = (Sizes.Language.Quantized && !IsCpu) || _stage.Recompute == Recomputation.True
            || (_stage.Recompute == Recomputation.Auto && !IsSharedStep && Of(plain).Peak > room);
        return plain with { Recompute = recompute };
    }

    /// <summary>Memory of a choice in training.</summary>
    public PlannedMemory Of(PlanChoice choice)
    {
        var memory = Model(choice);
        var step = Math.Max(memory.OptimizerStep, Step(choice));
        var (cache, prompts) = Answering(choice);
        var working = Validates ? Math.Max(step, cache + prompts) : step;
        var loss = !IsCpu ? CudaLoss : choice.Recompute ? RecomputedCpuLoss : CpuLoss;
        return new PlannedMemory
        {
            Frozen = memory.Frozen().ToDictionary(frozen => frozen.Type.ToString().ToLowerInvariant(), frozen => frozen.Bytes),
            Trained = memory.Trained,
            Gradients = memory.Trained,
            Moments = 2 * memory.Trained,
            Exchange = IsCpu && _processes > 1 ? memory.Trained : 0,
            Process = IsCpu ? CpuProcess : CudaProcess,
            Pictures = _pictures,
            Working = working,
            Allocator = (long)(step * loss),
        };
    }

    // A tower that learns keeps its activations until the decoder's backward pass is over.
    private long Step(PlanChoice choice)
    {
        var (memory, decoder) = (Model(choice), Decoder(choice, choice.Recompute));
        return _stage.TrainVision ? memory.VisionKeeps(choice.Batch) + Math.Max(decoder, memory.VisionBackward(choice.Batch))
            : Math.Max(decoder, memory.Vision(KeepsFeatures ? 1 : choice.Batch));
    }

    /// <summary>The most that is alive in the decoder and the loss.</summary>
    public long Decoder(PlanChoice choice, bool recompute) =>
        Model(choice).Training(choice.Batch, LongestPositions, LongestAnswers, recompute);

    /// <summary>The same of the vision tower.</summary>
    public long Vision(PlanChoice choice) => _stage.TrainVision
        ? Model(choice).VisionKeeps(choice.Batch) + Model(choice).VisionBackward(choice.Batch)
        : Model(choice).Vision(KeepsFeatures ? 1 : choice.Batch);

    /// <summary>The model's formulas under a choice.</summary>
    public ModelMemory Model(PlanChoice choice) =>
        new(Sizes with { Language = Sizes.Language with { Quantized = choice.Quantized } }, ConfiguredModel.Type(choice.Precision), IsCpu,
            _stage.TrainVision);

    /// <summary>Bytes of the evaluation beside the weights: the cache of keys and values, and the rest.</summary>
    public (long Cache, long Working) Answering(PlanChoice choice)
    {
        var (eval, memory) = (_configuration.Eval, Model(choice));
        var rows = eval.BatchSize * eval.Beams;
        var prompt = Sizes.VisualTokens + TypicalLengths.Prompt;
        var answers = eval.Decode == AnswerChoice.ExpectedIou ? eval.Draws : 1; // at most: all share the prompt's part
        return (memory.KvCache(rows, prompt + answers * eval.MaxNewTokens),
            Math.Max(memory.Prefill(rows, prompt), memory.Vision(eval.BatchSize)));
    }
}
