using Pfmvg.Models;
using Pfmvg.Models.Building;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>
/// The decoder as a PyTorch user writes it: one of libtorch's operations after another, its own fused attention, its own AdamW, and none
/// of our code. Frozen weights are in the model's type; adapters on the query and the value, norms, softmax and loss in float32. There is
/// no projector, no dropout and no recomputation, so it does a little less than ours.
/// </summary>
internal sealed class PlainDecoder
{
    private const double RotaryBase = 10000;

    private readonly LlamaConfig _sizes;
    private readonly ScalarType _type;
    private readonly List<Layer> _layers = [];
    private readonly List<Parameter> _trained = [];
    private readonly Tensor _norm, _head, _cos, _sin, _input;
    private readonly long _rows, _length;
    private readonly Scalar _eps, _two = 2;

    /// <summary>Random weights and inputs, which belong to the caller's dispose scope.</summary>
    /// <param name="bench">Sizes, type and device.</param>
    /// <param name="rows">B.</param>
    /// <param name="length">T.</param>
    public PlainDecoder(Workbench bench, long rows, long length)
    {
        using var quiet = no_grad();
        (_sizes, _type, _rows, _length, _eps) = (bench.Sizes.Language, bench.Type, rows, length, bench.Sizes.Language.RmsNormEps);
        var (width, inner, device, rank) = (_sizes.HiddenSize, _sizes.IntermediateSize, bench.Device, bench.Sizes.Lora.Rank);
        for (var i = 0; i < _sizes.Layers; i++)
            _layers.Add(new Layer(
                Made(width, width), Made(width, width), Made(width, width), Made(width, width),
                Made(inner, width), Made(inner, width), Made(width, inner), Ones(), Ones(), Adapter(), Adapter()));
        (_norm, _head) = (Ones(), Made(_sizes.VocabularySize, width));
        _input = randn(rows, length, width, device: device).to(_type);
        var half = _sizes.HeadSize / 2;
        float[] powers = [.. Enumerable.Range(0, half).Select(i => (float)Math.Pow(RotaryBase, -i / (double)half))];
        var frequencies = tensor(powers, device: device);
        var angle = outer(arange(length, ScalarType.Float32, device), frequencies);
        (_cos, _sin) = (cat([angle.cos(), angle.cos()], 1).to(_type), cat([angle.sin(), angle.sin()], 1).to(_type));

        Tensor Made(long outputs, long inputs) => RandomWeights.Values("plain", _type, [outputs, inputs], 1).to(device);

        Tensor Ones() => ones(width, _type, device);

        (Tensor Down, Tensor Up) Adapter()
        {
            var down = new Parameter(RandomWeights.Values("down", ScalarType.Float32, [rank, width], 1).to(device));
            var up = new Parameter(zeros(width, rank, ScalarType.Float32, device));
            _trained.AddRange([down, up]);
            return (down, up);
        }
    }

    /// <summary>A training step: forward pass, backward pass down to the input, AdamW.</summary>
    /// <param name="work">FLOP that are counted for it.</param>
    /// <param name="answers">Positions at the end of each row that have a loss.</param>
    public Limit Step(double work, int answers)
    {
        var targets = randint(_sizes.VocabularySize, [_rows * answers], device: _input.device);
        var optimizer = optim.AdamW(_trained, lr: 1e-9, weight_decay: 0.05);
        return new Limit("plain libtorch step", work, () =>
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var input = _input.detach().requires_grad_();
            var logits = functional.linear(Run(input).narrow(1, _length - answers, answers), _head);
            var loss = functional.cross_entropy(logits.to(ScalarType.Float32).reshape(-1, _sizes.VocabularySize), targets);
            loss.backward();
            optimizer.step();
            _ = loss.item<float>();
        });
    }

    /// <summary>The forward pass with the logits of the last position.</summary>
    /// <param name="work">FLOP that are counted for it.</param>
    public Limit Prefill(double work) => new("plain libtorch", work, () =>
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        functional.linear(Run(_input).narrow(1, _length - 1, 1), _head).to(ScalarType.Float32).cpu();
    });

    private Tensor Run(Tensor hidden)
    {
        foreach (var layer in _layers) hidden = Block(hidden, layer);
        return Norm(hidden, _norm);
    }

    private Tensor Block(Tensor x, Layer layer)
    {
        var y = Norm(x, layer.FirstNorm);
        var wide = y.to(ScalarType.Float32);
        var q = Rotate(Heads(Adapted(y, wide, layer.Query, layer.QueryAdapter)));
        var k = Rotate(Heads(functional.linear(y, layer.Key)));
        var v = Heads(Adapted(y, wide, layer.Value, layer.ValueAdapter));
        var mixed = functional.scaled_dot_product_attention(q, k, v, is_casual: true).transpose(1, 2).reshape(x.shape);
        x = x + functional.linear(mixed, layer.Output);
        y = Norm(x, layer.SecondNorm);
        return x + functional.linear(functional.silu(functional.linear(y, layer.Gate)) * functional.linear(y, layer.Up), layer.Down);
    }

    private Tensor Norm(Tensor x, Tensor weight)
    {
        var wide = x.to(ScalarType.Float32);
        return weight * (wide * (wide.pow(_two).mean([-1], keepdim: true) + _eps).rsqrt()).to(_type);
    }

    private Tensor Adapted(Tensor x, Tensor wide, Tensor weight, (Tensor Down, Tensor Up) adapter) =>
        functional.linear(x, weight) + functional.linear(functional.linear(wide, adapter.Down), adapter.Up).to(_type);

    private Tensor Heads(Tensor x) => x.view(_rows, _length, _sizes.Heads, _sizes.HeadSize).transpose(1, 2);

    private Tensor Rotate(Tensor x)
    {
        var halves = x.chunk(2, -1);
        return x * _cos + cat([-halves[1], halves[0]], -1) * _sin;
    }

    private sealed record Layer(
        Tensor Query, Tensor Key, Tensor Value, Tensor Output, Tensor Gate, Tensor Up, Tensor Down, Tensor FirstNorm, Tensor SecondNorm,
        (Tensor Down, Tensor Up) QueryAdapter, (Tensor Down, Tensor Up) ValueAdapter);
}
