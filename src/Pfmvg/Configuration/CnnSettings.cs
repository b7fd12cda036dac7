using System.ComponentModel.DataAnnotations;

namespace Pfmvg.Configuration;

/// <summary>The plain network that our own model is compared with. `stage2` is how it is trained.</summary>
public sealed record CnnSettings
{
    /// <summary>Side of the square picture in pixels; a multiple of 8.</summary>
    [Range(32, 1024)] public int ImageSize { get; init; } = 112;

    /// <summary>Channels of the last feature map, whose side is an eighth of the picture's; a multiple of 32.</summary>
    [Range(32, 4096)] public int Width { get; init; } = 128;

    /// <summary>Residual blocks of two convolutions each, which the phrase modulates.</summary>
    [Range(1, 100)] public int Blocks { get; init; } = 3;

    /// <summary>Width of the phrase's representation.</summary>
    [Range(1, 1 << 16)] public int WordWidth { get; init; } = 128;

    /// <summary>Weight of the summed distance of the edges, in shares of the picture.</summary>
    [Range(0.0, 1e6)] public double EdgeWeight { get; init; } = 5;

    /// <summary>Weight of 1 - generalized IoU.</summary>
    [Range(0.0, 1e6)] public double GiouWeight { get; init; } = 2;

    /// <summary>Weight of the loss that draws attention into the box.</summary>
    [Range(0.0, 1e6)] public double AttentionWeight { get; init; } = 1;
}
