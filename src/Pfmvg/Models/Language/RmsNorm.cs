using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Language;

/// <summary>x / sqrt(mean(x^2) + eps) in float32, then times the weight in the input's type.</summary>
public sealed class RmsNorm : Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")] private readonly Parameter _weight; // (C)
    private readonly Scalar _eps;
    private readonly double _epsilon;
    private readonly long[] _lastDimension = [-1];

    /// <summary>Creates the norm over the last dimension.</summary>
    public RmsNorm(int width, double eps, ScalarType type, Device device) : base(nameof(RmsNorm))
    {
        _weight = Frozen.Parameter(type, device, width);
        (_eps, _epsilon) = (eps, eps);
        RegisterComponents();
    }

    /// <summary>(C).</summary>
    internal Tensor Weight => _weight;

    /// <summary>(..., C) to (..., C); on CUDA by libtorch's own kernel, which rounds once.</summary>
    public override Tensor forward(Tensor x) => x.device_type == DeviceType.CUDA ? Fused(x)
        : NarrowNorm.Fits(x, _weight) ? NarrowNorm.Apply(x, _weight, (float)_epsilon) : Plain(x);

    /// <summary>The same by libtorch's own operation: one kernel on CUDA, no faster than the plain way on a CPU, in bf16 slower.</summary>
    internal Tensor Fused(Tensor x) => Scripted.RmsNorm(x, _weight, _epsilon);

    /// <summary>The same by single operations.</summary>
    internal Tensor Plain(Tensor x)
    {
        using var scope = NewDisposeScope();
        var wide = x.to(ScalarType.Float32);
        var scale = wide.mul(wide).mean(_lastDimension, keepdim: true).Plus(_eps).rsqrt();
        return wide.mul(scale).to(x.dtype).mul(_weight).MoveToOuterDisposeScope();
    }
}
