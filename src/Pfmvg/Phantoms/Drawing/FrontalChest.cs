using Pfmvg.Phantoms.Planning;
using static Pfmvg.Phantoms.Drawing.Thorax;

namespace Pfmvg.Phantoms.Drawing;

/// <summary>The layers of a frontal picture, one number per pixel.</summary>
/// <param name="Density">Tissue along the ray, about 0 (air) to 1.</param>
/// <param name="Lung">1 in the lungs, also where the heart covers them.</param>
/// <param name="Heart">1 in the heart.</param>
/// <param name="Vessels">Density of the vessels.</param>
internal sealed record ChestLayers(float[] Density, float[] Lung, float[] Heart, float[] Vessels);

/// <summary>The healthy chest from the front: body, lungs, heart, mediastinum, spine, ribs, abdomen.</summary>
internal static class FrontalChest
{
    private const float Air = 0.02f;

    public static void Draw(ChestLayers layers, int width, int height, Projection projection, Thorax thorax, PhantomPicture picture)
    {
        var shape = thorax.Shape;
        var random = picture.Random("chest");
        var mottle = new ValueNoise(random.NextBits());
        var (ribShift, frontShift, spineShift) = (random.Range(0, 1), random.Range(0, 1), random.Range(0, 1));
        var (gasU, gasV, gasSize) = (random.Range(0.35f, 0.60f), shape.Dome + random.Range(0.26f, 0.40f), random.Range(0.08f, 0.17f));
        var heartScale = picture.View == PhantomView.AnteroPosterior ? 1.06f : 1;
        var soft = 0.44f + 0.08f * shape.Bulk;
        var at = 0;
        for (var y = 0; y < height; y++)
        {
            var (u, v) = projection.ToChest(0.5f, y + 0.5f);
            for (var x = 0; x < width; x++, at++)
            {
                (layers.Density[at], layers.Lung[at], layers.Heart[at]) = Point(u, v, layers.Vessels[at]);
                u += projection.Across.U;
                v += projection.Across.V;
            }
        }

        Strokes.Draw(layers.Density, width, height, projection, Strokes.Clavicles(picture.Random("clavicles")));

        (float Density, float Lung, float Heart) Point(float u, float v, float vessel)
        {
            var row = thorax.At(v);
            var across = Math.Abs(u);
            var body = Step((row.Body - across) / 0.05f);
            var arm = Step((0.21f - Math.Abs(across - 1.52f - 0.17f * v)) / 0.10f) * Step((v + 0.75f) / 0.3f);
            if (body <= 0) return (Air + 0.8f * soft * arm, 0, 0);
            var lung = thorax.Lung(row, u, v);
            var heart = Math.Abs(v) < 1.2f && across < 1 ? thorax.Heart(u, v, heartScale) : 0;
            var round = across / row.Body;
            var density = soft + 0.12f * (1 - round * round);

            var middle = Math.Min(u < 0 ? row.InnerRight : row.InnerLeft, shape.Mediastinum + 0.08f);
            density += 0.15f * Step((middle - across) / 0.07f) + 0.10f * Step((-1.75f - v) / 0.2f);
            density += 0.07f * Step((0.12f - across) / 0.05f) * (0.6f + 0.8f * Wave(v * 6.5f + spineShift));
            density -= 0.11f * Step((0.060f - Math.Abs(u - 0.01f)) / 0.04f) * Step((-0.28f - v) / 0.1f) * Step((v + 1.9f) / 0.2f);

            var below = Step((v - thorax.Diaphragm(u)) / 0.06f) * Step((row.Outer + 0.16f - across) / 0.25f);
            density += 0.20f * below;
            var (gx, gy) = ((u - gasU) / gasSize, (v - gasV) / (gasSize * 0.6f));
            density -= 0.16f * Step((1 - gx * gx - gy * gy) / 0.8f);

            density -= (FindingShape.HeartInLung + 0.02f * (1 - shape.Bulk)) * lung * (1 - heart);
            density += FindingShape.HeartOverall * heart + vessel * lung * (1 - 0.7f * heart);

            // Hila, then the rib cage: its edge, the posterior ribs (falling outwards), the anterior ribs (falling inwards).
            var (hx, hy) = ((across - 0.27f) / 0.13f, (v + 0.02f) / 0.20f);
            density += 0.09f * Math.Max(0, 1 - hx * hx - hy * hy) * lung;
            var cage = Step((row.Outer + 0.04f - across) / 0.05f) * Step((v - shape.Apex + 0.05f) / 0.1f) * Step((1.1f - v) / 0.3f);
            if (cage > 0)
            {
                var edge = (across - row.Outer - 0.01f) / 0.05f;
                density += 0.07f * Math.Max(0, 1 - edge * edge) * cage;
                var back = (v - shape.RibSlope * across - 0.16f * across * across) / shape.RibSpacing + ribShift;
                density += 0.085f * Rib(back, 0.40f) * cage;
                var front = (v + 0.55f * across) / (shape.RibSpacing * 1.12f) + frontShift;
                density += 0.034f * Rib(front, 0.40f) * cage * Step((across - 0.34f) / 0.15f);
            }

            density += 0.035f * (mottle.At(u * 3.1f, v * 3.1f) - 0.5f);
            return (Air + body * (density - Air) + (1 - body) * 0.8f * soft * arm, lung, heart);
        }
    }

    /// <summary>Density across a rib, within the given share of each period: dense edges and a less dense middle.</summary>
    private static float Rib(float phase, float share)
    {
        var place = Math.Abs(phase - MathF.Floor(phase) - 0.5f) * 2 / share;
        return place >= 1.2f ? 0 : (0.6f + 0.4f * place * place) * Step((1 - place) / 0.35f);
    }

    private static float Wave(float x)
    {
        var t = 2 * Math.Abs(x - MathF.Floor(x) - 0.5f);
        return t * t * (3 - 2 * t);
    }
}
