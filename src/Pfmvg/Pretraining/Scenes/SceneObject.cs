using Pfmvg.Geometry;

namespace Pfmvg.Pretraining.Scenes;

/// <summary>What an object of a generic scene looks like; the word in phrases is the name in lower case.</summary>
internal enum SceneShape
{
    /// <summary>Filled ellipse.</summary>
    Disc,

    /// <summary>Outline of an ellipse.</summary>
    Ring,

    /// <summary>Filled rectangle.</summary>
    Block,

    /// <summary>Outline of a rectangle.</summary>
    Frame,

    /// <summary>Triangle with a tip.</summary>
    Triangle,

    /// <summary>Rhombus.</summary>
    Diamond,

    /// <summary>Two bars that cross.</summary>
    Cross,

    /// <summary>Thin rectangle.</summary>
    Bar,

    /// <summary>Triangle with a right angle.</summary>
    Wedge,

    /// <summary>A disc with part of another one cut out.</summary>
    Crescent,

    /// <summary>Five points.</summary>
    Star,

    /// <summary>Smooth, uneven spot with a soft edge.</summary>
    Blob,

    /// <summary>Uneven spot of patches.</summary>
    Cloud,

    /// <summary>A few parallel bars.</summary>
    Bands,

    /// <summary>Thin lines that fan out.</summary>
    Streaks,

    /// <summary>Crossing thin lines.</summary>
    Grid,

    /// <summary>A field of points.</summary>
    Dots,

    /// <summary>Half an outline.</summary>
    Arc,

    /// <summary>The lower part of an ellipse under a concave surface, like a fluid in a bowl.</summary>
    Pool,

    /// <summary>A capital letter of strokes.</summary>
    Letter,
}

/// <summary>How the inside of an object looks.</summary>
internal enum SceneFinish
{
    /// <summary>Even.</summary>
    Plain,

    /// <summary>Waves of brightness.</summary>
    Striped,

    /// <summary>Random grains.</summary>
    Grainy,

    /// <summary>Fades from one side to the other.</summary>
    Shaded,

    /// <summary>A wide, soft edge.</summary>
    Soft,
}

/// <summary>One object of a scene; lengths in pixels.</summary>
internal sealed record SceneObject
{
    /// <summary>What it is.</summary>
    public required SceneShape Shape { get; init; }

    /// <summary>Which letter, for <see cref="SceneShape.Letter"/>: an index into <see cref="SceneLetters.Names"/>.</summary>
    public int Letter { get; init; }

    /// <summary>How its inside looks.</summary>
    public required SceneFinish Finish { get; init; }

    /// <summary>Centre before rotation.</summary>
    public required (float X, float Y) Center { get; init; }

    /// <summary>Half extents before rotation.</summary>
    public required (float A, float B) HalfExtent { get; init; }

    /// <summary>Rotation in radians.</summary>
    public required float Angle { get; init; }

    /// <summary>Added brightness, as a share of the range from black to white; negative is dark.</summary>
    public required float Contrast { get; init; }

    /// <summary>Seed of its details.</summary>
    public required long Key { get; init; }

    /// <summary>Bounding box of the pixels that it covers by half or more; set by the renderer.</summary>
    public Box Box { get; init; }

    /// <summary>True when it is brighter than what is behind it.</summary>
    public bool IsBright => Contrast > 0;

    /// <summary>True when it hardly differs from what is behind it.</summary>
    public bool IsFaint => Math.Abs(Contrast) < SceneSampler.FaintBelow;
}

/// <summary>A phrase about a scene, with the boxes of the objects that it means.</summary>
/// <param name="Text">The phrase.</param>
/// <param name="Boxes">Boxes in pixels.</param>
/// <param name="Target">Index of the object; -1 for a phrase about several.</param>
internal sealed record ScenePhrase(string Text, IReadOnlyList<Box> Boxes, int Target);

/// <summary>A generic scene: a gray picture and its ground truth.</summary>
/// <param name="Side">Side of the square picture in pixels.</param>
/// <param name="Pixels">Gray values, row by row.</param>
/// <param name="Owners">For each pixel the index of the object that covers it, or -1.</param>
/// <param name="Objects">The visible objects, in the order in which they were drawn.</param>
internal sealed record Scene(int Side, byte[] Pixels, sbyte[] Owners, IReadOnlyList<SceneObject> Objects);
