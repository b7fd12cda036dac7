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

    /// <summary>Also the regions of the pictures' anatomy, as the data set `chest-imagenome`: its phrases are beside MS-CXR's.</summary>
    public bool Anatomy { get; init; }

    /// <summary>The format of the pictures that the real data sets have as DICOM, too.</summary>
    public PhantomFormat Format { get; init; } = PhantomFormat.Usual;
}

/// <summary>The format of a phantom study's pictures.</summary>
public enum PhantomFormat
{
    /// <summary>The one that each data set is mostly used in: JPEG or PNG.</summary>
    Usual,

    /// <summary>DICOM where the real data set comes as DICOM, too: MIMIC-CXR's pictures and VinDr-CXR's. The others as usual.</summary>
    Dicom,
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
