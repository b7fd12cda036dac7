using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Drawing;

/// <summary>
/// A patient's chest in chest coordinates: u to the picture's right (the patient's left), v downwards, the origin between
/// the lungs; the lungs reach from about -1 to 1 in both.
/// </summary>
internal sealed record ThoraxShape
{
    public required float Apex { get; init; }
    public required float Dome { get; init; }
    public required float Mediastinum { get; init; }
    public required float LeftLungWidth { get; init; }
    public required float RibSpacing { get; init; }
    public required float RibSlope { get; init; }
    public required float HeartLeft { get; init; }
    public required float HeartRight { get; init; }
    public required float HeartHeight { get; init; }
    public required float Bulk { get; init; }

    public static ThoraxShape Sample(CounterRandom random) => new()
    {
        Apex = random.Range(-1.06f, -0.94f),
        Dome = random.Range(0.56f, 0.70f),
        Mediastinum = random.Range(0.165f, 0.215f),
        LeftLungWidth = random.Range(0.93f, 1),
        RibSpacing = random.Range(0.185f, 0.225f),
        RibSlope = random.Range(0.22f, 0.40f),
        HeartLeft = random.Range(0.44f, 0.54f),
        HeartRight = random.Range(0.21f, 0.27f),
        HeartHeight = random.Range(0.33f, 0.40f),
        Bulk = (float)random.NextDouble(),
    };
}

/// <summary>The outlines of a chest as soft masks, interpolated from a table over v.</summary>
internal sealed class Thorax
{
    private const int Rows = 640;
    private const float Top = -3.2f, RowsPerUnit = 100;
    private const float Soft = 0.05f;

    private readonly Row[] _rows = new Row[Rows + 1];

    public Thorax(ThoraxShape shape)
    {
        Shape = shape;
        for (var i = 0; i <= Rows; i++) _rows[i] = RowAt(shape, Top + i / RowsPerUnit);
    }

    public ThoraxShape Shape { get; }

    /// <summary>Half widths of the chest at one height.</summary>
    /// <param name="Outer">The lateral wall of the lungs.</param>
    /// <param name="InnerRight">The medial edge of the right lung.</param>
    /// <param name="InnerLeft">The medial edge of the left lung, with the aortic knob.</param>
    /// <param name="Body">The skin.</param>
    internal readonly record struct Row(float Outer, float InnerRight, float InnerLeft, float Body);

    public Row At(float v)
    {
        var place = Math.Clamp((v - Top) * RowsPerUnit, 0, Rows - 0.001f);
        var index = (int)place;
        var (t, a, b) = (place - index, _rows[index], _rows[index + 1]);
        return new(a.Outer + t * (b.Outer - a.Outer), a.InnerRight + t * (b.InnerRight - a.InnerRight),
            a.InnerLeft + t * (b.InnerLeft - a.InnerLeft), a.Body + t * (b.Body - a.Body));
    }

    /// <summary>1 in the lungs, also where the heart covers them; 0 outside.</summary>
    public float Lung(float u, float v) => Lung(At(v), u, v);

    public float Lung(in Row row, float u, float v)
    {
        var across = u < 0 ? -u : u / Shape.LeftLungWidth;
        return Step((row.Outer - across) / Soft) * Step((across - (u < 0 ? row.InnerRight : row.InnerLeft)) / Soft)
            * Step((Diaphragm(u) - v) / Soft);
    }

    /// <summary>Height of the diaphragm: a dome per side, the right one higher, deep angles at the wall.</summary>
    public float Diaphragm(float u)
    {
        var across = u < 0 ? -u : u / Shape.LeftLungWidth;
        var t = across > 0.45f ? (across - 0.45f) / 0.55f : (0.45f - across) / 0.45f;
        return Shape.Dome + (u < 0 ? 0 : 0.06f) + (across > 0.45f ? 0.34f : 0.07f) * t * t;
    }

    /// <summary>1 in the heart, 0 outside.</summary>
    /// <param name="u">Across.</param>
    /// <param name="v">Down.</param>
    /// <param name="scale">Width of the heart relative to a normal one, from 1 to 2.</param>
    public float Heart(float u, float v, float scale)
    {
        var left = Math.Min(Shape.HeartLeft * scale, 0.82f);
        var right = Shape.HeartRight * scale;
        var height = Shape.HeartHeight * (0.72f + 0.28f * scale);
        var bottom = Shape.Dome + 0.10f;

        // The left ventricle is an ellipse that points down and to the patient's left; it reaches exactly to `left`.
        var (a, b) = (left * 0.74f, left * 0.46f);
        var (du, dv) = (u - left * 0.35f, v - (bottom - b * 1.15f));
        var ventricle = Inside(0.8f * du + 0.6f * dv, 0.8f * dv - 0.6f * du, a, b);
        var atrium = Inside(u + right * 0.30f, v - (bottom - height), right * 0.70f, height);
        var outflow = Inside(u - left * 0.22f, v - (bottom - height * 1.55f), left * 0.34f, height * 0.75f);
        return Step(Join(Join(ventricle, atrium), outflow) / Soft);

        // Approximate distance to the edge of an ellipse, positive inside.
        static float Inside(float x, float y, float a, float b) => (1 - MathF.Sqrt(x * x / (a * a) + y * y / (b * b))) * Math.Min(a, b);

        // The larger of two distances, with the notch between the shapes filled.
        static float Join(float p, float q)
        {
            const float Width = 0.12f;
            var h = Math.Max(0, Width - Math.Abs(p - q)) / Width;
            return Math.Max(p, q) + h * h * Width * 0.25f;
        }
    }

    /// <summary>Free lung at one height: from the mediastinum or the heart to the wall, as distances from the middle.</summary>
    public (float Inner, float Outer) Free(FindingSide side, float v, float heartScale)
    {
        var sign = side == FindingSide.Right ? -1 : 1;
        var row = At(v);
        var width = sign < 0 ? 1 : Shape.LeftLungWidth;
        var (inner, outer) = ((sign < 0 ? row.InnerRight : row.InnerLeft) * width, row.Outer * width);
        while (inner < outer && Heart(sign * inner, v, heartScale) > 0.5f) inner += 0.02f;
        return (inner, outer);
    }

    /// <summary>Smooth step from 0 at -1/2 to 1 at 1/2.</summary>
    internal static float Step(float x)
    {
        var t = Math.Clamp(x + 0.5f, 0, 1);
        return t * t * (3 - 2 * t);
    }

    private static Row RowAt(ThoraxShape shape, float v)
    {
        // The cage narrows upwards like a dome; x is 0 at its widest and 1 at the apex.
        var x = Math.Max(0, (0.35f - v) / (0.35f - shape.Apex));
        var outer = x >= 1 ? 0 : MathF.Pow(1 - MathF.Pow(x, 2.6f), 0.45f) * (1 + 0.03f * Math.Clamp(v - 0.2f, 0, 1));
        var rise = Step((x - 0.84f) / 0.32f);
        var inner = shape.Mediastinum + (0.36f - shape.Mediastinum) * rise;
        var knob = Math.Max(0, 1 - (v + 0.44f) * (v + 0.44f) / 0.026f);

        // Head, neck, sloping shoulders, chest wall below them.
        var shoulder = 0.36f + 0.26f * Step((-1.78f - v) / 0.25f) + 1.35f * Step((v + 1.10f) / 0.62f);
        var body = shoulder - 0.47f * Step((v + 0.50f) / 0.70f) + 0.05f * Step(v / 2);
        return new(outer, inner, inner + 0.08f * knob, body * (0.94f + 0.10f * shape.Bulk));
    }
}
