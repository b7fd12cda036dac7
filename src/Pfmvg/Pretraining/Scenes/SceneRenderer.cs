using Pfmvg.Geometry;

namespace Pfmvg.Pretraining.Scenes;

/// <summary>
/// Draws generic scenes: uneven ground, large soft fields, unnamed clutter, the objects, then blur, noise and a gray curve. They
/// have what any gray picture has (soft and sharp edges, low contrast, textures), and nothing of a chest.
/// </summary>
internal static class SceneRenderer
{
    private const float HalfCovered = 0.5f;

    /// <summary>Draws the scene.</summary>
    /// <param name="objects">The objects; one that covers nothing is left out.</param>
    /// <param name="side">Side of the picture in pixels.</param>
    /// <param name="random">The scene's stream.</param>
    public static Scene Render(IReadOnlyList<SceneObject> objects, int side, CounterRandom random)
    {
        var canvas = new float[side * side];
        var owners = new sbyte[side * side];
        Array.Fill(owners, (sbyte)-1);
        DrawGround(canvas, side, random);
        DrawClutter(canvas, side, random);
        var drawn = new List<SceneObject>();
        foreach (var item in objects)
        {
            var box = Draw(canvas, owners, side, item, (sbyte)drawn.Count);
            if (!box.IsEmpty) drawn.Add(item with { Box = box });
        }

        if (random.NextDouble() < 0.45) Blur(canvas, side);
        if (random.NextDouble() < 0.15) Blur(canvas, side);
        return new Scene(side, Expose(canvas, random), owners, drawn);
    }

    private static void DrawGround(float[] canvas, int side, CounterRandom random)
    {
        var level = random.Range(0.25f, 0.75f);
        var (slopeX, slopeY) = (random.Range(-0.2f, 0.2f), random.Range(-0.2f, 0.2f));
        var (amplitude, fx, fy, phase) = (random.Range(0, 0.07f), random.Range(-9, 9), random.Range(-9, 9),
            random.Range(0, 6.28f));
        for (var y = 0; y < side; y++)
            for (var x = 0; x < side; x++)
            {
                var (u, v) = ((float)x / side - 0.5f, (float)y / side - 0.5f);
                canvas[y * side + x] = level + slopeX * u + slopeY * v + amplitude * MathF.Sin(fx * u + fy * v + phase);
            }

        // Large fields that no phrase names: most pictures have regions that are not the answer.
        for (var fields = random.Next(4); fields > 0; fields--)
        {
            var shape = random.Next(3) == 0 ? SceneShape.Block : SceneShape.Blob;
            Draw(canvas, null, side, Unnamed(random, side, shape, 0.18f, 0.5f, 0.22f), 0);
        }
    }

    private static void DrawClutter(float[] canvas, int side, CounterRandom random)
    {
        for (var strokes = random.Next(5); strokes > 0; strokes--)
        {
            var length = side * random.Range(0.05f, 0.4f);
            var line = Unnamed(random, side, random.Next(3) == 0 ? SceneShape.Arc : SceneShape.Bar, 0.02f, 0.3f, 0.12f);
            if (line.Shape == SceneShape.Bar)
                line = line with { HalfExtent = (length, random.Range(0.5f, 1.1f)), Finish = SceneFinish.Plain };
            Draw(canvas, null, side, line, 0);
        }
    }

    private static SceneObject Unnamed(CounterRandom random, int side, SceneShape shape, float least, float most, float contrast) => new()
    {
        Shape = shape,
        Finish = random.Next(2) == 0 ? SceneFinish.Soft : SceneFinish.Shaded,
        Center = (side * random.Range(0, 1), side * random.Range(0, 1)),
        HalfExtent = (side * random.Range(least, most), side * random.Range(least, most)),
        Angle = random.Range(0, 3.14f),
        Contrast = random.Range(-contrast, contrast),
        Key = (long)random.NextBits(),
    };

    /// <summary>Adds an object; returns the bounding box of the pixels that it covers by half or more.</summary>
    private static Box Draw(float[] canvas, sbyte[]? owners, int side, SceneObject item, sbyte owner)
    {
        var outline = new SceneOutline(item);
        var random = new CounterRandom(item.Key, "finish");
        var (cos, sin) = (MathF.Cos(item.Angle), MathF.Sin(item.Angle));
        var ((a, b), (cx, cy)) = (item.HalfExtent, item.Center);
        var edge = item.Finish == SceneFinish.Soft ? 0.55f : item.Shape == SceneShape.Blob ? 0.4f : 0.04f;
        var softness = Math.Max(1, edge * Math.Min(a, b));
        var (reachX, reachY) = (Math.Abs(a * cos) + Math.Abs(b * sin) + softness, Math.Abs(a * sin) + Math.Abs(b * cos) + softness);
        var (left, right) = (Math.Max(0, (int)(cx - reachX)), Math.Min(side - 1, (int)(cx + reachX) + 1));
        var (top, bottom) = (Math.Max(0, (int)(cy - reachY)), Math.Min(side - 1, (int)(cy + reachY) + 1));
        var frequency = 2 * MathF.PI / random.Range(3.5f, 7f);
        var (waveX, waveY, patch) = (random.Range(-1, 1), random.Range(-1, 1), random.Range(0.5f, 1.1f));
        var (minX, minY, maxX, maxY) = (side, side, -1, -1);
        for (var y = top; y <= bottom; y++)
            for (var x = left; x <= right; x++)
            {
                var (dx, dy) = (x + 0.5f - cx, y + 0.5f - cy);
                var (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
                var cover = 0.5f - outline.Distance(u, v) / softness;
                if (cover <= 0) continue;
                cover = Math.Min(cover, 1);
                var strength = item.Shape == SceneShape.Cloud
                    ? 0.35f + 0.65f * MathF.Sin(patch * u + 3 * waveX) * MathF.Sin(patch * v + 3 * waveY)
                    : 1;
                strength *= item.Finish switch
                {
                    SceneFinish.Striped => 0.55f + 0.45f * MathF.Sin(
                        frequency * (u * waveX + v * waveY) / MathF.Sqrt(waveX * waveX + waveY * waveY + 1e-6f)),
                    SceneFinish.Grainy => 0.25f + 1.3f * (random.NextBits() >> 40) / (1 << 24),
                    SceneFinish.Shaded => 0.7f + 0.4f * (u * waveX / a + v * waveY / b),
                    _ => 1,
                };
                canvas[y * side + x] += item.Contrast * cover * strength;
                if (owners is null || cover < HalfCovered) continue;
                owners[y * side + x] = owner;
                (minX, minY, maxX, maxY) = (Math.Min(minX, x), Math.Min(minY, y), Math.Max(maxX, x), Math.Max(maxY, y));
            }

        return new Box(minX, minY, maxX + 1, maxY + 1);
    }

    /// <summary>Replaces each pixel by the mean of 3 x 3.</summary>
    private static void Blur(float[] canvas, int side)
    {
        var rows = new float[canvas.Length];
        for (var y = 0; y < side; y++)
            for (var x = 0; x < side; x++)
                rows[y * side + x] = (canvas[y * side + Math.Max(x - 1, 0)] + canvas[y * side + x]
                    + canvas[y * side + Math.Min(x + 1, side - 1)]) / 3;
        for (var y = 0; y < side; y++)
            for (var x = 0; x < side; x++)
                canvas[y * side + x] = (rows[Math.Max(y - 1, 0) * side + x] + rows[y * side + x]
                    + rows[Math.Min(y + 1, side - 1) * side + x]) / 3;
    }

    /// <summary>Noise, gain and offset, then 8 bits.</summary>
    private static byte[] Expose(float[] canvas, CounterRandom random)
    {
        var (gain, offset) = (random.Range(0.7f, 1.2f), random.Range(-0.12f, 0.12f));
        var noise = random.Next(3) == 0 ? 0 : random.Range(0, 0.05f);
        var pixels = new byte[canvas.Length];
        for (var i = 0; i < canvas.Length; i++)
        {
            var bits = random.NextBits();
            // The sum of four uniform numbers is near enough to a normal one, and cheap.
            var sum = (float)((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)) / 65536 - 2;
            var value = 0.5f + gain * (canvas[i] - 0.5f) + offset + noise * 1.73f * sum;
            pixels[i] = (byte)(255 * Math.Clamp(value, 0, 1) + 0.5f);
        }

        return pixels;
    }
}
