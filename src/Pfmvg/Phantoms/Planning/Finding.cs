namespace Pfmvg.Phantoms.Planning;

/// <summary>The eight finding classes of MS-CXR, in the order of the paper's tables.</summary>
internal enum FindingClass
{
    /// <summary>Patchy blotches.</summary>
    Pneumonia,

    /// <summary>A dark rim without vessels behind a thin bright line.</summary>
    Pneumothorax,

    /// <summary>A dense, even field with sharp edges.</summary>
    Consolidation,

    /// <summary>A few parallel bands.</summary>
    Atelectasis,

    /// <summary>Streaky haze beside the hilum.</summary>
    Edema,

    /// <summary>A wide heart.</summary>
    Cardiomegaly,

    /// <summary>A round, hazy spot.</summary>
    LungOpacity,

    /// <summary>A bright base with a meniscus.</summary>
    PleuralEffusion,
}

/// <summary>The patient's side. The patient's left is the picture's right.</summary>
internal enum FindingSide
{
    /// <summary>Neither: the heart.</summary>
    None,

    /// <summary>The patient's right.</summary>
    Right,

    /// <summary>The patient's left.</summary>
    Left,

    /// <summary>Both lungs, one box each.</summary>
    Both,
}

/// <summary>Height in the lung.</summary>
internal enum FindingZone
{
    /// <summary>No particular zone.</summary>
    None,

    /// <summary>At the apex.</summary>
    Apical,

    /// <summary>Upper lung.</summary>
    Upper,

    /// <summary>Middle of the lung.</summary>
    Mid,

    /// <summary>Lower lung.</summary>
    Lower,

    /// <summary>At the base.</summary>
    Basal,
}

/// <summary>How large a finding is.</summary>
internal enum FindingSize
{
    /// <summary>Small or mild.</summary>
    Small,

    /// <summary>Moderate.</summary>
    Moderate,

    /// <summary>Large or severe.</summary>
    Large,
}

/// <summary>One finding of one picture; its exact place and appearance follow from the key.</summary>
/// <param name="Class">What it is.</param>
/// <param name="Side">Left, right or both.</param>
/// <param name="Zone">Height in the lung.</param>
/// <param name="Size">How large.</param>
/// <param name="Key">Seed of its shape.</param>
internal sealed record Finding(FindingClass Class, FindingSide Side, FindingZone Zone, FindingSize Size, long Key)
{
    /// <summary>The class as MS-CXR writes it, for example "Lung Opacity".</summary>
    public static string NameOf(FindingClass finding) => finding switch
    {
        FindingClass.LungOpacity => "Lung Opacity",
        FindingClass.PleuralEffusion => "Pleural Effusion",
        _ => finding.ToString(),
    };

    /// <summary>The lungs that it lies in: one or both.</summary>
    internal IReadOnlyList<FindingSide> Lungs => Side == FindingSide.Both ? [FindingSide.Right, FindingSide.Left] : [Side];
}
