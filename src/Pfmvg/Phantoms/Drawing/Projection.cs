namespace Pfmvg.Phantoms.Drawing;

/// <summary>The pose of the chest in a picture: from chest coordinates to pixels and back.</summary>
internal sealed class Projection
{
    private readonly float _centerX, _centerY, _xu, _xv, _yu, _yv, _ux, _uy, _vx, _vy;

    /// <param name="centerX">x of the chest's origin in pixels.</param>
    /// <param name="centerY">y of the chest's origin in pixels.</param>
    /// <param name="unit">Pixels of one chest unit.</param>
    /// <param name="stretch">Width over height of the patient, about 1.</param>
    /// <param name="angle">Turn in radians, clockwise in the picture.</param>
    public Projection(float centerX, float centerY, float unit, float stretch, float angle)
    {
        (_centerX, _centerY, Unit) = (centerX, centerY, unit);
        var (sin, cos) = MathF.SinCos(angle);
        (_xu, _xv, _yu, _yv) = (unit * stretch * cos, -unit * sin, unit * stretch * sin, unit * cos);
        (_ux, _uy, _vx, _vy) = (cos / (unit * stretch), sin / (unit * stretch), -sin / unit, cos / unit);
    }

    /// <summary>Pixels of one chest unit.</summary>
    public float Unit { get; }

    /// <summary>Change of (u, v) from one pixel to the next in a row.</summary>
    public (float U, float V) Across => (_ux, _vx);

    public (float X, float Y) ToPixel(float u, float v) => (_centerX + _xu * u + _xv * v, _centerY + _yu * u + _yv * v);

    public (float U, float V) ToChest(float x, float y)
    {
        var (dx, dy) = (x - _centerX, y - _centerY);
        return (_ux * dx + _uy * dy, _vx * dx + _vy * dy);
    }

    /// <summary>The pixels that cover a rectangle of the chest, within the picture; right and bottom are exclusive.</summary>
    public (int Left, int Top, int Right, int Bottom) Cover(float left, float top, float right, float bottom, int width, int height)
    {
        var (x0, y0) = ToPixel(left, top);
        var (x1, y1) = ToPixel(right, top);
        var (x2, y2) = ToPixel(left, bottom);
        var (x3, y3) = ToPixel(right, bottom);
        return (
            Math.Clamp((int)MathF.Floor(Least(x0, x1, x2, x3)), 0, width),
            Math.Clamp((int)MathF.Floor(Least(y0, y1, y2, y3)), 0, height),
            Math.Clamp((int)MathF.Ceiling(-Least(-x0, -x1, -x2, -x3)) + 1, 0, width),
            Math.Clamp((int)MathF.Ceiling(-Least(-y0, -y1, -y2, -y3)) + 1, 0, height));

        static float Least(float a, float b, float c, float d) => Math.Min(Math.Min(a, b), Math.Min(c, d));
    }

    /// <summary>A random pose: the chest fills 0.55 to 1 of the picture, anywhere in it, and is turned by up to 10 degrees.</summary>
    public static Projection Sample(CounterRandom random, int width, int height)
    {
        const float HalfWidth = 1.08f, HalfHeight = 1.10f;
        var angle = random.Range(-10, 10) * MathF.PI / 180;
        var stretch = random.Range(0.90f, 1.12f);
        var (sin, cos) = MathF.SinCos(MathF.Abs(angle));
        var across = 2 * (HalfWidth * stretch * cos + HalfHeight * sin);
        var down = 2 * (HalfWidth * stretch * sin + HalfHeight * cos);
        var unit = Math.Min(width / across, height / down) * random.Range(0.55f, 1);
        return new(Place(width, across * unit), Place(height, down * unit), unit, stretch, angle);

        float Place(float size, float taken) => size / 2 + (size - taken) * random.Range(-0.5f, 0.5f);
    }
}
