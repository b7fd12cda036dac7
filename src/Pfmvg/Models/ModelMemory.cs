using Pfmvg.Models.Kernels;
using Pfmvg.Models.Vision;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models;

/// <summary>
/// Bytes that a model needs, from its sizes alone: what is alive at the moment when the most is. What an allocator loses between
/// the pieces comes on top.
/// </summary>
/// <remarks>
/// Letters: B rows, T positions, C hidden width, I intermediate width, H heads, W vocabulary, L layers, V vision width, N visual
/// tokens. What autograd keeps of a layer follows from its operations: a frozen product keeps nothing, a norm keeps its input in
/// float32, an adapter its input after dropout and the mask, attention its three inputs, its result and a number per head, and the
/// gated MLP three intermediate tensors.
/// </remarks>
/// <param name="config">All sizes.</param>
/// <param name="type">Type of the frozen weights and of the activations.</param>
/// <param name="isCpu">Whether it is computed on this machine's CPU, where bfloat16 may be computed in float32.</param>
/// <param name="trainsVision">Whether the vision tower learns, too.</param>
internal sealed class ModelMemory(GroundingConfig config, ScalarType type, bool isCpu, bool trainsVision = false)
{
    private readonly LlamaConfig _language = config.Language;
    private readonly bool _widens = isCpu && (config.Language.Quantized || Bf16Products.Compute(type) != type);
    private readonly long _computed = TensorTypes.Size(isCpu && !Float32Products.Own ? Bf16Products.Compute(type) : type); // in attention
    private readonly long _element = TensorTypes.Size(type);
    private readonly long _width = config.Language.HiddenSize, _inner = config.Language.IntermediateSize;

    /// <summary>Frozen weights by their type in memory.</summary>
    public IReadOnlyList<(ScalarType Type, long Bytes)> Frozen()
    {
        using var shapes = new GroundingModel(config, type, META);
        if (trainsVision) shapes.TrainVision();
        return [.. shapes.named_parameters().Select(p => p.parameter).Where(p => !p.requires_grad)
            .GroupBy(p => p.dtype).Select(group => (group.Key, group.Sum(p => p.numel() * TensorTypes.Size(group.Key))))];
    }

    /// <summary>Trained weights, float32; gradients take as much, AdamW's moments twice as much.</summary>
    public long Trained => sizeof(float) * (config.TrainedParameters + (trainsVision ? VisionParameters : 0));

    /// <summary>The most that AdamW needs beside the moments: a copy of the largest trained matrix.</summary>
    public long OptimizerStep =>
        sizeof(float) * Math.Max(_width * Math.Max(config.FeatureWidth, config.Lora.Rank), trainsVision ? LargestOfVision : 0);

    /// <summary>What is kept of one position of one row until its backward pass, all layers together.</summary>
    /// <param name="recompute">Whether only the inputs of each layer's attention and MLP are kept.</param>
    public long KeptPerPosition(bool recompute) => _language.Layers * (recompute ? 2 * _element * _width : AttentionKeeps + MlpKeeps);

    /// <summary>
    /// The most that is alive in forward and backward pass from the frozen features on, without weights and gradients.
    /// </summary>
    /// <param name="rows">B.</param>
    /// <param name="positions">T.</param>
    /// <param name="answers">Positions of a row that get logits.</param>
    /// <param name="recompute">As in <see cref="KeptPerPosition"/>; int8 weights on CUDA always recompute.</param>
    public long Training(long rows, long positions, long answers, bool recompute)
    {
        var all = rows * positions;
        var state = _element * _width;                                    // a hidden state of one position
        recompute |= _language.Quantized && !isCpu;
        var inputs = rows * sizeof(float) * config.VisualTokens * (config.FeatureWidth + _width) + all * state
            + all * KeptPerPosition(recompute);
        // Logits in the model's type and in float32; then their logarithms, and two gradients.
        var loss = all * (4 * _width + 2 * state) + 3 * sizeof(float) * rows * answers * _language.VocabularySize
            + Widened(_language.VocabularySize);
        if (!recompute)
        {
            var forward = all * ((IsNarrow ? _language.Layers * state : 0) + 8 * _width + state); // the layers' outputs, and the last norm
            var backward = all * (3 * _element * _inner + 3 * state) + Float32Sides(all);         // gradients within the last MLP
            return inputs + Math.Max(Math.Max(forward, loss), backward);
        }

        // Four gradients within the MLP; where products are made in float32, two of them and both sides of one, which is as much.
        var mlp = all * (MlpKeeps - KeptInput + 4 * _element * _inner + 4 * state) + Widened(3 * _inner);
        var attention = all * (AttentionKeeps - KeptInput + 8 * state + 12 * _width) + Widened(4 * _width);
        return inputs + Math.Max(loss, Math.Max(mlp, attention));
    }

    /// <summary>The most that is alive in the vision tower.</summary>
    /// <param name="pictures">Pictures encoded together.</param>
    public long Vision(long pictures)
    {
        var vision = config.Vision;
        long tokens = vision.Patches + 1, head = HeadWidth;
        var mlp = _element * (2L * vision.MlpHidden + 3L * vision.Width);
        var attention = _element * (6L * vision.Width + 4 * head * vision.Heads);
        var norm = (_element + 2L * sizeof(float)) * vision.Width;
        return pictures * (tokens * Math.Max(Math.Max(mlp, attention), norm)
            + (sizeof(float) + _element) * 3L * vision.ImageSize * vision.ImageSize);
    }

    /// <summary>What is kept of some pictures until the backward pass of a vision tower that learns, in float32.</summary>
    /// <remarks>
    /// A block keeps the inputs of its two norms and of its four products, attention's three inputs and its result, and the MLP's
    /// intermediate tensor before the GELU.
    /// </remarks>
    /// <param name="pictures">Pictures encoded together.</param>
    public long VisionKeeps(long pictures)
    {
        var vision = config.Vision;
        var block = 5L * vision.Width + 4 * HeadWidth * vision.Heads + 2L * vision.MlpHidden + vision.Heads;
        return sizeof(float) * pictures * ((vision.Patches + 1L) * (vision.Depth * block + 2L * vision.Width)
            + 3L * vision.ImageSize * vision.ImageSize);
    }

    /// <summary>The most that is alive beside it in that backward pass: gradients within a block, and of its largest matrix.</summary>
    /// <param name="pictures">Pictures encoded together.</param>
    public long VisionBackward(long pictures)
    {
        var vision = config.Vision;
        var mlp = 2L * vision.MlpHidden + 3L * vision.Width;
        var attention = 3L * vision.Width + 7 * HeadWidth * vision.Heads;
        return sizeof(float) * (pictures * (vision.Patches + 1L) * Math.Max(mlp, attention)) + LargestOfVision * sizeof(float);
    }

    /// <summary>Keys and values of every layer.</summary>
    /// <param name="rows">B; each beam is a row.</param>
    /// <param name="positions">Positions of prompt and answer.</param>
    public long KvCache(long rows, long positions) => 2 * _element * _language.Layers * _width * rows * positions;

    /// <summary>The most that is alive beside the cache while prompts are read.</summary>
    /// <param name="rows">B.</param>
    /// <param name="positions">Positions of a prompt.</param>
    public long Prefill(long rows, long positions) =>
        rows * (positions * (_element * (4 * _inner + 4 * _width) + 2 * sizeof(float) * _width)
            + (_element + sizeof(float)) * _language.VocabularySize
            + sizeof(float) * config.VisualTokens * (config.FeatureWidth + _width)) + Widened(_inner);

    // A head as the tower's attention computes it: filled up with zeros on a CPU.
    private long HeadWidth => config.Vision.Width / config.Vision.Heads
        + EvaVisionTower.HeadPadding(config.Vision.Width / config.Vision.Heads, isCpu ? DeviceType.CPU : DeviceType.CUDA);

    private long LargestOfVision => config.Vision.Width * Math.Max(3L * config.Vision.Width, config.Vision.MlpHidden);

    private long VisionParameters
    {
        get
        {
            var vision = config.Vision;
            var block = 4L * vision.Width * vision.Width + 2L * vision.Width * vision.MlpHidden // products
                + 8L * vision.Width + vision.MlpHidden;                                         // biases and norms
            return vision.Depth * block + vision.Width * (3L * vision.PatchSize * vision.PatchSize + vision.Patches + 5);
        }
    }

    private bool IsNarrow => _element < sizeof(float);

    // In float32 the norm's input is the layer's own input, which recomputation keeps anyway.
    private long KeptInput => IsNarrow ? 0 : sizeof(float) * _width;

    private long AttentionKeeps =>
        sizeof(float) * (_width + 1 + _language.Heads) + 4 * _computed * _width
            + Adapters(_width, ParameterNames.Query, ParameterNames.Key, ParameterNames.Value)
            + Adapters(_width, ParameterNames.AttentionOutput);

    private long MlpKeeps =>
        sizeof(float) * (_width + 1) + 3 * _element * _inner + Adapters(_width, ParameterNames.Gate, ParameterNames.Up)
            + Adapters(_inner, ParameterNames.Down);

    /// <summary>What adapters on the same input keep of a position.</summary>
    private long Adapters(long inputs, params string[] targets)
    {
        var count = config.Lora.Targets.Count(targets.Contains);
        var own = config.Lora.Dropout > 0 ? 2 * inputs : IsNarrow ? inputs : 0; // dropped input and mask, or a copy in float32
        return sizeof(float) * (count * (config.Lora.Rank + own) + (own == 0 && count > 0 ? inputs : 0));
    }

    // A copy of some int8 rows in the model's type; a CPU needs no more than a small buffer.
    private long Widened(long outputs) => _language.Quantized && !isCpu ? _element * _width * outputs : 0;

    // Both sides of the MLP's last product in float32, where the product is computed in it.
    private long Float32Sides(long positions) => _widens && IsNarrow ? positions * sizeof(float) * (_width + _inner) : 0;
}
