namespace Pfmvg.Phantoms.Drawing;

/// <summary>The collimator: the picture is dark outside its rectangle around the chest. Often it is wide open.</summary>
internal readonly struct Collimator
{
    private readonly float _left, _top, _right, _bottom, _sin, _cos, _soft;

    private Collimator(float left, float top, float right, float bottom, float angle, float soft)
    {
        (_left, _top, _right, _bottom, _soft) = (left, top, right, bottom, soft);
        (_sin, _cos) = MathF.SinCos(angle);
    }

    public static Collimator Sample(CounterRandom random, Projection projection)
    {
        var open = !random.Chance(0.35);
        float Side(float near) => open ? 1000 : near + random.Range(0.05f, 0.5f);
        return new(-Side(1.12f), -Side(1.18f), Side(1.12f), Side(1.12f), random.Range(-0.06f, 0.06f), 2.5f / projection.Unit);
    }

    /// <summary>1 inside the field, near 0 outside.</summary>
    public float Open(float u, float v)
    {
        var (x, y) = (_cos * u + _sin * v, _cos * v - _sin * u);
        var inside = Math.Min(Math.Min(x - _left, _right - x), Math.Min(y - _top, _bottom - y));
        return 0.06f + 0.94f * Thorax.Step(inside / _soft);
    }
}
