using System.Text.Json.Nodes;
using Pfmvg.Models.Bert;
using Pfmvg.Models.Building;
using Pfmvg.Models.Convolutional;
using Pfmvg.Text;
using Pfmvg.Weights;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Rivals;

/// <summary>Sizes of both models of a rival.</summary>
/// <param name="Image">The image model.</param>
/// <param name="Text">The text model.</param>
internal sealed record RivalSizes(BioVilSizes Image, BertConfig Text)
{
    /// <summary>The published sizes, all widths divided.</summary>
    /// <param name="rival">Which of the two.</param>
    /// <param name="shrink">Divides the widths: 1, 2, 4, 8, 16 or 32.</param>
    public static RivalSizes Published(Rival rival, int shrink = 1)
    {
        var network = ResNetConfig.ResNet50;
        return new RivalSizes(
            new BioVilSizes(new ResNetConfig(network.StemWidth / shrink,
                [.. network.Stages.Select(stage => (stage.Blocks, stage.Width / shrink, stage.Output / shrink))]),
                128 / shrink, rival == Rival.BioVilT ? 256 / shrink : 0),
            new BertConfig(30_522, 512, 768 / shrink, 12, 12, 3072 / shrink));
    }
}

/// <summary>
/// Writes random weights in the files of a rival as they are published: the same names, shapes and types, those that nothing here needs
/// included, to try and measure without the real ones.
/// </summary>
internal static class RandomRival
{
    private const int Classes = 1000; // of ImageNet, which the published networks still have a head for
    private const int PoolerBlocks = 3;

    /// <summary>Writes both models.</summary>
    /// <param name="folder">A new folder.</param>
    /// <param name="rival">Which of the two.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="seed">Every value is a function of the seed, the tensor's name and the place in it.</param>
    /// <param name="vocabulary">A vocab.txt to take; null writes one that spells every word by its characters.</param>
    /// <returns>The files that were written, without those of the tokenizer.</returns>
    /// <exception cref="InputException">The vocabulary is none, or longer than the model's.</exception>
    public static IReadOnlyList<string> Write(string folder, Rival rival, RivalSizes sizes, long seed, string? vocabulary)
    {
        var words = vocabulary is null ? null : WordPiece.Load(vocabulary);
        sizes = sizes with { Text = sizes.Text with { Vocabulary = words?.Size ?? sizes.Text.Vocabulary } };
        var text = Path.Combine(folder, rival == Rival.BioVil ? "BiomedVLP-CXR-BERT-specialized" : "BiomedVLP-BioViL-T");
        string[] files = [Path.Combine(folder, BioVilFiles.PublishedName(rival)), Path.Combine(text, "pytorch_model.bin")];
        TorchPickle.Write(files[0], ImagePlan(rival, sizes.Image), Value);
        TorchPickle.Write(files[1], TextPlan(rival, sizes.Text, sizes.Image.Joint), Value);
        AtomicFile.WriteText(Path.Combine(text, "config.json"), Configuration(sizes).ToJsonString(new() { WriteIndented = true }) + "\n");
        if (vocabulary is not null) File.Copy(vocabulary, Path.Combine(text, "vocab.txt"));
        else AtomicFile.WriteText(Path.Combine(text, "vocab.txt"), Spelling(sizes.Text.Vocabulary));
        return files;

        Tensor Value(TensorInfo info)
        {
            if (info.Type == ScalarType.Int64)
                return info.Shape.Length == 0 ? tensor(0L) : arange(info.Shape[^1], int64).unsqueeze(0);
            // A variance and the weight of any norm are 1, what is added is 0, all else keeps the scale of what it multiplies.
            if (info.Name.EndsWith(".running_var", StringComparison.Ordinal)
                || info.Shape.Length == 1 && info.Name.EndsWith(".weight", StringComparison.Ordinal)) return ones(info.Shape, float32);
            return RandomWeights.Values(info.Name, ScalarType.Float32, info.Shape, seed);
        }
    }

    /// <summary>The tensors of a published image model.</summary>
    public static IReadOnlyList<TensorInfo> ImagePlan(Rival rival, BioVilSizes sizes)
    {
        const string Network = "encoder.encoder.fc.";
        IReadOnlyList<TensorInfo> used = BioVilImage.Plan(sizes);
        return
        [
            .. used,
            .. used.Where(info => info.Name.EndsWith(".running_var", StringComparison.Ordinal)).Select(info => TensorInfo.Describe(
                info.Name.Replace(".running_var", ".num_batches_tracked", StringComparison.Ordinal), ScalarType.Int64)),
            Number(Network + "weight", Classes, sizes.Network.Features), Number(Network + "bias", Classes),
            .. rival == Rival.BioVil ? [] : Pooler(sizes.Reduced),
        ];
    }

    /// <summary>The tensors of a published text model.</summary>
    public static IReadOnlyList<TensorInfo> TextPlan(Rival rival, BertConfig config, long joint)
    {
        var width = config.Width;
        return
        [
            .. CxrBert.Plan(config, joint),
            TensorInfo.Describe("bert.embeddings.position_ids", ScalarType.Int64, 1, config.Positions),
            Number("cls.predictions.bias", config.Vocabulary), Number("cls.predictions.decoder.bias", config.Vocabulary),
            Number("cls.predictions.transform.dense.weight", width, width), Number("cls.predictions.transform.dense.bias", width),
            Number("cls.predictions.transform.LayerNorm.weight", width), Number("cls.predictions.transform.LayerNorm.bias", width),
            .. rival == Rival.BioVil ? [] : (TensorInfo[])[
                Number("bert.pooler.dense.weight", width, width), Number("bert.pooler.dense.bias", width)],
        ];
    }

    // What compares with an earlier picture, which is never there.
    private static IEnumerable<TensorInfo> Pooler(long width)
    {
        const string Prefix = "encoder.vit_pooler.";
        yield return Number(Prefix + "type_embed", 2, 1, width);
        foreach (var norm in Enumerable.Range(0, PoolerBlocks).SelectMany(i => new[] { $"blocks.{i}.norm1", $"blocks.{i}.norm2" })
            .Append("norm_post"))
            foreach (var part in (string[])["weight", "bias"]) yield return Number($"{Prefix}{norm}.{part}", width);
        foreach (var block in Enumerable.Range(0, PoolerBlocks).Select(i => $"{Prefix}blocks.{i}."))
        {
            foreach (var product in (string[])["attn.proj_q", "attn.proj_k", "attn.proj_v", "attn.proj", "mlp.fc1", "mlp.fc2"])
                yield return Number($"{block}{product}.weight", width, width);
            foreach (var product in (string[])["attn.proj", "mlp.fc1", "mlp.fc2"]) yield return Number($"{block}{product}.bias", width);
        }
    }

    private static TensorInfo Number(string name, params long[] shape) => TensorInfo.Describe(name, ScalarType.Float32, shape);

    private static JsonObject Configuration(RivalSizes sizes) => new()
    {
        ["architectures"] = new JsonArray("CXRBertModel"),
        ["hidden_act"] = "gelu",
        ["hidden_size"] = sizes.Text.Width,
        ["intermediate_size"] = sizes.Text.Hidden,
        ["layer_norm_eps"] = sizes.Text.NormEps,
        ["max_position_embeddings"] = sizes.Text.Positions,
        ["num_attention_heads"] = sizes.Text.Heads,
        ["num_hidden_layers"] = sizes.Text.Layers,
        ["position_embedding_type"] = "absolute",
        ["projection_size"] = sizes.Image.Joint,
        ["type_vocab_size"] = sizes.Text.Types,
        ["vocab_size"] = sizes.Text.Vocabulary,
    };

    // Special pieces, every printable character at the beginning of a word and inside one, and pieces that no text has.
    private static string Spelling(long size)
    {
        string[] special = [WordPiece.Pad, WordPiece.Unknown, WordPiece.Begin, WordPiece.End, WordPiece.Mask];
        var characters = Enumerable.Range(33, 94).Select(code => ((char)code).ToString()).ToList();
        var pieces = special.Concat(characters).Concat(characters.Select(c => "##" + c)).ToList();
        pieces.AddRange(Enumerable.Range(0, (int)size - pieces.Count).Select(i => $"[unused{i}]"));
        return string.Join('\n', pieces) + "\n";
    }
}
