namespace Pfmvg.Configuration;

/// <summary>Paths of the base weights.</summary>
public sealed record WeightSettings
{
    /// <summary>EVA ViT checkpoint.</summary>
    public string Vision { get; init; } = "weights/eva_vit_g.pth";

    /// <summary>Hugging Face folder of the LLaMA model, with its tokenizer.model.</summary>
    public string Language { get; init; } = "weights/Llama-2-7b-chat-hf";

    /// <summary>
    /// MiniGPT-v2 checkpoint, or adapter folder of peft, that stage 1 starts from; null for a fresh projector and adapter.
    /// </summary>
    public string? Start { get; init; } = "weights/minigptv2_checkpoint.pth";

    /// <summary>Leaves out trained tensors of a file that the model has no place for, and says so, instead of refusing the file.</summary>
    public bool IgnoreUnplaced { get; init; }

    /// <summary>Whether frozen weights that are stored in the model's precision are used on the files' own pages, without a copy.</summary>
    public bool Map { get; init; } = true;
}
