using System.Text.Json.Nodes;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Golden;

/// <summary>The tiny model of the parity data, loaded through the program's own loader, in float32 on the device of the tests.</summary>
public sealed class ReferenceModel : IDisposable
{
    private readonly GroundingModel? _loaded; // not where the device is not there: a test that asks for it is skipped

    public ReferenceModel()
    {
        var sizes = Fixtures.Json("model.json");
        var vision = sizes["vision"]!;
        var lora = sizes["lora"]!;
        Config = new GroundingConfig(
            new EvaConfig(Size(vision, "image_size"), Size(vision, "patch_size"), Size(vision, "width"), Size(vision, "depth"),
                Size(vision, "heads"), Size(vision, "mlp_hidden")),
            Size(sizes, "concat"),
            LlamaConfig.FromHuggingFace(Language),
            new LoraConfig(Size(lora, "r"), lora["alpha"]!.GetValue<double>(), lora["dropout"]!.GetValue<double>(),
                [.. lora["targets"]!.AsArray().Select(t => t!.GetValue<string>())]));
        if (TestDevice.IsThere) _loaded = Load(Paths);
        Tokenizer = LlamaTokenizer.Load(Path.Combine(Language, "tokenizer.model"));
    }

    public static string Language => Path.Combine(
        Fixtures.Root, "weights", Path.GetDirectoryName(
        Fixtures.Json("model.json")["language"]!.GetValue<string>()!["weights/".Length..])!);

    public static WeightPaths Paths => new(
        Fixtures.Path("weights", "eva_vit_g.pth"), Language, Fixtures.Path("weights", "minigptv2_checkpoint.pth"));

    public GroundingConfig Config { get; }

    public GroundingModel Model => _loaded ?? Load(Paths);

    public LlamaTokenizer Tokenizer { get; }

    /// <summary>A copy of its own, for tests that train.</summary>
    public GroundingModel Load(WeightPaths paths) => ModelBuilder.Load(Config, paths, ScalarType.Float32, TestDevice.Here, seed: 1).Model;

    /// <summary>The two sides of a prompt as the parity data write it, with a mark at the picture's place.</summary>
    public static PromptSegments Segments(string prompt) => prompt.Split("<ImageHere>") switch
    {
        [var before, var after] => new PromptSegments(before, after),
        _ => throw new ArgumentException($"Not one picture in '{prompt}'.", nameof(prompt)),
    };

    /// <summary>Rows padded on the right with the pad piece to a length; targets and mask on the CPU.</summary>
    public (Tensor Ids, Tensor Targets, Tensor Mask) Pad(IReadOnlyList<TokenSequence> rows, int length)
    {
        var ids = full([rows.Count, length], Tokenizer.PadId, ScalarType.Int64);
        var targets = full([rows.Count, length], SequenceBuilder.NoTarget, ScalarType.Int64);
        var mask = zeros([rows.Count, length], ScalarType.Int64);
        for (var row = 0; row < rows.Count; row++)
            for (var i = 0; i < rows[row].Ids.Count; i++)
            {
                ids[row, i] = rows[row].Ids[i];
                targets[row, i] = rows[row].Targets[i];
                mask[row, i] = 1;
            }

        return (ids.ToTestDevice(), targets, mask);
    }

    /// <summary>The mask of the original's eager attention: causal, and padding hidden, with the type's most negative number.</summary>
    public static Tensor EagerMask(Tensor attention)
    {
        var length = attention.shape[1];
        var hidden = ones([length, length], ScalarType.Bool).triu(1).unsqueeze(0).unsqueeze(0).logical_or(
            attention.eq(0).view(-1, 1, 1, length));
        return zeros(hidden.shape).masked_fill(hidden, float.MinValue).ToTestDevice();
    }

    private static int Size(JsonNode node, string key) => node[key]!.GetValue<int>();

    public void Dispose() => _loaded?.Dispose();
}
