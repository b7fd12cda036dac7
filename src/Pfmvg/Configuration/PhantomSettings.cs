using System.ComponentModel.DataAnnotations;

namespace Pfmvg.Configuration;

/// <summary>A synthetic study; its scores are not clinical scores.</summary>
public sealed record PhantomSettings
{
    /// <summary>Seed of the study and of the random base weights.</summary>
    [Range(0, int.MaxValue)] public int Seed { get; init; } = 7;

    /// <summary>Patients.</summary>
    [Range(10, 1_000_000)] public int Patients { get; init; } = 60;

    /// <summary>Where base weights come from when the configured files are absent.</summary>
    public PhantomBase Base { get; init; } = PhantomBase.Random;
}

/// <summary>Base weights for a phantom study.</summary>
public enum PhantomBase
{
    /// <summary>Random ones of the configured sizes: the chain runs, but nothing was learned before.</summary>
    Random,

    /// <summary>
    /// The tiny base that comes with the program, pre-trained on generic scenes (`pfmvg pretrain`); it has the sizes of
    /// configs/tiny.yaml.
    /// </summary>
    Pretrained,
}
