namespace Pfmvg;

/// <summary>What the model is asked for, and so what a stage teaches: a caption (stage 1) or the place of a phrase (stage 2).</summary>
public enum SampleTask
{
    /// <summary>Image captioning, `[caption]`.</summary>
    Caption,

    /// <summary>Referring expression comprehension, `[refer]`.</summary>
    Refer,
}
