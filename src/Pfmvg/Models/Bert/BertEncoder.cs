using Pfmvg.Models.Layers;
using Pfmvg.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Bert;

/// <summary>
/// BERT as transformers has it, without dropout, for texts of one length: token type 0, norms behind the sums, exact GELU. Letters: B
/// texts, T pieces, W width, H heads.
/// </summary>
internal sealed class BertEncoder
{
    private readonly Tensor _words, _positions;
    private readonly LoadedNorm _norm;
    private readonly List<Layer> _layers;

    /// <summary>Takes its weights.</summary>
    public BertEncoder(BertConfig config, PlannedWeights weights, string prefix)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var embeddings = $"{prefix}embeddings.";
        _words = weights.Keep(weights[$"{embeddings}word_embeddings.weight"]);
        _positions = weights.Keep(weights[$"{embeddings}position_embeddings.weight"]
            + weights[$"{embeddings}token_type_embeddings.weight"].narrow(0, 0, 1));
        _norm = new LoadedNorm(weights, $"{embeddings}LayerNorm", config.NormEps);
        _layers = [.. Enumerable.Range(0, config.Layers).Select(i => new Layer(config, weights, $"{prefix}encoder.layer.{i}."))];
    }

    /// <summary>The tensors of such an encoder.</summary>
    public static IEnumerable<TensorInfo> Plan(BertConfig config, string prefix)
    {
        var (width, embeddings) = (config.Width, $"{prefix}embeddings.");
        yield return Matrix($"{embeddings}word_embeddings", config.Vocabulary);
        yield return Matrix($"{embeddings}position_embeddings", config.Positions);
        yield return Matrix($"{embeddings}token_type_embeddings", config.Types);
        foreach (var info in LoadedNorm.Plan($"{embeddings}LayerNorm", width)) yield return info;
        for (var i = 0; i < config.Layers; i++)
            foreach (var info in Layer.Plan(config, $"{prefix}encoder.layer.{i}."))
                yield return info;

        TensorInfo Matrix(string name, long rows) => TensorInfo.Describe($"{name}.weight", ScalarType.Float32, rows, width);
    }

    /// <summary>Ids (B, T) to states (B, T, W).</summary>
    /// <param name="ids">int64.</param>
    /// <param name="observe">Is shown the embeddings and every layer's states.</param>
    public Tensor Forward(Tensor ids, Action<Tensor>? observe = null)
    {
        using var scope = NewDisposeScope();
        var words = _words.index_select(0, ids.flatten()).view(ids.shape[0], ids.shape[1], -1);
        var x = _norm.Forward(words + _positions.narrow(0, 0, ids.shape[1]));                               // (B, T, W)
        observe?.Invoke(x);
        foreach (var layer in _layers)
        {
            var next = layer.Forward(x);
            observe?.Invoke(next);
            x.Dispose();
            x = next;
        }

        return x.MoveToOuterDisposeScope();
    }

    private sealed class Layer
    {
        private readonly LoadedLinear _input, _output, _up, _down;
        private readonly LoadedNorm _attentionNorm, _outputNorm;
        private readonly int _heads;

        public Layer(BertConfig config, PlannedWeights weights, string prefix)
        {
            _input = new LoadedLinear(weights, [.. Parts.Select(part => $"{prefix}attention.self.{part}")]); // in one product
            _output = new LoadedLinear(weights, $"{prefix}attention.output.dense");
            _attentionNorm = new LoadedNorm(weights, $"{prefix}attention.output.LayerNorm", config.NormEps);
            _up = new LoadedLinear(weights, $"{prefix}intermediate.dense");
            _down = new LoadedLinear(weights, $"{prefix}output.dense");
            _outputNorm = new LoadedNorm(weights, $"{prefix}output.LayerNorm", config.NormEps);
            _heads = config.Heads;
        }

        private static readonly string[] Parts = ["query", "key", "value"];

        public static IEnumerable<TensorInfo> Plan(BertConfig config, string prefix) =>
        [
            .. Parts.SelectMany(part => LoadedLinear.Plan($"{prefix}attention.self.{part}", config.Width, config.Width)),
            .. LoadedLinear.Plan($"{prefix}attention.output.dense", config.Width, config.Width),
            .. LoadedNorm.Plan($"{prefix}attention.output.LayerNorm", config.Width),
            .. LoadedLinear.Plan($"{prefix}intermediate.dense", config.Width, config.Hidden),
            .. LoadedLinear.Plan($"{prefix}output.dense", config.Hidden, config.Width),
            .. LoadedNorm.Plan($"{prefix}output.LayerNorm", config.Width),
        ];

        public Tensor Forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var (batch, length, width) = (x.shape[0], x.shape[1], x.shape[2]);
            var parts = _input.Forward(x).view(batch, length, 3, _heads, width / _heads).permute(2, 0, 3, 1, 4);
            var mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2]);               // (B, H, T, W / H)
            var attended = _attentionNorm.Forward(
                _output.Forward(mixed.transpose(1, 2).reshape(batch, length, width)).add_(x));
            return _outputNorm.Forward(_down.Forward(functional.gelu(_up.Forward(attended))).add_(attended)).MoveToOuterDisposeScope();
        }
    }
}
