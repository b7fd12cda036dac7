using Pfmvg.Geometry;

namespace Pfmvg.Phantoms.Drawing;

/// <summary>Regions of a frontal picture's anatomy, by Chest ImaGenome's names. Boxes are measured, as those of findings are.</summary>
internal static class Anatomy
{
    private const float Inside = 0.5f; // of a soft mask

    // Heights as shares of the way from the apex to the dome.
    private const float Apical = 0.2f, Upper = 0.4f, Mid = 0.7f;

    /// <summary>The regions in a fixed order, each with its box in whole pixels; one that is outside of the picture is left out.</summary>
    /// <param name="layers">What was drawn, findings included.</param>
    /// <param name="width">Width of the picture.</param>
    /// <param name="height">Height of the picture.</param>
    /// <param name="projection">The pose.</param>
    /// <param name="thorax">The chest.</param>
    public static IReadOnlyList<(string Name, Box Box)> Measure(
        ChestLayers layers, int width, int height, Projection projection, Thorax thorax)
    {
        var extents = new OrderedDictionary<string, (int Left, int Top, int Right, int Bottom)>();
        foreach (var side in (string[])["right", "left"])
            foreach (var name in (string[])["lung", "apical zone", "upper lung zone", "mid lung zone", "lower lung zone",
                "costophrenic angle", "hilar structures"])
                extents[$"{side} {name}"] = (width, height, -1, -1);
        foreach (var name in (string[])["cardiac silhouette", "upper mediastinum", "trachea"]) extents[name] = (width, height, -1, -1);
        var (apex, dome) = (thorax.Shape.Apex, thorax.Shape.Dome);
        var at = 0;
        for (var y = 0; y < height; y++)
        {
            var (u, v) = projection.ToChest(0.5f, y + 0.5f);
            for (var x = 0; x < width; x++, at++)
            {
                Point(x, y, u, v, layers.Lung[at] > Inside, layers.Heart[at] > Inside);
                u += projection.Across.U;
                v += projection.Across.V;
            }
        }

        return [.. extents.Where(region => region.Value.Right > region.Value.Left && region.Value.Bottom > region.Value.Top)
            .Select(region => (region.Key, new Box(region.Value.Left, region.Value.Top, region.Value.Right + 1, region.Value.Bottom + 1)))];

        void Point(int x, int y, float u, float v, bool isLung, bool isHeart)
        {
            if (isHeart) Add("cardiac silhouette");
            var (side, across, down) = (u < 0 ? "right" : "left", Math.Abs(u), (v - apex) / (dome - apex));
            if (isLung)
            {
                Add($"{side} lung");
                if (down < Apical) Add($"{side} apical zone");
                Add($"{side} {(down < Upper ? "upper" : down < Mid ? "mid" : "lower")} lung zone");
                if (across > 0.6f && v > dome + 0.06f) Add($"{side} costophrenic angle");
            }

            var (hx, hy) = ((across - 0.27f) / 0.13f, (v + 0.02f) / 0.20f);
            if (hx * hx + hy * hy < 1) Add($"{side} hilar structures");
            if (v > apex && v < -0.25f && thorax.At(v) is var row && u > -row.InnerRight && u < row.InnerLeft) Add("upper mediastinum");
            if (Math.Abs(u - 0.01f) < 0.06f && v > apex - 0.1f && v < -0.28f) Add("trachea");

            void Add(string name)
            {
                var (left, top, right, bottom) = extents[name];
                extents[name] = (Math.Min(left, x), Math.Min(top, y), Math.Max(right, x), Math.Max(bottom, y));
            }
        }
    }
}
