using System.Text.Json;

namespace Pfmvg.Models;

/// <summary>Sizes of the EVA vision transformer as BLIP-2 uses it (ViT-G without its last block).</summary>
/// <param name="ImageSize">Side of the square input in pixels.</param>
/// <param name="PatchSize">Side of a patch in pixels; divides the image size.</param>
/// <param name="Width">V, the width of a token.</param>
/// <param name="Depth">Number of blocks.</param>
/// <param name="Heads">Number of attention heads; divides the width.</param>
/// <param name="MlpHidden">Hidden width of the MLP; int(width x 4.3637) in EVA ViT-G.</param>
public sealed record EvaConfig(int ImageSize, int PatchSize, int Width, int Depth, int Heads, int MlpHidden)
{
    /// <summary>Patches along one side.</summary>
    public int Grid => ImageSize / PatchSize;

    /// <summary>Number of patches, P.</summary>
    public int Patches => Grid * Grid;
}

/// <summary>
/// Sizes of the LLaMA-2 decoder, named as in Hugging Face's config.json, and whether its linear layers are held in memory as
/// int8 with a scale per row (files always hold floating types).
/// </summary>
public sealed record LlamaConfig(
    int VocabularySize, int HiddenSize, int Layers, int Heads, int IntermediateSize, double RmsNormEps = 1e-5, double RopeTheta = 10000,
    bool Quantized = false)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>D, the width of one attention head.</summary>
    public int HeadSize => HiddenSize / Heads;

    /// <summary>Input and output width of a projection of a layer, such as "q_proj" or "down_proj".</summary>
    public (int Inputs, int Outputs) Projection(string name) => name switch
    {
        ParameterNames.Gate or ParameterNames.Up => (HiddenSize, IntermediateSize),
        ParameterNames.Down => (IntermediateSize, HiddenSize),
        _ => (HiddenSize, HiddenSize),
    };

    /// <summary>Reads Hugging Face's config.json of a LLaMA folder.</summary>
    /// <exception cref="InputException">The file is absent or broken, a size is missing, or the model is not a plain LLaMA-2.</exception>
    public static LlamaConfig FromHuggingFace(string folder)
    {
        var config = HuggingFaceConfig.Find(folder)
            ?? throw new InputException($"{folder}: has no config.json; give a folder with a Hugging Face LLaMA model.");
        return new LlamaConfig(Size("vocab_size"), Size("hidden_size"), Size("num_hidden_layers"), Size("num_attention_heads"),
            Size("intermediate_size"), config["rms_norm_eps"] ?? 1e-6, config["rope_theta"] ?? 10000);

        int Size(string key) => config[key] is { } number && number == Math.Floor(number) && number <= int.MaxValue
            ? (int)number
            : throw new InputException(
                $"{config.Path}: '{key}' is missing or not a whole number; the folder must hold a Hugging Face LLaMA model.");
    }

    /// <summary>The config.json that <see cref="FromHuggingFace"/> reads.</summary>
    public string ToHuggingFace() => JsonSerializer.Serialize(
        new SortedDictionary<string, object>(StringComparer.Ordinal)
        {
            ["architectures"] = new[] { "LlamaForCausalLM" },
            ["bos_token_id"] = 1,
            ["eos_token_id"] = 2,
            ["hidden_act"] = "silu",
            ["hidden_size"] = HiddenSize,
            ["intermediate_size"] = IntermediateSize,
            ["model_type"] = "llama",
            ["num_attention_heads"] = Heads,
            ["num_hidden_layers"] = Layers,
            ["num_key_value_heads"] = Heads,
            ["rms_norm_eps"] = RmsNormEps,
            ["rope_theta"] = RopeTheta,
            ["tie_word_embeddings"] = false,
            ["torch_dtype"] = "float16",
            ["vocab_size"] = VocabularySize,
        },
        Indented);
}

/// <summary>Low-rank adaptation (LoRA) of attention projections.</summary>
/// <param name="Rank">r, the inner width.</param>
/// <param name="Alpha">The update is scaled by alpha / r.</param>
/// <param name="Dropout">Probability of zeroing an input of the update while training.</param>
/// <param name="Targets">Adapted projections, for example q_proj and v_proj.</param>
public sealed record LoraConfig(int Rank, double Alpha, double Dropout, IReadOnlyList<string> Targets)
{
    /// <summary>alpha / r.</summary>
    public double Scale => Alpha / Rank;
}

/// <summary>All sizes of the grounding model.</summary>
/// <param name="Vision">The frozen vision tower.</param>
/// <param name="Concat">How many neighbouring patch tokens are joined into one visual token; divides the patches.</param>
/// <param name="Language">The frozen language model.</param>
/// <param name="Lora">Its trainable adapters.</param>
/// <param name="Join">Which neighbours they are; of no meaning where nothing is joined.</param>
public sealed record GroundingConfig(
    EvaConfig Vision, int Concat, LlamaConfig Language, LoraConfig Lora, TokenJoin Join = TokenJoin.Row)
{
    /// <summary>Whether a box is read off the hidden state behind the prompt, beside the text.</summary>
    public bool BoxHead { get; init; }

    /// <summary>N, the number of visual tokens of a picture.</summary>
    public int VisualTokens => Vision.Patches / Concat;

    /// <summary>Width of a visual token before the projector.</summary>
    public int FeatureWidth => Vision.Width * Concat;

    /// <summary>The same model with all weights in floating point, as files have them.</summary>
    public GroundingConfig InFloatingPoint => this with { Language = Language with { Quantized = false } };

    /// <summary>Number of trained values: projector, adapters and box head.</summary>
    public long TrainedParameters => (FeatureWidth + 1L) * Language.HiddenSize
        + (BoxHead ? (Language.HiddenSize + 1L) * (Language.HiddenSize + 4) : 0) + Language.Layers * Lora.Targets.Sum(AdapterParameters);

    private long AdapterParameters(string target)
    {
        var (inputs, outputs) = Language.Projection(target);
        return (long)Lora.Rank * (inputs + outputs);
    }
}

/// <summary>Which neighbouring patch tokens become one visual token.</summary>
public enum TokenJoin
{
    /// <summary>Consecutive ones in row-major order, as published.</summary>
    Row,

    /// <summary>Those of a square of patches, its rows one after the other.</summary>
    Square,
}
