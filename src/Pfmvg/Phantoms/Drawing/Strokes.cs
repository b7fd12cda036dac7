namespace Pfmvg.Phantoms.Drawing;

/// <summary>A straight, soft stroke between two points of the chest, with the density that it adds along its axis.</summary>
internal readonly record struct Stroke(float U0, float V0, float U1, float V1, float Radius, float Density);

/// <summary>Everything in the picture that is a line: vessels, clavicles, wires, the side marker.</summary>
internal static class Strokes
{
    public static void Draw(Span<float> density, int width, int height, Projection projection, IEnumerable<Stroke> strokes)
    {
        foreach (var stroke in strokes)
        {
            // Never thinner than about a pixel: it would come and go between pixels.
            var radius = Math.Max(stroke.Radius, 0.9f / projection.Unit);
            var area = projection.Cover(
                Math.Min(stroke.U0, stroke.U1) - radius, Math.Min(stroke.V0, stroke.V1) - radius,
                Math.Max(stroke.U0, stroke.U1) + radius, Math.Max(stroke.V0, stroke.V1) + radius, width, height);
            var (du, dv) = (stroke.U1 - stroke.U0, stroke.V1 - stroke.V0);
            var perLength = 1 / Math.Max(du * du + dv * dv, 1e-12f);
            for (var y = area.Top; y < area.Bottom; y++)
            {
                var (u, v) = projection.ToChest(area.Left + 0.5f, y + 0.5f);
                var row = density.Slice(y * width, width);
                for (var x = area.Left; x < area.Right; x++)
                {
                    var (pu, pv) = (u - stroke.U0, v - stroke.V0);
                    var along = Math.Clamp((pu * du + pv * dv) * perLength, 0, 1);
                    (pu, pv) = (pu - along * du, pv - along * dv);
                    var inside = 1 - (pu * pu + pv * pv) / (radius * radius);
                    if (inside > 0) row[x] += stroke.Density * inside * inside;
                    u += projection.Across.U;
                    v += projection.Across.V;
                }
            }
        }
    }

    /// <summary>Vessels that branch from each hilum and get thinner.</summary>
    public static List<Stroke> Vessels(CounterRandom random, Thorax thorax)
    {
        var strokes = new List<Stroke>();
        foreach (var sign in (ReadOnlySpan<int>)[-1, 1])
        {
            for (var i = 0; i < 8; i++)
            {
                var angle = -1.35f + 2.7f * (i + random.Range(0.2f, 0.8f)) / 8;
                Branch(sign * random.Range(0.26f, 0.32f), random.Range(-0.10f, 0.08f), angle, random.Range(0.30f, 0.42f), 0.034f, 0.09f, 2);
            }

            void Branch(float u, float v, float angle, float length, float radius, float density, int depth)
            {
                var (sin, cos) = MathF.SinCos(angle);
                var (endU, endV) = (u + sign * cos * length, v + sin * length);
                if (thorax.Lung(endU, endV) < 0.3f) return;
                strokes.Add(new(u, v, endU, endV, radius, density));
                if (depth == 0) return;
                Branch(endU, endV, angle + random.Range(0.10f, 0.45f), length * 0.75f, radius * 0.7f, density * 0.85f, depth - 1);
                Branch(endU, endV, angle - random.Range(0.10f, 0.45f), length * 0.75f, radius * 0.7f, density * 0.85f, depth - 1);
            }
        }

        return strokes;
    }

    /// <summary>The two clavicles.</summary>
    public static IEnumerable<Stroke> Clavicles(CounterRandom random)
    {
        foreach (var sign in (int[])[-1, 1])
        {
            var (inner, outer) = (random.Range(-0.80f, -0.72f), random.Range(-1.02f, -0.90f));
            yield return new(sign * 0.12f, inner, sign * 0.50f, inner * 0.55f + outer * 0.45f + 0.02f, 0.055f, 0.11f);
            yield return new(sign * 0.50f, inner * 0.55f + outer * 0.45f + 0.02f, sign * 1.02f, outer, 0.050f, 0.11f);
        }
    }

    /// <summary>What lies on the patient: the marker "L" beside the left shoulder and sometimes the wires of a monitor.</summary>
    public static IEnumerable<Stroke> Overlays(CounterRandom random, Thorax thorax)
    {
        var (u, v) = (thorax.At(-0.95f).Body * random.Range(0.80f, 0.95f), random.Range(-1.32f, -1.22f));
        yield return new(u, v, u, v + 0.16f, 0.022f, 0.8f);
        yield return new(u, v + 0.16f, u + 0.09f, v + 0.16f, 0.022f, 0.8f);
        if (!random.Chance(0.3)) yield break;
        var (wireU, wireV) = (random.Range(-0.7f, 0.7f), random.Range(-0.6f, 0.5f));
        yield return new(wireU, wireV, wireU, wireV, 0.06f, 0.20f);
        var sign = wireU < 0 ? -1 : 1;
        for (var i = 0; i < 5; i++)
        {
            var (nextU, nextV) = (wireU + sign * random.Range(0.12f, 0.26f), wireV + random.Range(-0.05f, 0.22f));
            yield return new(wireU, wireV, nextU, nextV, 0.013f, 0.16f);
            (wireU, wireV) = (nextU, nextV);
        }
    }
}
