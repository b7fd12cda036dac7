using Pfmvg.Models.Layers;
using Pfmvg.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Convolutional;

/// <summary>A convolution without bias and the batch norm behind it, folded into one convolution with a bias.</summary>
internal sealed class FoldedConvolution
{
    private const double NormEps = 1e-5;

    private readonly Tensor _weight, _bias;
    private readonly long[] _stride, _padding, _dilation;

    /// <summary>Takes its weights; padding keeps the size but for the stride.</summary>
    public FoldedConvolution(PlannedWeights weights, string convolution, string norm, long stride = 1, long dilation = 1)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var kernel = weights[$"{convolution}.weight"];
        var scale = weights[$"{norm}.weight"].to(float64) / (weights[$"{norm}.running_var"].to(float64) + NormEps).sqrt();
        _weight = weights.Keep((kernel.to(float64) * scale.view(-1, 1, 1, 1)).to(float32));
        _bias = weights.Keep((weights[$"{norm}.bias"].to(float64) - weights[$"{norm}.running_mean"].to(float64) * scale).to(float32));
        var reach = dilation * (kernel.shape[2] / 2);
        (_stride, _padding, _dilation) = ([stride, stride], [reach, reach], [dilation, dilation]);
    }

    /// <summary>The tensors that a file has for such a pair.</summary>
    public static IEnumerable<TensorInfo> Plan(string convolution, string norm, long inputs, long outputs, long side)
    {
        yield return TensorInfo.Describe($"{convolution}.weight", ScalarType.Float32, outputs, inputs, side, side);
        foreach (var part in (string[])["weight", "bias", "running_mean", "running_var"])
            yield return TensorInfo.Describe($"{norm}.{part}", ScalarType.Float32, outputs);
    }

    /// <summary>(B, I, H, W) to (B, O, H / stride, W / stride).</summary>
    public Tensor Forward(Tensor x) =>
        functional.conv2d(x, _weight, _bias, strides: _stride, padding: _padding, dilation: _dilation);
}
