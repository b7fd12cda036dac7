using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Language;

/// <summary>Multi-head self-attention with rotary positions; a position sees itself and earlier ones.</summary>
public sealed class CausalSelfAttention : Module<Tensor, DecoderPass, Tensor>
{
    [ComponentName(Name = ParameterNames.Query)] private readonly Projection _query;
    [ComponentName(Name = ParameterNames.Key)] private readonly Projection _key;
    [ComponentName(Name = ParameterNames.Value)] private readonly Projection _value;
    [ComponentName(Name = ParameterNames.AttentionOutput)] private readonly Projection _output;
    private readonly int _heads, _headSize, _layer;

    internal CausalSelfAttention(LlamaConfig config, int layer, ProjectionFactory projection) : base(nameof(CausalSelfAttention))
    {
        _query = Create(ParameterNames.Query);
        _key = Create(ParameterNames.Key);
        _value = Create(ParameterNames.Value);
        _output = Create(ParameterNames.AttentionOutput);
        (_heads, _headSize, _layer) = (config.Heads, config.HeadSize, layer);
        RegisterComponents();

        Projection Create(string name) =>
            projection($"layers.{layer}.self_attn.{name}", config.HiddenSize, config.HiddenSize);
    }

    /// <summary>The projection behind the heads.</summary>
    internal Projection Output => _output;

    /// <summary>The weights themselves, with those of the norm before them.</summary>
    internal AttentionWeights WeightsBehind(RmsNorm norm) =>
        new(norm.Weight, _query.Weights, _key.Weights, _value.Weights, _output.Weights);

    /// <summary>(B, T, C) to (B, T, C).</summary>
    public override Tensor forward(Tensor hidden, DecoderPass pass)
    {
        using var scope = NewDisposeScope();
        return _output.call(Mixed(hidden, pass)).MoveToOuterDisposeScope();
    }

    /// <summary>The heads' outputs side by side, before the last projection: (B, T, C) to (B, T, C).</summary>
    internal Tensor Mixed(Tensor hidden, DecoderPass pass)
    {
        using var scope = NewDisposeScope();
        var (batch, length, width) = (hidden.shape[0], hidden.shape[1], hidden.shape[2]);
        var q = pass.Rotary.Rotate(SplitHeads(_query.call(hidden)));                                      // (B, H, T, D)
        var k = pass.Rotary.Rotate(SplitHeads(_key.call(hidden)));                                        // (B, H, T, D)
        var v = SplitHeads(_value.call(hidden));                                                          // (B, H, T, D)
        if (pass.Cache is { } cache) (k, v) = cache.Append(_layer, k, v);                                 // (B, H, K, D)
        var causal = pass.Mask is null && length > 1;
        var mask = pass.Mask;
        var own = mask is null && length > 1 && FloatAttention.Fits(q, k, causal);
        if (length > 1 && !own) (q, k, v, mask) = (q.ForProducts(), k.ForProducts(), v.ForProducts(), mask?.ForProducts());
        var mixed = own ? FloatAttention.Attend(q, k, v, null, causal) : Attention(q, k, v, mask, causal).to(hidden.dtype); // (B, H, T, D)
        return mixed.transpose(1, 2).reshape(batch, length, width).MoveToOuterDisposeScope();

        Tensor SplitHeads(Tensor x) => x.view(batch, length, _heads, _headSize).transpose(1, 2);
    }

    // libtorch's own has no form for the meta device. There only shapes, types and devices count, and the mask of causality changes none.
    private static Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor? mask, bool causal)
    {
        if (q.device_type != DeviceType.META) return functional.scaled_dot_product_attention(q, k, v, mask, is_casual: causal);
        var scores = q.matmul(k.transpose(2, 3));
        return (mask is null ? scores : scores.Plus(mask)).softmax(3).to(v.dtype).matmul(v);
    }
}
