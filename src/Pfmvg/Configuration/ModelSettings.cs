using System.ComponentModel.DataAnnotations;
using Pfmvg.Models;

namespace Pfmvg.Configuration;

/// <summary>Sizes of the model.</summary>
public sealed record ModelSettings
{
    /// <summary>Side of the square picture in pixels.</summary>
    [Range(1, 4096)] public int ImageSize { get; init; } = 448;

    /// <summary>Neighbouring patch tokens joined into one visual token.</summary>
    [Range(1, 1024)] public int Concat { get; init; } = 4;

    /// <summary>Which neighbours they are: consecutive ones of a row, as published, or those of a square of patches.</summary>
    public TokenJoin Join { get; init; }

    /// <summary>EVA ViT.</summary>
    public VisionSettings Vision { get; init; } = new();

    /// <summary>LLaMA.</summary>
    public LanguageSettings Language { get; init; } = new();

    /// <summary>Low-rank adapter.</summary>
    public LoraSettings Lora { get; init; } = new();
}

/// <summary>Sizes of the EVA ViT.</summary>
public sealed record VisionSettings
{
    /// <summary>Side of a patch in pixels.</summary>
    [Range(1, 4096)] public int PatchSize { get; init; } = 14;

    /// <summary>Width of a patch token.</summary>
    [Range(1, 1 << 20)] public int Width { get; init; } = 1408;

    /// <summary>Blocks.</summary>
    [Range(1, 10000)] public int Depth { get; init; } = 39;

    /// <summary>Attention heads.</summary>
    [Range(1, 1 << 16)] public int Heads { get; init; } = 16;

    /// <summary>Hidden width of the MLP.</summary>
    [Range(1, 1 << 20)] public int MlpHidden { get; init; } = 6144;
}

/// <summary>Sizes of the LLaMA model.</summary>
public sealed record LanguageSettings
{
    /// <summary>Tokens; 0 takes the tokenizer's number.</summary>
    [Range(0, 1 << 24)] public int Vocabulary { get; init; } = 32000;

    /// <summary>Width of a token.</summary>
    [Range(1, 1 << 20)] public int HiddenSize { get; init; } = 4096;

    /// <summary>Decoder layers.</summary>
    [Range(1, 10000)] public int Layers { get; init; } = 32;

    /// <summary>Attention heads.</summary>
    [Range(1, 1 << 16)] public int Heads { get; init; } = 32;

    /// <summary>Hidden width of the gated MLP.</summary>
    [Range(1, 1 << 20)] public int IntermediateSize { get; init; } = 11008;

    /// <summary>Epsilon of the RMS norms.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)] public double RmsNormEps { get; init; } = 1e-5;

    /// <summary>
    /// Hold the frozen linear layers as int8 with a scale per row: half the memory of bfloat16, slightly other numbers.
    /// Training on CUDA then always recomputes.
    /// </summary>
    public bool Quantized { get; init; }

    /// <summary>Base of the rotary embedding.</summary>
    [Range(1.0, double.MaxValue, MinimumIsExclusive = true)] public double RopeTheta { get; init; } = 10000;
}

/// <summary>The low-rank adapter of the language model: y = W x + (alpha / rank) B(A(dropout(x))).</summary>
public sealed record LoraSettings
{
    /// <summary>Rank.</summary>
    [Range(1, 1 << 16)] public int Rank { get; init; } = 64;

    /// <summary>Scale times rank.</summary>
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)] public double Alpha { get; init; } = 16;

    /// <summary>Probability that an input element is dropped in training.</summary>
    [Range(0.0, 1.0, MaximumIsExclusive = true)] public double Dropout { get; init; } = 0.05;

    /// <summary>Linear layers with an adapter; empty for a language model into which it is merged.</summary>
    [AllowedValues(ParameterNames.Query, ParameterNames.Key, ParameterNames.Value, ParameterNames.AttentionOutput, ParameterNames.Gate,
        ParameterNames.Up, ParameterNames.Down)]
    public IReadOnlyList<string> Targets { get; init; } = [ParameterNames.Query, ParameterNames.Value];
}
