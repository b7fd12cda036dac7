using System.ComponentModel.DataAnnotations;

namespace Pfmvg.Configuration;

/// <summary>How pictures are prepared for BioViL and BioViL-T.</summary>
public sealed record RivalSettings
{
    /// <summary>Length of the shorter side in pixels.</summary>
    [Range(32, 8192)] public int Resize { get; init; } = 512;

    /// <summary>Side of the square that is cut from the middle; 0 is the model's own, 480 for BioViL and 448 for BioViL-T.</summary>
    [Range(0, 8192)] public int Crop { get; init; }
}
