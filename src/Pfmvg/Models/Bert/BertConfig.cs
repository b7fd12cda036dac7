using System.Text.Json;
using Pfmvg.Weights;

namespace Pfmvg.Models.Bert;

/// <summary>Sizes of a BERT encoder: those of its tensors, and from config.json what tensors do not tell.</summary>
/// <param name="Vocabulary">Pieces.</param>
/// <param name="Positions">Longest text in pieces.</param>
/// <param name="Width">Width of a piece.</param>
/// <param name="Layers">Layers.</param>
/// <param name="Heads">Attention heads.</param>
/// <param name="Hidden">Width between the two layers of the feed-forward part.</param>
/// <param name="Types">Token types, of which the first is used.</param>
/// <param name="NormEps">Epsilon of the layer norms.</param>
internal sealed record BertConfig(
    long Vocabulary, long Positions, long Width, int Layers, int Heads, long Hidden, long Types = 2, double NormEps = 1e-12)
{
    private const int LargestFile = 1 << 20;

    /// <summary>The sizes of a file's tensors; what does not fit together is found when they are loaded.</summary>
    /// <param name="configuration">config.json.</param>
    /// <param name="file">The weights.</param>
    /// <param name="prefix">What stands before transformers' names.</param>
    /// <exception cref="InputException">The files contradict each other, or describe something that is not computed here.</exception>
    public static BertConfig Read(string configuration, ITensorFile file, string prefix)
    {
        var json = JsonInput.File(configuration, "fetch the text model's folder again", LargestFile).Object();
        var (words, positions) = (Shape("embeddings.word_embeddings.weight"), Shape("embeddings.position_embeddings.weight"));
        var layers = 0;
        while (file.Tensors.ContainsKey($"{prefix}encoder.layer.{layers}.attention.self.query.weight")) layers++;
        if (layers == 0) throw Refusal.ForFile(file.Path, $"has no {prefix}encoder.layer.0", "name the folder of a BERT model");
        var hidden = Shape("encoder.layer.0.intermediate.dense.weight");
        var types = Shape("embeddings.token_type_embeddings.weight");
        var (width, heads) = (words[1], Number("num_attention_heads") ?? throw Wrong("num_attention_heads is missing"));
        foreach (var (key, size) in ((string, long)[])[("hidden_size", width), ("vocab_size", words[0]), ("num_hidden_layers", layers),
            ("intermediate_size", hidden[0]), ("max_position_embeddings", positions[0]), ("type_vocab_size", types[0])])
            if (Number(key) is { } stated && stated != size)
                throw Wrong(FormattableString.Invariant($"{key} is {stated}, but the tensors of {file.Path} have {size}"));
        if (heads != Math.Floor(heads) || heads > width || width % heads != 0)
            throw Wrong(FormattableString.Invariant($"num_attention_heads is {heads}, which does not divide hidden_size {width}"));
        if (Text("hidden_act") is { } activation and not "gelu")
            throw Wrong($"hidden_act is {Refusal.Show(activation)}, which is not computed here (gelu)");
        if (Text("position_embedding_type") is { } kind and not "absolute")
            throw Wrong($"position_embedding_type is {Refusal.Show(kind)}, which is not computed here (absolute)");
        return new BertConfig(words[0], positions[0], width, layers, (int)heads, hidden[0], types[0], Number("layer_norm_eps") ?? 1e-12);

        long[] Shape(string name) => file.Tensors.TryGetValue(prefix + name, out var info) && info.Shape is [>= 1, >= 1] ? info.Shape
            : throw Refusal.ForFile(file.Path, $"has no matrix {prefix}{name}", "name the folder of a BERT model");

        InputException Wrong(string what) => Refusal.ForFile(configuration, what, "fetch config.json and weights of one model");

        string? Text(string key) => json.Find(key)?.ToString();

        double? Number(string key) => Text(key) is not { } text ? null
            : json.Find(key) is { ValueKind: JsonValueKind.Number } value && value.GetDouble() is > 0 and var number ? number
            : throw Wrong($"{key} is {Refusal.Show(text)}, not a positive number");
    }
}
