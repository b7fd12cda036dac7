using Pfmvg.Tensors;
using Pfmvg.Models.Layers;
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

    /// <summary>The weights themselves, for <see cref="DecoderStep"/>.</summary>
    internal LlamaWeights Weights => new([.. Layers.Select(layer => layer.Weights)], _decoder.NormWeight, _head.Weights);

    /// <summary>(W, C).</summary>
    internal Tensor EmbeddingWeight => _decoder.EmbeddingWeight;

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

        public Tensor NormWeight => _norm.Weight;

        public Tensor EmbeddingWeight => _embedding.Weight;

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

        public Tensor Weight => _weight;

        public override Tensor forward(Tensor ids)
        {
            using var scope = NewDisposeScope();
            var flat = ids.flatten();
            // Trained (in pre-training alone), the sum of a row's gradients must have an order, which only index_select's has.
            var rows = _weight.requires_grad ? _weight.index_select(0, flat) : _weight.Rows(flat);
            return rows.view(ids.shape[0], ids.shape[1], -1).MoveToOuterDisposeScope();
        }
    }
}
