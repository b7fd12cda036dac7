using Pfmvg.Configuration;

namespace Pfmvg.Training.Footprint;

/// <summary>The settings that a plan chooses between.</summary>
/// <param name="Precision">Type of the frozen weights.</param>
/// <param name="Quantized">Whether the language model's linear layers are int8.</param>
/// <param name="Batch">Samples of a micro-step.</param>
/// <param name="Accumulate">Micro-steps of a step.</param>
/// <param name="Recompute">Whether layers are computed again in the backward pass.</param>
internal sealed record PlanChoice(Precision Precision, bool Quantized, int Batch, int Accumulate, bool Recompute);

/// <summary>Memory by its use, in bytes.</summary>
internal sealed record PlannedMemory
{
    /// <summary>Frozen weights by type.</summary>
    public required IReadOnlyDictionary<string, long> Frozen { get; init; }

    /// <summary>Trained weights.</summary>
    public required long Trained { get; init; }

    /// <summary>Gradients of the trained weights.</summary>
    public required long Gradients { get; init; }

    /// <summary>AdamW's two moments.</summary>
    public required long Moments { get; init; }

    /// <summary>Buffer that sums the gradients over processes, where it is in the device's memory.</summary>
    public required long Exchange { get; init; }

    /// <summary>What a process holds before the model.</summary>
    public required long Process { get; init; }

    /// <summary>Decoded pictures that stay for later epochs, where they are in the device's memory.</summary>
    public required long Pictures { get; init; }

    /// <summary>
    /// The largest of decoder, vision tower, optimizer step and the answers of a validation: they never run at the same time.
    /// </summary>
    public required long Working { get; init; }

    /// <summary>Freed pieces that nothing else fits into.</summary>
    public required long Allocator { get; init; }

    /// <summary>Frozen and trained weights.</summary>
    public long Weights => Frozen.Values.Sum() + Trained;

    /// <summary>Everything at once.</summary>
    public long Peak => Weights + Gradients + Moments + Exchange + Process + Pictures + Working + Allocator;
}
