using System.ComponentModel.DataAnnotations;

namespace Pfmvg.Configuration;

/// <summary>Settings of the pre-training that makes a small base from generic scenes. A step is one update of all weights.</summary>
public sealed record PretrainSettings
{
    /// <summary>Optimizer steps.</summary>
    [Range(1, int.MaxValue)] public int Steps { get; init; } = 4000;

    /// <summary>Workers of one thread each; every worker draws its own pictures and the gradients are averaged.</summary>
    [Range(1, 64)] public int Workers { get; init; } = 2;

    /// <summary>Pictures per worker and step.</summary>
    [Range(1, 4096)] public int Pictures { get; init; } = 24;

    /// <summary>Most phrases asked about one picture.</summary>
    [Range(1, 16)] public int Phrases { get; init; } = 4;

    /// <summary>Most objects in a picture.</summary>
    [Range(1, 16)] public int Objects { get; init; } = 6;

    /// <summary>Share of the steps whose pictures hold at most two objects.</summary>
    [Range(0.0, 1.0)] public double EasyShare { get; init; } = 0.15;

    /// <summary>Share of the pictures that are also captioned.</summary>
    [Range(0.0, 1.0)] public double CaptionShare { get; init; } = 0.2;

    /// <summary>Weight of the auxiliary losses (which object on which patch, which patch and which box is asked for); 0 for none.</summary>
    [Range(0.0, 100.0)] public double Auxiliary { get; init; } = 1;

    /// <summary>Learning rate of AdamW (embeddings, norms, biases, heads) after the warm-up.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)] public double Lr { get; init; } = 2e-3;

    /// <summary>Learning rate of Muon (the matrices of the blocks) after the warm-up; it follows the same schedule.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)] public double MuonLr { get; init; } = 0.015;

    /// <summary>Learning rate at the end of the cosine.</summary>
    [Range(0.0, 1.0)] public double MinLr { get; init; } = 2e-5;

    /// <summary>Steps of linear warm-up from zero.</summary>
    [Range(0, int.MaxValue)] public int WarmupSteps { get; init; } = 200;

    /// <summary>AdamW's decoupled decay.</summary>
    [Range(0.0, 10.0)] public double WeightDecay { get; init; } = 0.02;

    /// <summary>Largest norm of the whole gradient.</summary>
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)] public double ClipNorm { get; init; } = 1;

    /// <summary>Held-out pictures that are scored.</summary>
    [Range(1, 1 << 16)] public int HeldOut { get; init; } = 100;

    /// <summary>Steps between scores.</summary>
    [Range(1, int.MaxValue)] public int EvaluateEvery { get; init; } = 500;

    /// <summary>Steps between lines of the log.</summary>
    [Range(1, int.MaxValue)] public int LogEvery { get; init; } = 50;

    /// <summary>Steps between saved states that an interrupted run continues from.</summary>
    [Range(1, int.MaxValue)] public int SaveEvery { get; init; } = 500;
}
