namespace Pfmvg.Pretraining.Scenes;

/// <summary>Chooses the objects of a scene.</summary>
internal static class SceneSampler
{
    /// <summary>An object with less contrast is called faint.</summary>
    public const float FaintBelow = 0.14f;

    private static readonly int Shapes = Enum.GetValues<SceneShape>().Length, Finishes = Enum.GetValues<SceneFinish>().Length;

    /// <summary>A scene as a function of (seed, purpose, index).</summary>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="purpose">Keeps the training scenes and the held-out ones apart.</param>
    /// <param name="index">Index of the scene.</param>
    /// <param name="side">Side of the picture in pixels.</param>
    /// <param name="most">Largest number of objects; at least 1.</param>
    public static Scene Sample(long seed, string purpose, long index, int side, int most)
    {
        var random = new CounterRandom(seed, "scene " + purpose, index);
        var wanted = 1 + random.Next(most);
        var objects = new List<SceneObject>();
        for (var tries = 0; objects.Count < wanted && tries < 8 * wanted; tries++)
        {
            var item = Draw(random, side);
            // Some objects repeat an earlier shape, so that place, size or brightness must tell the two apart.
            if (objects.Count > 0 && random.Next(5) < 2)
            {
                var other = objects[random.Next(objects.Count)];
                item = item with
                {
                    Shape = other.Shape,
                    Letter = other.Letter,
                    HalfExtent = RandomHalfExtent(random, side, other.Shape),
                    Finish = random.Next(2) == 0 ? other.Finish : item.Finish,
                };
            }

            if (objects.All(other => Apart(item, other))) objects.Add(item);
        }

        return SceneRenderer.Render(objects, side, random);
    }

    private static SceneObject Draw(CounterRandom random, int side)
    {
        var shape = (SceneShape)random.Next(Shapes);
        var half = RandomHalfExtent(random, side, shape);
        var upright = shape is SceneShape.Letter or SceneShape.Pool || random.Next(3) == 0;
        var angle = upright ? 0 : shape is SceneShape.Triangle or SceneShape.Wedge or SceneShape.Arc or SceneShape.Block or SceneShape.Frame
            ? (float)(Math.PI / 2 * random.Next(4) + 0.5 * (random.NextDouble() - 0.5))
            : (float)(2 * Math.PI * random.NextDouble());
        var reach = Math.Max(half.A, half.B) * 0.8f;
        var contrast = random.Next(4) == 0 ? random.Range(0.07f, FaintBelow) : random.Range(FaintBelow, 0.5f);
        return new SceneObject
        {
            Shape = shape,
            Letter = random.Next(SceneLetters.Names.Length),
            Finish = (SceneFinish)random.Next(Finishes),
            Center = (random.Range(reach, side - reach), random.Range(reach, side - reach)),
            HalfExtent = half,
            Angle = angle,
            Contrast = random.Next(2) == 0 ? contrast : -contrast,
            Key = (long)random.NextBits(),
        };
    }

    private static (float A, float B) RandomHalfExtent(CounterRandom random, int side, SceneShape shape)
    {
        var size = side * 0.07f * MathF.Pow(4.2f, (float)random.NextDouble()); // half extent of 8 to 33 pixels at 112
        var aspect = shape is SceneShape.Star or SceneShape.Cross ? 1 : random.Range(0.55f, 1);
        if (shape == SceneShape.Bar) aspect = random.Range(0.12f, 0.25f);
        if (shape is SceneShape.Letter or SceneShape.Grid or SceneShape.Dots or SceneShape.Bands or SceneShape.Streaks)
            size = Math.Max(size, side * 0.08f);
        var (longer, shorter) = (size, Math.Max(size * aspect, side * 0.016f));
        return shape == SceneShape.Bar || random.Next(2) == 0 ? (longer, shorter) : (shorter, longer);
    }

    /// <summary>True unless the two would hide each other.</summary>
    private static bool Apart(SceneObject one, SceneObject other)
    {
        var (dx, dy) = (one.Center.X - other.Center.X, one.Center.Y - other.Center.Y);
        var reach = MathF.Sqrt(one.HalfExtent.A * one.HalfExtent.B) + MathF.Sqrt(other.HalfExtent.A * other.HalfExtent.B);
        return dx * dx + dy * dy > reach * reach;
    }
}
