using Pfmvg.Models.Kernels;
using Pfmvg.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Layers;

/// <summary>y = x W^T + b with planned weights; several layers over one input are one product.</summary>
internal sealed class LoadedLinear
{
    private readonly Tensor _weight, _bias;

    public LoadedLinear(PlannedWeights weights, params string[] names)
    {
        using var scope = NewDisposeScope();
        _weight = weights.Keep(Join("weight"));
        _bias = weights.Keep(Join("bias"));

        Tensor Join(string part) => names.Length == 1 ? weights[$"{names[0]}.{part}"]
            : cat([.. names.Select(name => weights[$"{name}.{part}"])]);
    }

    public static IEnumerable<TensorInfo> Plan(string name, long inputs, long outputs) =>
    [
        TensorInfo.Describe($"{name}.weight", ScalarType.Float32, outputs, inputs),
        TensorInfo.Describe($"{name}.bias", ScalarType.Float32, outputs),
    ];

    /// <summary>
    /// (..., I) to (..., O), without gradients. On a CPU, with I a multiple of 32, a row's bits do not depend on the rows beside it.
    /// </summary>
    public Tensor Forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var rows = x.numel() / x.shape[^1];
        var product = !ThinProduct.FitsFloat32(x, _weight) ? functional.linear(x, _weight, _bias)
            : ThinProduct.Multiply(x.reshape(rows, x.shape[^1]), _weight, null).add_(_bias).view([.. x.shape[..^1], _weight.shape[0]]);
        return product.MoveToOuterDisposeScope();
    }
}

/// <summary>A layer norm with planned weights.</summary>
internal sealed class LoadedNorm
{
    private readonly Tensor _weight, _bias;
    private readonly long[] _shape;
    private readonly double _eps;

    public LoadedNorm(PlannedWeights weights, string name, double eps)
    {
        _weight = weights.Keep(weights[$"{name}.weight"]);
        _bias = weights.Keep(weights[$"{name}.bias"]);
        (_shape, _eps) = (_weight.shape, eps);
    }

    public static IEnumerable<TensorInfo> Plan(string name, long width) =>
    [
        TensorInfo.Describe($"{name}.weight", ScalarType.Float32, width),
        TensorInfo.Describe($"{name}.bias", ScalarType.Float32, width),
    ];

    /// <summary>(..., W) to (..., W).</summary>
    public Tensor Forward(Tensor x) => functional.layer_norm(x, _shape, _weight, _bias, _eps);
}
