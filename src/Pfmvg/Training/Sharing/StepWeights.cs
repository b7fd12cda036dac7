using Pfmvg.Models;
using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Training.Sharing;

/// <summary>The weights of a small model as the step reads them; frozen ones are copied once, trained ones before every step.</summary>
internal sealed unsafe class StepWeights
{
    private const long Most = 1 << 26; // numbers; every frozen one is copied twice

    private readonly StepMemory _memory = new();
    private readonly Parameter _projectorWeight, _projectorBias;

    /// <summary>Copies the weights.</summary>
    /// <param name="model">The model.</param>
    /// <param name="boxWeight">Of a box's loss in the box head beside that of one answer token.</param>
    public StepWeights(GroundingModel model, double boxWeight)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var trained = model.Trainables().ToDictionary(t => t.Name, t => t.Parameter);
        (_projectorWeight, _projectorBias) =
            (trained[$"{ParameterNames.Projector}.weight"], trained[$"{ParameterNames.Projector}.bias"]);
        var (config, weights) = (model.Config.Language, model.Language.Weights);
        (Config, VisualTokens, FeatureWidth) = (config, model.Config.VisualTokens, model.Config.FeatureWidth);
        Embedding = Copied(model.Language.EmbeddingWeight);
        Projector = _memory.TakeZeros(FeatureWidth, config.HiddenSize);
        ProjectorBackward = _memory.TakeZeros(config.HiddenSize, FeatureWidth);
        Bias = _memory.TakeNumbers(config.HiddenSize);
        Layers = [.. weights.Layers.Select(layer => new StepLayer(
            Numbers(layer.Attention.Norm), Project(layer.Attention.Query), Project(layer.Attention.Key), Project(layer.Attention.Value),
            Project(layer.Attention.Output), Numbers(layer.Mlp.Norm), Project(layer.Mlp.Gate), Project(layer.Mlp.Up),
            Project(layer.Mlp.Down)))];
        Norm = Numbers(weights.Norm);
        Head = Project(weights.Head);
        if (model.BoxHead is { } boxes) BoxHead = new StepBoxHead(boxes, boxWeight);
        Adapters = [.. Layers.SelectMany(layer => layer.Projections).Where(projection => projection.Adapter is not null)];

        StepProjection Project(ProjectionWeights projection) => new(projection, model.Dropout, _memory);
    }

    /// <summary>Whether the step works: small models in float32, sizes multiples of 16, a processor with wide vectors.</summary>
    public static bool Fits(GroundingModel model) => Fits(model.Config, model.Language.Type, model.Device.type);

    /// <summary>The same, before there is a model.</summary>
    public static bool Fits(GroundingConfig config, ScalarType type, DeviceType device) =>
        ThinVectors.Lanes > 0 && device == DeviceType.CPU && type == ScalarType.Float32
            && !config.Language.Quantized && config.Language.HeadSize % TileProduct.Columns == 0
            && config.FeatureWidth % TileProduct.Columns == 0
            && new ModelFlops(config).DecodedWeights <= Most;

    /// <summary>Sizes.</summary>
    public LlamaConfig Config { get; }

    /// <summary>N.</summary>
    public int VisualTokens { get; }

    /// <summary>4V.</summary>
    public int FeatureWidth { get; }

    /// <summary>(W, C).</summary>
    public StepMatrix Embedding { get; }

    /// <summary>The projector, (4V, C).</summary>
    public StepMatrix Projector { get; }

    /// <summary>The same, (C, 4V).</summary>
    public StepMatrix ProjectorBackward { get; }

    /// <summary>The projector's, (C).</summary>
    public float* Bias { get; }

    /// <summary>The decoder layers.</summary>
    public IReadOnlyList<StepLayer> Layers { get; }

    /// <summary>Of the norm behind the last layer, (C).</summary>
    public float* Norm { get; }

    /// <summary>The projection to the vocabulary.</summary>
    public StepProjection Head { get; }

    /// <summary>Reads a box beside the text; null where the model has none.</summary>
    public StepBoxHead? BoxHead { get; }

    /// <summary>The projections with an adapter.</summary>
    public IReadOnlyList<StepProjection> Adapters { get; }

    /// <summary>Takes over what the trained tensors have become.</summary>
    public void Refresh()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Projector.CopyTransposed(_projectorWeight);
        ProjectorBackward.Copy(_projectorWeight);
        new Span<float>(TensorMemory.Address(_projectorBias), Config.HiddenSize).CopyTo(new Span<float>(Bias, Config.HiddenSize));
        foreach (var projection in Adapters) projection.Refresh();
    }

    /// <summary>Adds gradients to those of the trained tensors, and sets them to zero.</summary>
    public void Collect(StepGradients gradients)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        gradients.Projector.MoveTo(Gradient(_projectorWeight));
        gradients.Bias.MoveTo(Gradient(_projectorBias).view(1, -1));
        foreach (var projection in Adapters)
        {
            gradients.Of(projection)!.Down.MoveTo(Gradient(projection.Adapter!.Down));
            gradients.Of(projection)!.Up.MoveTo(Gradient(projection.Adapter!.Up));
        }

        BoxHead?.Collect(gradients.BoxHead);
    }

    /// <summary>The gradient of a trained tensor; zeros where it had none.</summary>
    public static Tensor Gradient(Tensor parameter) => parameter.grad
        ?? (parameter.grad = zeros_like(parameter, requires_grad: false).DetachFromDisposeScope());

    private StepMatrix Copied(Tensor from)
    {
        var copy = _memory.TakeZeros((int)from.shape[0], (int)from.shape[1]);
        copy.Copy(from);
        return copy;
    }

    private float* Numbers(Tensor from) => Copied(from.view(1, -1)).First;
}

/// <summary>A decoder layer's weights.</summary>
internal sealed unsafe class StepLayer(float* attentionNorm, StepProjection query, StepProjection key, StepProjection value,
    StepProjection output, float* mlpNorm, StepProjection gate, StepProjection up, StepProjection down)
{
    /// <summary>(C).</summary>
    public float* AttentionNorm => attentionNorm;

    /// <summary>(C).</summary>
    public float* MlpNorm => mlpNorm;

    /// <summary>Of the attention.</summary>
    public (StepProjection Query, StepProjection Key, StepProjection Value, StepProjection Output) Attention => (query, key, value, output);

    /// <summary>Of the gated MLP.</summary>
    public (StepProjection Gate, StepProjection Up, StepProjection Down) Mlp => (gate, up, down);

    /// <summary>All of them.</summary>
    public IEnumerable<StepProjection> Projections => [query, key, value, output, gate, up, down];
}

/// <summary>Sums of gradients, of one share of a step.</summary>
internal sealed class StepGradients
{
    private readonly Dictionary<StepProjection, AdapterGradients> _adapters = [];

    /// <summary>Zeros.</summary>
    public StepGradients(StepWeights weights, StepMemory memory)
    {
        Projector = memory.TakeZeros(weights.Config.HiddenSize, weights.FeatureWidth);
        Bias = memory.TakeZeros(1, weights.Config.HiddenSize);
        foreach (var projection in weights.Adapters) _adapters[projection] = projection.NewGradients(memory)!;
        BoxHead = weights.BoxHead?.NewGradients() ?? [];
    }

    /// <summary>(C, 4V).</summary>
    public StepMatrix Projector { get; }

    /// <summary>(1, C).</summary>
    public StepMatrix Bias { get; }

    /// <summary>Those of the box head's tensors; none where there is no head.</summary>
    public Tensor[] BoxHead { get; }

    /// <summary>Those of a projection's adapter; null where it has none.</summary>
    public AdapterGradients? Of(StepProjection projection) => _adapters.GetValueOrDefault(projection);
}
