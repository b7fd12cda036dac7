using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>Whose form an export has.</summary>
internal enum ExportFormat
{
    /// <summary>An adapter folder of Hugging Face's peft, with the projector in a file of its own.</summary>
    Peft,

    /// <summary>A LLaMA folder of Hugging Face's transformers with the adapters merged, vision tower and projector beside it.</summary>
    Hf,

    /// <summary>One checkpoint of the original code.</summary>
    MiniGptV2,
}

/// <summary>How peft names the two factors of an adapter within a model.</summary>
internal enum PeftNames
{
    /// <summary>`lora_A.weight`: peft 0.2, which MiniGPT-v2's environment pins.</summary>
    Plain,

    /// <summary>`lora_A.default.weight`: peft 0.3 and later.</summary>
    Named,
}

/// <summary>What is to be exported, and how.</summary>
internal sealed record ExportOptions
{
    /// <summary>The largest shard that transformers writes by default.</summary>
    public const long UsualShardBytes = 5_000_000_000;

    /// <summary>A finished training's folder, one of our checkpoints, one of the original code, or an adapter folder of peft.</summary>
    public required string From { get; init; }

    /// <summary>Whose form.</summary>
    public required ExportFormat Format { get; init; }

    /// <summary>The folder or, for <see cref="ExportFormat.MiniGptV2"/>, the file to write.</summary>
    public required string Output { get; init; }

    /// <summary>Type of the merged language model; null is the configured precision.</summary>
    public ScalarType? MergedType { get; init; }

    /// <summary>Largest file of the merged language model.</summary>
    public long MaxShardBytes { get; init; } = UsualShardBytes;

    /// <summary>The public name of the base model; null derives it from the folder's name where that tells.</summary>
    public string? BaseName { get; init; }

    /// <summary>Names of the adapters in a checkpoint of the original code.</summary>
    public PeftNames Names { get; init; }

    /// <summary>Loads what was written and compares its logits with those of the model that was exported.</summary>
    public bool Verify { get; init; }

    /// <summary>Replaces an earlier export.</summary>
    public bool Overwrite { get; init; }
}
