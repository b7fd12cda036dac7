using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>
/// Where a square map of a few cells lies in its picture; outside of the square it says nothing (NaN in a map of the picture's size).
/// </summary>
/// <param name="Left">First column in pixels.</param>
/// <param name="Top">First row in pixels.</param>
/// <param name="Side">Columns and rows.</param>
/// <param name="Smooth">Values between the cells are interpolated linearly; otherwise each pixel has that of its cell.</param>
internal sealed record MapPlace(int Left, int Top, int Side, bool Smooth = false)
{
    /// <summary>The square.</summary>
    public Box Box => new(Left, Top, Left + Side, Top + Side);

    /// <summary>A map of cells at the size of its picture: float32, NaN outside of the square.</summary>
    public float[] Enlarge(ReadOnlySpan<float> cells, int rows, int columns, int width, int height)
    {
        var map = new float[(long)width * height];
        Array.Fill(map, float.NaN);
        var (down, across) = (Sources(rows), Sources(columns));
        for (var y = 0; y < Side; y++)
        {
            var (first, second, share) = down[y];
            var upper = cells.Slice(first * columns, columns);
            var lower = cells.Slice(second * columns, columns);
            var line = map.AsSpan((Top + y) * width + Left, Side);
            for (var x = 0; x < Side; x++)
            {
                var (left, right, part) = across[x];
                line[x] = !Smooth ? upper[left]
                    : (1 - share) * ((1 - part) * upper[left] + part * upper[right])
                        + share * ((1 - part) * lower[left] + part * lower[right]);
            }
        }

        return map;
    }

    /// <summary>Of each pixel along a side its cell, the next one and that one's share, as torch has them in float32.</summary>
    private (int First, int Second, float Share)[] Sources(int count)
    {
        var sources = new (int, int, float)[Side];
        var scale = (float)count / Side;
        for (var i = 0; i < Side; i++)
        {
            var place = Smooth ? Math.Max(0, scale * (i + 0.5f) - 0.5f) : i * scale;
            var first = Math.Min((int)place, count - 1);
            sources[i] = (first, Math.Min(first + 1, count - 1), Smooth ? place - first : 0);
        }

        return sources;
    }
}
