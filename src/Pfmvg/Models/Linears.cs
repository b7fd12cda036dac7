using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models;

/// <summary>Makes the layer for one projection of a block, so that a block does not know about adapters or storage types.</summary>
/// <param name="name">Name of the projection within the model, for example "layers.3.self_attn.q_proj".</param>
/// <param name="inputs">Width of the input.</param>
/// <param name="outputs">Width of the output.</param>
public delegate Module<Tensor, Tensor> ProjectionFactory(string name, int inputs, int outputs);

/// <summary>y = x W^T (+ b) with weights that are never trained. Weights are left uninitialised for a loader to fill.</summary>
public sealed class FrozenLinear : Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")] private readonly Parameter _weight;
    [ComponentName(Name = "bias")] private readonly Parameter? _bias;

    /// <summary>Creates the layer.</summary>
    /// <param name="inputs">Width of the input.</param>
    /// <param name="outputs">Width of the output.</param>
    /// <param name="hasBias">Whether a bias is added.</param>
    /// <param name="type">Element type of weight and bias.</param>
    /// <param name="device">Where they live; the meta device holds shapes only.</param>
    public FrozenLinear(int inputs, int outputs, bool hasBias, ScalarType type, Device device) : base(nameof(FrozenLinear))
    {
        _weight = Frozen.Parameter(type, device, outputs, inputs);
        _bias = hasBias ? Frozen.Parameter(type, device, outputs) : null;
        RegisterComponents();
    }

    /// <summary>(..., inputs) to (..., outputs).</summary>
    public override Tensor forward(Tensor input) => functional.linear(input, _weight, _bias);
}

/// <summary>Parameters that are loaded, never trained.</summary>
internal static class Frozen
{
    public static Parameter Parameter(ScalarType type, Device device, params long[] shape) =>
        new(empty(shape, type, device), requires_grad: false);
}
