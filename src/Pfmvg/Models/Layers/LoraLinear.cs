using System.Numerics;
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
    public LoraLinear(int inputs, int outputs, LoraConfig lora, LoraDropout dropout, ScalarType type, Device device, bool quantized = false)
        : base(nameof(LoraLinear))
    {
        (_weight, _weightScale) = Frozen.Matrix(inputs, outputs, type, device, quantized);
        _down = new LoraFactor(lora.Rank, inputs, device);
        _up = new LoraFactor(outputs, lora.Rank, device);
        _scale = lora.Scale;
        _factor = lora.Scale;
        _dropout = dropout;
        _index = dropout.Register();
        RegisterComponents();
    }

    internal override ProjectionWeights Weights =>
        new(_weight, _weightScale, new AdapterWeights(_down.Weight, _up.Weight, (float)_factor));

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
    public override Tensor forward(Tensor input) => functional.linear(input, _weight);
}

/// <summary>
/// Dropout of the adapters as a function of (seed of the sample, adapter), never of call order: a resumed run, a
/// recomputed block and a batch split over several processes draw the same masks.
/// </summary>
public sealed class LoraDropout(double probability)
{
    private readonly KeepOrDrop _mask = new(
        (uint)Math.Min(uint.MaxValue, (1 - probability) * 4294967296.0), (float)(1 / (1 - probability)));
    private int _adapters;
    private IReadOnlyList<(long Seed, int Length)> _rows = [];

    internal int Register() => _adapters++;

    /// <summary>Turns dropout on for the coming forward and backward passes.</summary>
    /// <param name="rows">For each row of the batch its seed and how many of its positions are not padding.</param>
    public void Begin(IReadOnlyList<(long Seed, int Length)> rows) => _rows = rows;

    /// <summary>Turns dropout off.</summary>
    public void End() => _rows = [];

    /// <summary>Returns x itself when dropout is off, else a tensor with a share of its elements zeroed and the rest scaled up.</summary>
    /// <param name="x">(B, T, I) float32.</param>
    /// <param name="adapter">Index of the asking adapter.</param>
    internal Tensor Apply(Tensor x, int adapter)
    {
        if (_rows.Count == 0 || probability == 0) return x;
        if (_rows.Count != x.shape[0])
            throw new InvalidOperationException($"Dropout was begun for {_rows.Count} rows, the batch has {x.shape[0]}.");
        using var scope = NewDisposeScope();
        // The masks are drawn on the CPU, so that every device and any split of the batch sees the same ones.
        var mask = zeros(x.shape, ScalarType.Float32, CPU);
        for (var row = 0; row < _rows.Count; row++)
        {
            var (seed, length) = _rows[row];
            var bits = new CounterBits(new CounterRandom(seed, "lora dropout", adapter).NextBits());
            using var seen = mask[row].narrow(0, 0, length);
            unsafe
            {
                bits.Fill(new Span<float>(TensorMemory.Address(seen), checked((int)seen.numel())), 0, _mask);
            }
        }

        return x.mul(mask.to(x.device)).MoveToOuterDisposeScope();
    }

    /// <summary>The factor of an element: the rescaling when its bits are below the threshold, else 0.</summary>
    private readonly struct KeepOrDrop(uint threshold, float rescale) : IVectorFunction
    {
        public Vector<float> FromBits(Vector<uint> bits) =>
            Vector.AsVectorSingle(Vector.LessThan(bits, new Vector<uint>(threshold)) & Vector.AsVectorUInt32(new Vector<float>(rescale)));
    }
}
