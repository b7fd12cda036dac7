using static Pfmvg.Phantoms.Drawing.Thorax;

namespace Pfmvg.Phantoms.Drawing;

/// <summary>
/// Textures of opacities in an ellipse with the half axes (a, b) around (u0, v0), as density to add before the lung's mask is
/// applied. They differ so much in edge and texture that the class can be seen at 112 pixels.
/// </summary>
internal static class FindingTexture
{
    /// <summary>Pneumonia: a cluster of separate soft blotches.</summary>
    public static Density Blotches(float u0, float v0, float a, float b, ValueNoise noise, CounterRandom random)
    {
        var blotches = new (float U, float V, float PerRadius)[8];
        var size = Math.Min(a, b);
        for (var i = 0; i < blotches.Length; i++)
        {
            // The directions are spread evenly, so that the cluster fills its ellipse.
            var (sin, cos) = MathF.SinCos((i + random.Range(-0.3f, 0.3f)) * 2 * MathF.PI / blotches.Length);
            var distance = i % 2 == 0 ? random.Range(0.68f, 0.78f) : random.Range(0.15f, 0.55f);
            blotches[i] = (u0 + a * cos * distance, v0 + b * sin * distance, 1 / (size * random.Range(0.34f, 0.46f)));
        }

        return (u, v, in _) =>
        {
            var grain = noise.At(u * 11, v * 11);
            u += 0.09f * (noise.At(u * 9 + 40, v * 9) - 0.5f);
            v += 0.09f * (noise.At(u * 9, v * 9 + 40) - 0.5f);
            var sum = 0f;
            foreach (var (centerU, centerV, perRadius) in blotches)
            {
                var (x, y) = ((u - centerU) * perRadius, (v - centerV) * perRadius);
                var inside = 1 - x * x - y * y;
                if (inside > 0) sum += inside * (2 - inside);
            }

            return 0.31f * Math.Min(sum, 1.15f) * (0.60f + 0.65f * grain);
        };
    }

    /// <summary>Consolidation: dense and even, with a sharp, boxy outline and dark air-filled bronchi.</summary>
    public static Density Solid(float u0, float v0, float a, float b, ValueNoise noise, CounterRandom random)
    {
        var (sin, cos) = MathF.SinCos(random.Range(0.5f, 1.1f) * (u0 < 0 ? 1 : -1));
        var shift = random.Range(0, 1);
        return (u, v, in _) =>
        {
            var (x, y) = ((u - u0) / a, (v - v0) / b);
            var radius = MathF.Sqrt(MathF.Sqrt(x * x * x * x + y * y * y * y)) + 0.16f * (noise.At(u * 6, v * 6) - 0.5f);
            var edge = Step((1 - radius) * b / 0.05f);
            if (edge <= 0) return 0;
            var across = (cos * x + sin * y) * 1.6f + shift;
            var bronchus = Math.Abs(across - MathF.Floor(across) - 0.5f);
            return 0.37f * edge * (1 - 0.16f * Step((0.09f - bronchus) / 0.12f));
        };
    }

    /// <summary>Lung opacity: round, even haze that fades outwards.</summary>
    public static Density Spot(float u0, float v0, float a, float b) => (u, v, in _) =>
    {
        var (x, y) = ((u - u0) / (a * 1.12f), (v - v0) / (b * 1.12f));
        var inside = 1 - x * x - y * y;
        return inside <= 0 ? 0 : 0.25f * Math.Min(1, 1.9f * inside * (1.4f - 0.4f * inside));
    };

    /// <summary>Atelectasis: a few parallel plates, slightly tilted.</summary>
    public static Density Bands(float u0, float v0, float a, float b, CounterRandom random)
    {
        var count = b > 0.24f ? 3 : 2;
        var slope = random.Range(-0.28f, 0.10f) * (u0 < 0 ? -1 : 1);
        var spacing = (2 * b - 0.10f) / Math.Max(1, count - 1);
        return (u, v, in _) =>
        {
            var x = (u - u0) / a;
            var across = (v - v0 + b - 0.05f - slope * (u - u0)) / spacing;
            var nearest = Math.Clamp(MathF.Round(across), 0, count - 1);
            var distance = Math.Abs(across - nearest) * spacing;
            return 0.34f * Step((0.042f - distance) / 0.035f) * Step((1 - Math.Abs(x)) * a / 0.10f);
        };
    }

    /// <summary>Edema: haze beside the hilum, streaked outwards along the vessels.</summary>
    public static Density Streaks(float u0, float v0, float a, float b, ValueNoise noise) => (u, v, in _) =>
    {
        var (x, y) = ((u - u0) / a, (v - v0) / b);
        var inside = 1.12f - x * x - y * y;
        if (inside <= 0) return 0;
        var fan = (v - v0 * 0.6f) / (Math.Abs(u) + 0.12f);
        var streak = noise.At(fan * 7, Math.Abs(u) * 4);
        return 0.34f * Math.Min(1, 2.6f * inside) * Math.Clamp(1.9f * streak - 0.25f, 0.10f, 1.1f);
    };
}
