using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Language;

/// <summary>What the layers of one forward pass share.</summary>
/// <param name="Rotary">Rotations for the positions of the input.</param>
/// <param name="Mask">
/// Additive mask (B or 1, 1, T, K) in the model's type over the K keys; null means every position sees itself and all
/// earlier ones.
/// </param>
/// <param name="Cache">Keys and values of earlier positions; null when there are none to keep.</param>
public sealed record DecoderPass(Rotary Rotary, Tensor? Mask = null, KvCache? Cache = null);

/// <summary>
/// LLaMA-2 with Hugging Face's key names. Letters: B rows, T positions, C hidden width, H heads, D head size, W vocabulary.
/// Every weight is frozen; a projection may carry a trainable adapter, which only the factory knows.
/// </summary>
public sealed class Llama : Module<Tensor, DecoderPass, Tensor>
{
    [ComponentName(Name = "model")] private readonly LlamaDecoder _decoder;
    [ComponentName(Name = "lm_head")] private readonly FrozenLinear _head;

    /// <summary>Creates the model with uninitialised weights for a loader to fill.</summary>
    public Llama(LlamaConfig config, ProjectionFactory projection, ScalarType type, Device device) : base(nameof(Llama))
    {
        Config = config;
        Type = type;
        _decoder = new LlamaDecoder(config, projection, type, device);
        _head = new FrozenLinear(config.HiddenSize, config.VocabularySize, hasBias: false, type, device, config.Quantized);
        RegisterComponents();
    }

    /// <summary>Sizes of the model.</summary>
    public LlamaConfig Config { get; }

    /// <summary>Type of the weights and of the activations.</summary>
    public ScalarType Type { get; }

    /// <summary>The norm behind the last layer, and the projection to the vocabulary.</summary>
    internal (RmsNorm Norm, IProjection Head) End => (_decoder.Norm, _head);

    /// <summary>The decoder layers, for a backward pass layer by layer.</summary>
    public IReadOnlyList<LlamaLayer> Layers => _decoder.Layers;

    /// <summary>Token ids (B, T) to embeddings (B, T, C).</summary>
    public Tensor EmbedTokens(Tensor ids) => _decoder.EmbedTokens(ids);

    /// <summary>Embeddings (B, T, C) to the hidden state (B, T, C) after the final norm.</summary>
    public override Tensor forward(Tensor embeddings, DecoderPass pass) => Run(embeddings, pass, null);

    /// <summary>As <see cref="forward"/>; shows every layer's output to <paramref name="observe"/>.</summary>
    public Tensor Run(Tensor embeddings, DecoderPass pass, Action<int, Tensor>? observe)
    {
        using var scope = NewDisposeScope();
        var hidden = embeddings;
        for (var i = 0; i < Layers.Count; i++)
        {
            var next = Layers[i].call(hidden, pass);
            observe?.Invoke(i, next);
            if (i > 0 && !next.requires_grad) hidden.Dispose(); // without gradients only the newest activation is alive
            hidden = next;
        }

        pass.Cache?.Advance(embeddings.shape[1]);
        return FinalNorm(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>The norm behind the last layer: (..., C) to (..., C).</summary>
    public Tensor FinalNorm(Tensor hidden) => _decoder.FinalNorm(hidden);

    /// <summary>Hidden states (..., C) to logits (..., W) in float32.</summary>
    public Tensor Logits(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        return _head.call(hidden).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>The rotations for positions (B, T) or (T).</summary>
    public Rotary RotaryAt(Tensor positions) => Rotary.At(positions, Config.HeadSize, Config.RopeTheta, Type);

    private sealed class LlamaDecoder : Module
    {
        [ComponentName(Name = "embed_tokens")] private readonly TokenEmbedding _embedding;
        [ComponentName(Name = "layers")] private readonly ModuleList<LlamaLayer> _layers;
        [ComponentName(Name = "norm")] private readonly RmsNorm _norm;

        public LlamaDecoder(LlamaConfig config, ProjectionFactory projection, ScalarType type, Device device) : base(nameof(LlamaDecoder))
        {
            _embedding = new TokenEmbedding(config, type, device);
            _layers = new ModuleList<LlamaLayer>(
                [.. Enumerable.Range(0, config.Layers).Select(i => new LlamaLayer(config, i, projection, type, device))]);
            _norm = new RmsNorm(config.HiddenSize, config.RmsNormEps, type, device);
            Layers = [.. _layers];
            RegisterComponents();
        }

        public IReadOnlyList<LlamaLayer> Layers { get; }

        public Tensor EmbedTokens(Tensor ids) => _embedding.call(ids);

        public RmsNorm Norm => _norm;

        public Tensor FinalNorm(Tensor hidden) => _norm.call(hidden);
    }

    private sealed class TokenEmbedding : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "weight")] private readonly Parameter _weight; // (W, C)

        public TokenEmbedding(LlamaConfig config, ScalarType type, Device device) : base(nameof(TokenEmbedding))
        {
            _weight = Frozen.Parameter(type, device, config.VocabularySize, config.HiddenSize);
            RegisterComponents();
        }

        public override Tensor forward(Tensor ids)
        {
            using var scope = NewDisposeScope();
            return _weight.index_select(0, ids.flatten()).view(ids.shape[0], ids.shape[1], -1).MoveToOuterDisposeScope();
        }
    }
}

/// <summary>One decoder layer: attention and a gated MLP, each behind an RMSNorm and added to its input.</summary>
public sealed class LlamaLayer : Module<Tensor, DecoderPass, Tensor>
{
    [ComponentName(Name = "self_attn")] private readonly CausalSelfAttention _attention;
    [ComponentName(Name = "mlp")] private readonly GatedMlp _mlp;
    [ComponentName(Name = "input_layernorm")] private readonly RmsNorm _attentionNorm;
    [ComponentName(Name = "post_attention_layernorm")] private readonly RmsNorm _mlpNorm;

    internal LlamaLayer(LlamaConfig config, int index, ProjectionFactory projection, ScalarType type, Device device)
        : base(nameof(LlamaLayer))
    {
        _attention = new CausalSelfAttention(config, index, projection);
        _mlp = new GatedMlp(config, index, projection);
        _attentionNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, type, device);
        _mlpNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, type, device);
        RegisterComponents();
    }

    /// <summary>Norm, then the projections to query, key and value, then the one behind the attention.</summary>
    internal (RmsNorm Norm, IReadOnlyList<Module<Tensor, Tensor>> Inputs, Module<Tensor, Tensor> Output) Attention =>
        (_attentionNorm, _attention.Inputs, _attention.Output);

    /// <summary>Norm, then the projections to gate and values, then the one behind them.</summary>
    internal (RmsNorm Norm, IReadOnlyList<Module<Tensor, Tensor>> Inputs, Module<Tensor, Tensor> Output) Mlp =>
        (_mlpNorm, _mlp.Inputs, _mlp.Output);

    /// <summary>(B, T, C) to (B, T, C).</summary>
    public override Tensor forward(Tensor hidden, DecoderPass pass)
    {
        using var scope = NewDisposeScope();
        return Transform(Attend(hidden, pass)).MoveToOuterDisposeScope();
    }

    /// <summary>The first half: hidden + attention(norm(hidden)).</summary>
    internal Tensor Attend(Tensor hidden, DecoderPass pass)
    {
        using var scope = NewDisposeScope();
        return hidden.Plus(_attention.call(_attentionNorm.call(hidden), pass)).MoveToOuterDisposeScope();
    }

    /// <summary>The second half: attended + mlp(norm(attended)).</summary>
    internal Tensor Transform(Tensor attended)
    {
        using var scope = NewDisposeScope();
        return attended.Plus(_mlp.call(_mlpNorm.call(attended))).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The backward pass from the inputs of both halves alone. Each half is computed again up to its last projection, whose
    /// output no gradient needs: with the two inputs at hand that is three tenths of a layer's products less than all of it.
    /// </summary>
    /// <param name="hidden">The layer's input.</param>
    /// <param name="attended">What <see cref="Attend"/> made of it.</param>
    /// <param name="pass">As in the forward pass.</param>
    /// <param name="gradient">Of the loss with respect to the layer's output.</param>
    /// <returns>The gradient with respect to the input; adapters have got theirs.</returns>
    internal Tensor Backward(Tensor hidden, Tensor attended, DecoderPass pass, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var middle = Half(attended, gradient, x => _mlp.Gated(_mlpNorm.call(x)), _mlp.Output);
        return Half(hidden, middle, x => _attention.Mixed(_attentionNorm.call(x), pass), _attention.Output).MoveToOuterDisposeScope();

        static Tensor Half(Tensor input, Tensor gradient, Func<Tensor, Tensor> inner, Module<Tensor, Tensor> output)
        {
            using var scope = NewDisposeScope();
            var leaf = input.detach().requires_grad_();
            var last = inner(leaf);
            last.backward([OutputGradient(last, gradient, output)]);
            return gradient.Plus(leaf.grad!).MoveToOuterDisposeScope();
        }
    }

    // Of a frozen projection by one product; one with an adapter must run, so that the adapter gets its gradients.
    private static Tensor OutputGradient(Tensor input, Tensor gradient, Module<Tensor, Tensor> output)
    {
        using var scope = NewDisposeScope();
        if (output is FrozenLinear frozen)
        {
            using var quiet = no_grad();
            return frozen.InputGradient(gradient).MoveToOuterDisposeScope();
        }

        var leaf = input.detach().requires_grad_();
        output.call(leaf).backward([gradient]);
        return leaf.grad!.MoveToOuterDisposeScope();
    }
}

/// <summary>Multi-head self-attention with rotary positions; a position sees itself and earlier ones.</summary>
public sealed class CausalSelfAttention : Module<Tensor, DecoderPass, Tensor>
{
    [ComponentName(Name = "q_proj")] private readonly Module<Tensor, Tensor> _query;
    [ComponentName(Name = "k_proj")] private readonly Module<Tensor, Tensor> _key;
    [ComponentName(Name = "v_proj")] private readonly Module<Tensor, Tensor> _value;
    [ComponentName(Name = "o_proj")] private readonly Module<Tensor, Tensor> _output;
    private readonly int _heads, _headSize, _layer;

    internal CausalSelfAttention(LlamaConfig config, int layer, ProjectionFactory projection) : base(nameof(CausalSelfAttention))
    {
        _query = Projection("q_proj");
        _key = Projection("k_proj");
        _value = Projection("v_proj");
        _output = Projection("o_proj");
        (_heads, _headSize, _layer) = (config.Heads, config.HeadSize, layer);
        RegisterComponents();

        Module<Tensor, Tensor> Projection(string name) =>
            projection($"layers.{layer}.self_attn.{name}", config.HiddenSize, config.HiddenSize);
    }

    /// <summary>The projections to query, key and value.</summary>
    internal IReadOnlyList<Module<Tensor, Tensor>> Inputs => [_query, _key, _value];

    /// <summary>The projection behind the attention.</summary>
    internal Module<Tensor, Tensor> Output => _output;

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
        if (length > 1) (q, k, v, mask) = (q.ForProducts(), k.ForProducts(), v.ForProducts(), mask?.ForProducts());
        var mixed = functional.scaled_dot_product_attention(q, k, v, mask, is_casual: causal).to(hidden.dtype); // (B, H, T, D)
        return mixed.transpose(1, 2).reshape(batch, length, width).MoveToOuterDisposeScope();

        Tensor SplitHeads(Tensor x) => x.view(batch, length, _heads, _headSize).transpose(1, 2);
    }
}

/// <summary>down(silu(gate x) * up x).</summary>
internal sealed class GatedMlp : Module<Tensor, Tensor>
{
    [ComponentName(Name = "gate_proj")] private readonly Module<Tensor, Tensor> _gate;
    [ComponentName(Name = "up_proj")] private readonly Module<Tensor, Tensor> _up;
    [ComponentName(Name = "down_proj")] private readonly Module<Tensor, Tensor> _down;

    public GatedMlp(LlamaConfig config, int layer, ProjectionFactory projection) : base(nameof(GatedMlp))
    {
        _gate = projection($"layers.{layer}.mlp.gate_proj", config.HiddenSize, config.IntermediateSize);
        _up = projection($"layers.{layer}.mlp.up_proj", config.HiddenSize, config.IntermediateSize);
        _down = projection($"layers.{layer}.mlp.down_proj", config.IntermediateSize, config.HiddenSize);
        RegisterComponents();
    }

    /// <summary>The projections to gate and values.</summary>
    public IReadOnlyList<Module<Tensor, Tensor>> Inputs => [_gate, _up];

    /// <summary>The projection behind the gate.</summary>
    public Module<Tensor, Tensor> Output => _down;

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return _down.call(Gated(x)).MoveToOuterDisposeScope();
    }

    /// <summary>silu(gate x) * up x: (B, T, C) to (B, T, I).</summary>
    public Tensor Gated(Tensor x)
    {
        using var scope = NewDisposeScope();
        return functional.silu(_gate.call(x)).mul(_up.call(x)).MoveToOuterDisposeScope();
    }
}

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
        _eps = eps;
        _epsilon = eps;
        RegisterComponents();
    }

    /// <summary>The weight (C), and what is added to the mean square.</summary>
    internal (Tensor Weight, float Eps) Values => (_weight, (float)_epsilon);

    /// <summary>(..., C) to (..., C).</summary>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var wide = x.to(ScalarType.Float32);
        var scale = wide.mul(wide).mean(_lastDimension, keepdim: true).Plus(_eps).rsqrt();
        return wide.mul(scale).to(x.dtype).mul(_weight).MoveToOuterDisposeScope();
    }
}
