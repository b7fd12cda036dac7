namespace Pfmvg.Pretraining.Scenes;

/// <summary>Capital letters that straight strokes can draw, on a grid of -1 to 1.</summary>
internal static class SceneLetters
{
    /// <summary>The letters, in the order of <see cref="SceneObject.Letter"/>.</summary>
    public const string Names = "AEFHKLMNTVXZ";

    private static readonly (float, float, float, float)[][] Strokes =
    [
        [(-1, 1, 0, -1), (0, -1, 1, 1), (-0.5f, 0.2f, 0.5f, 0.2f)],
        [(-1, -1, -1, 1), (-1, -1, 1, -1), (-1, 0, 0.6f, 0), (-1, 1, 1, 1)],
        [(-1, -1, -1, 1), (-1, -1, 1, -1), (-1, 0, 0.6f, 0)],
        [(-1, -1, -1, 1), (1, -1, 1, 1), (-1, 0, 1, 0)],
        [(-1, -1, -1, 1), (-1, 0.1f, 1, -1), (-0.4f, -0.2f, 1, 1)],
        [(-1, -1, -1, 1), (-1, 1, 1, 1)],
        [(-1, 1, -1, -1), (-1, -1, 0, 0.4f), (0, 0.4f, 1, -1), (1, -1, 1, 1)],
        [(-1, 1, -1, -1), (-1, -1, 1, 1), (1, 1, 1, -1)],
        [(-1, -1, 1, -1), (0, -1, 0, 1)],
        [(-1, -1, 0, 1), (0, 1, 1, -1)],
        [(-1, -1, 1, 1), (-1, 1, 1, -1)],
        [(-1, -1, 1, -1), (1, -1, -1, 1), (-1, 1, 1, 1)],
    ];

    /// <summary>Distance in pixels from the nearest stroke, for a letter with the half extents (a, b).</summary>
    public static float Distance(int letter, float u, float v, float a, float b)
    {
        var nearest = float.MaxValue;
        foreach (var (x1, y1, x2, y2) in Strokes[letter])
        {
            var (px, py, dx, dy) = (u - x1 * a, v - y1 * b, (x2 - x1) * a, (y2 - y1) * b);
            var along = Math.Clamp((px * dx + py * dy) / (dx * dx + dy * dy), 0, 1);
            var (rx, ry) = (px - along * dx, py - along * dy);
            nearest = Math.Min(nearest, rx * rx + ry * ry);
        }

        return MathF.Sqrt(nearest);
    }
}
