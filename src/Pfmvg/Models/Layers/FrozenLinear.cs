using Pfmvg.Models.Kernels;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Pfmvg.Models.Layers;

/// <summary>
/// y = x W^T (+ b) with weights that are never trained, in a floating type or in int8. A loader fills them.
/// </summary>
public sealed class FrozenLinear : Projection
{
    [ComponentName(Name = "weight")] private readonly Parameter _weight;
    [ComponentName(Name = ParameterNames.WeightScale)] private readonly Parameter? _scale; // with int8 only
    [ComponentName(Name = "bias")] private readonly Parameter? _bias;

    /// <summary>Creates the layer.</summary>
    /// <param name="inputs">Width of the input.</param>
    /// <param name="outputs">Width of the output.</param>
    /// <param name="hasBias">Whether a bias is added.</param>
    /// <param name="type">Element type of weight and bias.</param>
    /// <param name="device">Where they live; the meta device holds shapes only.</param>
    /// <param name="quantized">Whether the weight is stored as int8 with a scale per row (<see cref="FrozenMatrix"/>).</param>
    public FrozenLinear(int inputs, int outputs, bool hasBias, ScalarType type, Device device, bool quantized = false)
        : base(nameof(FrozenLinear))
    {
        (_weight, _scale) = Frozen.Matrix(inputs, outputs, type, device, quantized);
        _bias = hasBias ? Frozen.Parameter(type, device, outputs) : null;
        RegisterComponents();
    }

    internal override ProjectionWeights Weights => new(_weight, _scale);

    /// <summary>(..., inputs) to (..., outputs).</summary>
    public override Tensor forward(Tensor input) => FrozenMatrix.Product(input, _weight, _scale, _bias);

    /// <summary>As <see cref="forward"/> with a bias that the caller has.</summary>
    internal Tensor Product(Tensor input, Tensor bias) => FrozenMatrix.Product(input, _weight, _scale, bias);
}

/// <summary>Parameters that are loaded, never trained.</summary>
internal static class Frozen
{
    public static unsafe Parameter Parameter(ScalarType type, Device device, params long[] shape)
    {
        var memory = empty(shape, type, device);
        if (device.type == DeviceType.CPU) HugePages.Ask(TensorMemory.Address(memory), memory.numel() * TensorTypes.Size(type));
        return new Parameter(memory, requires_grad: false);
    }

    /// <summary>A weight (outputs, inputs) and, with int8, its scales (outputs).</summary>
    public static (Parameter Weight, Parameter? Scale) Matrix(int inputs, int outputs, ScalarType type, Device device, bool quantized) =>
        quantized
        ? (Parameter(ScalarType.Int8, device, outputs, inputs), Parameter(type, device, outputs))
        : (Parameter(type, device, outputs, inputs), null);
}
