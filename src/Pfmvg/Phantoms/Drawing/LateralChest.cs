using Pfmvg.Phantoms.Planning;
using static Pfmvg.Phantoms.Drawing.Thorax;

namespace Pfmvg.Phantoms.Drawing;

/// <summary>A healthy chest from the side, for the lateral views that readers of the data must tell from frontal ones.</summary>
internal static class LateralChest
{
    public static void Draw(Span<float> density, int width, int height, Projection projection, PhantomPicture picture)
    {
        var random = picture.Random("lateral");
        var mottle = new ValueNoise(random.NextBits());
        var (depth, dome) = (random.Range(0.66f, 0.80f), random.Range(0.50f, 0.62f));
        var (heart, ribs) = (random.Range(0.30f, 0.38f), random.Range(0, 1));
        var at = 0;
        for (var y = 0; y < height; y++)
        {
            var (u, v) = projection.ToChest(0.5f, y + 0.5f);
            for (var x = 0; x < width; x++, at++)
            {
                density[at] = Point(u, v);
                u += projection.Across.U;
                v += projection.Across.V;
            }
        }

        // The patient looks to the picture's left: the breastbone in front, the spine behind.
        float Point(float u, float v)
        {
            var skin = depth + 0.22f + 0.10f * Step(v / 2) - 0.42f * Step((-1.05f - v) / 0.5f);
            var body = Step((skin - Math.Abs(u)) / 0.06f);
            var taper = Math.Clamp((v + 1) / 0.9f, 0, 1);
            var front = -depth * (0.35f + 0.65f * taper * (2 - taper));
            var back = depth * 0.86f;
            var diaphragm = dome + 0.32f * Math.Max(0, u) * Math.Max(0, u) / (depth * depth);
            var lung = Step((u - front) / 0.07f) * Step((back - u) / 0.07f) * Step((diaphragm - v) / 0.06f) * Step((v + 1) / 0.12f);
            var (hx, hy) = ((u + depth * 0.38f) / (heart * 1.1f), (v - 0.26f) / (heart * 1.2f));
            var cardiac = Step((1 - MathF.Sqrt(hx * hx + hy * hy)) * heart / 0.08f);
            var curve = depth * 0.72f + 0.08f * v * v;
            var spine = Step((0.13f - Math.Abs(u - curve)) / 0.06f) * (0.75f + 0.25f * MathF.Round(v * 6 - MathF.Floor(v * 6)));
            var rib = (v - 0.5f * u) * 5 + ribs;
            var tissue = 0.56f - 0.34f * lung * (1 - 0.8f * cardiac) + 0.10f * spine
                + 0.03f * Step((Math.Abs(rib - MathF.Floor(rib) - 0.5f) - 0.3f) / 0.1f) + 0.20f * Step((v - diaphragm) / 0.06f)
                + 0.04f * (mottle.At(3 * u, 3 * v) - 0.5f);
            return 0.02f + body * (tissue - 0.02f);
        }
    }
}
