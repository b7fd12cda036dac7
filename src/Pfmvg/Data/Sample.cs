using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Pfmvg.Geometry;

namespace Pfmvg.Data;

/// <summary>One line of a manifest: a picture, its text and, for grounding, its boxes.</summary>
public sealed record Sample
{
    /// <summary>Unique within the manifest and stable from run to run.</summary>
    public required string Id { get; init; }

    /// <summary>What is asked.</summary>
    public required SampleTask Task { get; init; }

    /// <summary>Path of the picture, relative to the manifest's image root with '/' separators.</summary>
    public required string Image { get; init; }

    /// <summary>Width of the original picture in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Height of the original picture in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>The phrase to ground, or the caption, as the data set has it.</summary>
    public required string Text { get; init; }

    /// <summary>True boxes in original pixels; empty for captions, and for a phrase that names nothing to be seen.</summary>
    public IReadOnlyList<Box> Boxes { get; init; } = [];

    /// <summary>Finding class, for example "Pneumothorax"; null for captions.</summary>
    public string? Class { get; init; }

    /// <summary>Patient identifier; null when the data set has none.</summary>
    public string? Patient { get; init; }

    /// <summary>Study identifier; null when the data set has none.</summary>
    public string? Study { get; init; }

    /// <summary>Name of the data set, for example "ms-cxr".</summary>
    public required string Source { get; init; }

    /// <summary>SHA-256 of the picture's file in lower-case hex; null when it was not read.</summary>
    public string? Sha256 { get; init; }

    /// <summary>A program drew the picture: scores on it are not clinical scores.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public bool Synthetic { get; init; }

    /// <summary>The data set says that the phrase names nothing in the picture, so it has no box: "the heart is normal".</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public bool Normal { get; init; }

    /// <summary>The picture is a DICOM file: `data.dicom` decides how its values become gray.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public bool Dicom { get; init; }

    /// <summary>
    /// Of a text that is a description of the picture its phrases in order, each with how many of <see cref="Boxes"/> are its own; no part
    /// of a manifest.
    /// </summary>
    internal IReadOnlyList<(string Phrase, int Boxes)> Phrases { get; init; } = [];

    /// <summary>
    /// An identifier that may be shared where patients' and pictures' names must not: the first 16 hex digits of the SHA-256 of
    /// the picture's file name, a line end and the text. Boxes of one phrase have the same.
    /// </summary>
    public string ShareableId => Convert.ToHexStringLower(
        SHA256.HashData(Encoding.UTF8.GetBytes($"{Path.GetFileName(Image)}\n{Text}")))[..16];
}
