namespace Pfmvg;

/// <summary>
/// What the model is asked for. A stage teaches a caption (stage 1) or the place of a phrase (stage 2); the other tasks of MiniGPT-v2's
/// template can be asked about single pictures.
/// </summary>
public enum SampleTask
{
    /// <summary>Image captioning, `[caption]`.</summary>
    Caption,

    /// <summary>Referring expression comprehension, `[refer]`.</summary>
    Refer,

    /// <summary>What lies in a box, `[identify]`.</summary>
    Identify,

    /// <summary>All boxes of a class, `[detection]`.</summary>
    Detection,

    /// <summary>A question in words, `[vqa]`.</summary>
    Vqa,

    /// <summary>A description whose phrases carry boxes, `[grounding]`.</summary>
    Grounding,
}
