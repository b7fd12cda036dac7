using Pfmvg.Models.Kernels;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Layers;

/// <summary>
/// A frozen projection with a trainable low-rank update: y = W x + (alpha / r) B A dropout(x). A and B stay in float32
/// whatever the type of W (paper, section 2.1; Hu et al. 2021).
/// </summary>
public sealed class LoraLinear : Projection
{
    [ComponentName(Name = "weight")] private readonly Parameter _weight;  // (O, I)
    [ComponentName(Name = ParameterNames.WeightScale)] private readonly Parameter? _weightScale; // (O) with int8 only
    [ComponentName(Name = ParameterNames.LoraDown)] private readonly LoraFactor _down;   // (r, I)
    [ComponentName(Name = ParameterNames.LoraUp)] private readonly LoraFactor _up;     // (O, r)
    private readonly Scalar _scale;
    private readonly double _factor;
    private readonly LoraDropout _dropout;
    private readonly int _index;

    /// <summary>Creates the layer; W is left for a loader to fill, A is drawn uniformly as torch draws a linear layer, B is zero.</summary>
    /// <param name="inputs">Width of the input.</param>
    /// <param name="outputs">Width of the output.</param>
    /// <param name="lora">Rank and scale.</param>
    /// <param name="dropout">The source of dropout masks that all adapters of a model share.</param>
    /// <param name="type">Element type of W.</param>
    /// <param name="device">Where the tensors live.</param>
    /// <param name="quantized">Whether W is stored as int8 with a scale per row.</param>
    /// <param name="trained">Where A and B live; null for the device of W.</param>
    public LoraLinear(
        int inputs, int outputs, LoraConfig lora, LoraDropout dropout, ScalarType type, Device device, bool quantized = false,
        Device? trained = null) : base(nameof(LoraLinear))
    {
        (_weight, _weightScale) = Frozen.Matrix(inputs, outputs, type, device, quantized);
        _down = new LoraFactor(lora.Rank, inputs, trained ?? device);
        _up = new LoraFactor(outputs, lora.Rank, trained ?? device);
        _scale = lora.Scale;
        _factor = lora.Scale;
        _dropout = dropout;
        _index = dropout.Register();
        RegisterComponents();
    }

    internal override ProjectionWeights Weights =>
        new(_weight, _weightScale, new AdapterWeights(_down.Weight, _up.Weight, (float)_factor, _index));

    /// <summary>(B, T, I) to (B, T, O) in the input's type.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var frozen = FrozenMatrix.Product(input, _weight, _weightScale, null);
        var low = _dropout.Apply(input.to(ScalarType.Float32), _index);
        var mixed = _down.call(low);                            // (B, T, r): scaled here, where it is narrow
        if (_factor != 1) mixed = mixed.mul(_scale);
        return frozen.Plus(_up.call(mixed).to(frozen.dtype)).MoveToOuterDisposeScope();
    }
}

/// <summary>One factor of a low-rank update: a trainable float32 matrix, y = x M^T.</summary>
public sealed class LoraFactor : Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")] private readonly Parameter _weight;

    internal LoraFactor(int outputs, int inputs, Device device) : base(nameof(LoraFactor))
    {
        _weight = new Parameter(zeros(outputs, inputs, ScalarType.Float32, device), requires_grad: true);
        RegisterComponents();
    }

    internal Tensor Weight => _weight;

    /// <summary>(..., inputs) to (..., outputs).</summary>
    public override Tensor forward(Tensor input) => FloatProduct.Linear(input, _weight);
}
