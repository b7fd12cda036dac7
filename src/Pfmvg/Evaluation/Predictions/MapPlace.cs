using System.Text.Json;
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
    /// <summary>The names of the two ways between the cells.</summary>
    public const string Nearest = "nearest", Bilinear = "bilinear";

    private const string Name = "map_place";

    /// <summary>The square.</summary>
    public Box Box => new(Left, Top, Left + Side, Top + Side);

    /// <summary>A map of cells at the size of its picture: float32, NaN outside of the square.</summary>
    /// <param name="cells">Row by row.</param>
    /// <param name="rows">Rows of cells.</param>
    /// <param name="columns">Columns of cells.</param>
    /// <param name="width">Width of the picture.</param>
    /// <param name="height">Its height.</param>
    /// <param name="memory">Taken for the map where it has its size: a radiograph's takes 31 MB.</param>
    public float[] Enlarge(ReadOnlySpan<float> cells, int rows, int columns, int width, int height, float[]? memory = null)
    {
        var map = memory?.Length == (long)width * height ? memory : new float[(long)width * height];
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

    /// <summary>The place that a line of answers gives its map; null for a map of the whole picture.</summary>
    /// <param name="line">The line.</param>
    /// <param name="width">Width of the picture.</param>
    /// <param name="height">Its height.</param>
    /// <exception cref="InputException">It is not one, or not within the picture.</exception>
    public static MapPlace? Read(JsonInput line, int width, int height)
    {
        const long most = 1 << 26; // pixels of the largest map
        if (line.Find(Name) is not { } value) return null;
        if (line.Find("heatmap") is null) throw line.Wrong($"has a '{Name}' and no 'heatmap'; give the map, or leave the place out");
        if (value.ValueKind != JsonValueKind.Object)
            throw line.Wrong($"'{Name}' must be an object with left, top, side and interpolation");
        var place = line.At(value, Name);
        int Edge(string name) => place.Integer(name) ?? throw place.Wrong($"'{name}' is missing; it is a whole number of pixels");
        var (left, top, side) = (Edge("left"), Edge("top"), Edge("side"));
        if (left < 0 || top < 0 || side < 1 || side > width - left || side > height - top)
            throw place.Wrong($"the square of {side} pixels at {left}, {top} does not lie in the picture of {width} x {height} pixels; "
                + "give left, top and side in pixels of the original picture");
        if ((long)width * height > most) throw line.Wrong($"a map of {width} x {height} pixels is too large; leave the picture out");
        return new MapPlace(left, top, side, place.Text("interpolation") switch
        {
            Nearest => false,
            Bilinear => true,
            null => throw place.Wrong($"'interpolation' is missing; it is {Nearest} or {Bilinear}"),
            var other => throw place.Wrong($"the interpolation '{other}' is not known; it is {Nearest} or {Bilinear}"),
        });
    }

    /// <summary>Writes the place as <see cref="Read"/> takes it.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject(Name);
        json.WriteNumber("left", Left);
        json.WriteNumber("top", Top);
        json.WriteNumber("side", Side);
        json.WriteString("interpolation", Smooth ? Bilinear : Nearest);
        json.WriteEndObject();
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
