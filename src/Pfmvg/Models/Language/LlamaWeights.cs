using Pfmvg.Models.Layers;
using static TorchSharp.torch;

namespace Pfmvg.Models.Language;

/// <summary>The weights that <see cref="DecoderStep"/> computes with in the place of the modules.</summary>
/// <param name="Layers">The decoder layers.</param>
/// <param name="Norm">(C), of the norm behind the last layer.</param>
/// <param name="Head">The projection to the vocabulary.</param>
internal sealed record LlamaWeights(IReadOnlyList<LlamaLayerWeights> Layers, Tensor Norm, ProjectionWeights Head)
{
    /// <summary>Every projection, the head with them.</summary>
    public IEnumerable<ProjectionWeights> Projections => Layers.SelectMany(layer => (ProjectionWeights[])[
        layer.Attention.Query, layer.Attention.Key, layer.Attention.Value, layer.Attention.Output,
        layer.Mlp.Gate, layer.Mlp.Up, layer.Mlp.Down]).Append(Head);
}

/// <summary>The two halves of a decoder layer.</summary>
internal sealed record LlamaLayerWeights(AttentionWeights Attention, MlpWeights Mlp);

/// <summary>The first half: the norm's weight (C), the projections of its output, and the one behind the heads.</summary>
internal sealed record AttentionWeights(
    Tensor Norm, ProjectionWeights Query, ProjectionWeights Key, ProjectionWeights Value, ProjectionWeights Output);

/// <summary>The second half: the norm's weight (C), and the projections of the gated MLP.</summary>
internal sealed record MlpWeights(Tensor Norm, ProjectionWeights Gate, ProjectionWeights Up, ProjectionWeights Down);
