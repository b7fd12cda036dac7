using Pfmvg.Models;
using Pfmvg.Models.Building;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>
/// The vision tower as a PyTorch user writes it, with libtorch's operations and its own fused attention; norms are in float32.
/// </summary>
internal sealed class PlainVision
{
    private const double NormEps = 1e-6;

    private readonly EvaConfig _sizes;
    private readonly ScalarType _type;
    private readonly List<Block> _blocks = [];
    private readonly Tensor _patch, _first, _places;

    /// <summary>Random weights, which belong to the caller's dispose scope.</summary>
    public PlainVision(Workbench bench)
    {
        using var quiet = no_grad();
        (_sizes, _type) = (bench.Sizes.Vision, bench.Type);
        var (width, inner, device) = (_sizes.Width, _sizes.MlpHidden, bench.Device);
        _patch = Made(width, 3 * _sizes.PatchSize * _sizes.PatchSize);
        (_first, _places) = (zeros([1, 1, width], _type, device), zeros([1, _sizes.Patches + 1, width], _type, device));
        for (var i = 0; i < _sizes.Depth; i++)
            _blocks.Add(new Block(Norm(), Made(3 * width, width), zeros(3 * width, _type, device), Made(width, width), Zeros(width),
                Norm(), Made(inner, width), Zeros(inner), Made(width, inner), Zeros(width)));

        Tensor Made(long outputs, long inputs) => RandomWeights.Values("plain", _type, [outputs, inputs], 1).to(device);

        Tensor Zeros(long size) => zeros(size, _type, device);

        (Tensor Weight, Tensor Bias) Norm() =>
            (ones(width, ScalarType.Float32, device), zeros(width, ScalarType.Float32, device));
    }

    /// <summary>One pass over pictures (B, 3, side, side).</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="work">FLOP that are counted for it.</param>
    public Limit Pass(Tensor images, double work) => new("plain libtorch", work, () =>
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var rows = images.shape[0];
        var cells = functional.unfold(images, _sizes.PatchSize, stride: _sizes.PatchSize).transpose(1, 2).contiguous().to(_type);
        var x = cat([_first.expand(rows, 1, _sizes.Width), functional.linear(cells, _patch)], 1) + _places;
        foreach (var block in _blocks) x = Run(x, block);
        if (x.device_type == DeviceType.CUDA) cuda.synchronize();
    });

    private Tensor Run(Tensor x, Block block)
    {
        var (rows, length, heads) = (x.shape[0], x.shape[1], _sizes.Heads);
        var parts = functional.linear(Norm(x, block.FirstNorm), block.Joint, block.JointBias)
            .view(rows, length, 3, heads, _sizes.Width / heads).permute(2, 0, 3, 1, 4).unbind(0);
        var mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2]).transpose(1, 2).reshape(x.shape);
        x = x + functional.linear(mixed, block.Output, block.OutputBias);
        var inner = functional.gelu(functional.linear(Norm(x, block.SecondNorm), block.Up, block.UpBias));
        return x + functional.linear(inner, block.Down, block.DownBias);
    }

    private Tensor Norm(Tensor x, (Tensor Weight, Tensor Bias) norm) =>
        functional.layer_norm(x.to(ScalarType.Float32), [_sizes.Width], norm.Weight, norm.Bias, NormEps).to(_type);

    private sealed record Block(
        (Tensor Weight, Tensor Bias) FirstNorm, Tensor Joint, Tensor JointBias, Tensor Output, Tensor OutputBias,
        (Tensor Weight, Tensor Bias) SecondNorm, Tensor Up, Tensor UpBias, Tensor Down, Tensor DownBias);
}
