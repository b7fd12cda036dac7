using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Layers;

/// <summary>Makes the layer for one projection of a block, so that a block does not know about adapters or storage types.</summary>
/// <param name="name">Name of the projection within the model, for example "layers.3.self_attn.q_proj".</param>
/// <param name="inputs">Width of the input.</param>
/// <param name="outputs">Width of the output.</param>
public delegate Projection ProjectionFactory(string name, int inputs, int outputs);

/// <summary>A linear layer of a block, (..., I) to (..., O). Its matrix is frozen; it may carry an adapter.</summary>
/// <param name="name">Name of the module.</param>
public abstract class Projection(string name) : Module<Tensor, Tensor>(name)
{
    /// <summary>What it multiplies with, for code that computes the product itself; without a bias, which no decoder layer has.</summary>
    internal abstract ProjectionWeights Weights { get; }
}

/// <summary>What a projection multiplies with.</summary>
/// <param name="Weight">W (O, I).</param>
/// <param name="Scale">(O), with int8 only.</param>
/// <param name="Adapter">Null without an adapter.</param>
internal sealed record ProjectionWeights(Tensor Weight, Tensor? Scale, AdapterWeights? Adapter = null);

/// <summary>A low-rank update: W becomes W + factor B A.</summary>
/// <param name="Down">A (r, I).</param>
/// <param name="Up">B (O, r).</param>
/// <param name="Factor">alpha / r.</param>
/// <param name="Index">By which it asks for dropout masks.</param>
internal sealed record AdapterWeights(Tensor Down, Tensor Up, float Factor, int Index);
