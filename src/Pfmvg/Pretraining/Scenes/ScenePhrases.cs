using Pfmvg.Geometry;

namespace Pfmvg.Pretraining.Scenes;

/// <summary>Writes phrases about a scene that are true of exactly the objects that they mean.</summary>
internal static class ScenePhrases
{
    private const int Attempts = 12;

    /// <summary>Phrases for up to <paramref name="count"/> different objects, each true of its object alone, in lower case.</summary>
    public static IReadOnlyList<ScenePhrase> Refer(Scene scene, int count, CounterRandom random)
    {
        var phrases = new List<ScenePhrase>();
        if (Both(scene, random) is { } both) phrases.Add(both);
        foreach (var target in random.Permutation(scene.Objects.Count))
        {
            if (phrases.Count >= count) break;
            if (Describe(scene, target, random) is { } text) phrases.Add(new ScenePhrase(text, [scene.Objects[target].Box], target));
        }

        return phrases;
    }

    /// <summary>A caption that describes up to four objects, from top to bottom.</summary>
    public static string Caption(Scene scene, CounterRandom random)
    {
        var parts = scene.Objects.OrderBy(item => item.Box.Top).Take(4)
            .Select(item => $"{Article(Described(item))} {Place(scene, item)}");
        return string.Join(" and ", parts);

        string Described(SceneObject item) =>
            Words(item, scene.Side, size: random.Next(2) == 0, tone: random.Next(2) == 0, finish: random.Next(3) == 0);

        static string Article(string words) => $"{(words[0] is 'a' or 'e' or 'i' or 'o' or 'u' ? "an" : "a")} {words}";
    }

    /// <summary>Name of the shape, such as "disc" or "letter k".</summary>
    internal static string Noun(SceneObject item) => item.Shape == SceneShape.Letter
        ? $"letter {char.ToLowerInvariant(SceneLetters.Names[item.Letter])}"
        : item.Shape.ToString().ToLowerInvariant();

    private static ScenePhrase? Both(Scene scene, CounterRandom random)
    {
        if (random.Next(6) != 0) return null;
        var pair = scene.Objects.GroupBy(Noun).FirstOrDefault(group => group.Count() == 2);
        return pair is null ? null : new ScenePhrase($"both {pair.Key}", [.. pair.Select(item => item.Box).OrderBy(box => box.Left)], -1);
    }

    private static string? Describe(Scene scene, int target, CounterRandom random)
    {
        var item = scene.Objects[target];
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var anything = random.Next(8) == 0;
            var (size, tone, finish) = (random.Next(3) == 0 && Size(scene, item) is not null, random.Next(2) == 0, random.Next(4) == 0);
            var where = random.Next(5);
            bool Fits(SceneObject other) =>
                (anything || Noun(other) == Noun(item)) && (!size || Size(scene, other) == Size(scene, item))
                && (!tone || Tone(other) == Tone(item)) && (!finish || other.Finish == item.Finish);
            var words = Words(item, scene.Side, size, tone, finish, anything);
            var rivals = scene.Objects.Where((other, index) => index != target && Fits(other)).ToList();
            switch (where)
            {
                case 0 when rivals.Count == 0: return words;
                case 1 when rivals.All(other => Differs(Side(scene, item), Side(scene, other))) && Side(scene, item) is { } side:
                    return random.Next(2) == 0 ? $"{side} {words}" : $"{words} on the {side}";
                case 2 when rivals.All(other => Differs(Zone(scene, item), Zone(scene, other))) && Zone(scene, item) is { } zone:
                    return random.Next(2) == 0 ? $"{zone} {words}" : $"{words} in the {zone} half";
                case 3 when rivals.All(other => Differs(Side(scene, item), Side(scene, other))
                    || Differs(Zone(scene, item), Zone(scene, other))):
                    return random.Next(2) == 0 && Side(scene, item) is { } s && Zone(scene, item) is { } z
                        ? $"{z} {s} {words}" : $"{words} {Place(scene, item)}";
                case 4 when rivals.Count > 0 && Extreme(scene, item, rivals) is { } extreme: return $"{extreme} {words}";
                case 4 when rivals.Count == 0 && Relation(scene, item, random) is { } relation: return $"{words} {relation}";
            }
        }

        return null;
    }

    private static string Words(SceneObject item, int side, bool size, bool tone, bool finish, bool anything = false)
    {
        var words = new List<string>();
        if (size && SizeOf(item.Box, side) is { } extent) words.Add(extent);
        if (tone) words.Add(Tone(item));
        if (finish) words.Add(item.Finish.ToString().ToLowerInvariant());
        words.Add(anything ? "shape" : Noun(item));
        return string.Join(' ', words);
    }

    private static string Tone(SceneObject item) => $"{(item.IsFaint ? "faint " : "")}{(item.IsBright ? "bright" : "dark")}";

    private static string? Size(Scene scene, SceneObject item) => SizeOf(item.Box, scene.Side);

    private static string? SizeOf(Box box, int side) => (Math.Sqrt(box.Area) / side) switch
    {
        < 0.17 => "small",
        > 0.3 => "large",
        _ => null,
    };

    /// <summary>Left or right, null in the middle.</summary>
    private static string? Side(Scene scene, SceneObject item) => Third((item.Box.Left + item.Box.Right) / 2 / scene.Side, "left", "right");

    /// <summary>Upper or lower, null in the middle.</summary>
    private static string? Zone(Scene scene, SceneObject item) =>
        Third((item.Box.Top + item.Box.Bottom) / 2 / scene.Side, "upper", "lower");

    private static string? Third(double position, string low, string high) => position < 0.45 ? low : position > 0.55 ? high : null;

    /// <summary>Both are known and different: an object in the middle cannot be told apart by its place.</summary>
    private static bool Differs(string? one, string? other) => one is not null && other is not null && one != other;

    private static string Place(Scene scene, SceneObject item) => (Zone(scene, item), Side(scene, item)) switch
    {
        ({ } zone, { } side) => $"in the {zone} {side}",
        ({ } zone, null) => $"in the {zone} middle",
        (null, { } side) => $"in the middle {side}",
        _ => "in the middle",
    };

    private static string? Extreme(Scene scene, SceneObject item, List<SceneObject> rivals)
    {
        var margin = scene.Side * 0.06;
        var (x, y, area) = (Middle(item).X, Middle(item).Y, item.Box.Area);
        if (rivals.All(other => other.Box.Area < 0.6 * area)) return "largest";
        if (rivals.All(other => other.Box.Area > 1.7 * area)) return "smallest";
        if (rivals.All(other => Middle(other).X > x + margin)) return "leftmost";
        if (rivals.All(other => Middle(other).X < x - margin)) return "rightmost";
        if (rivals.All(other => Middle(other).Y > y + margin)) return "topmost";
        return rivals.All(other => Middle(other).Y < y - margin) ? "lowest" : null;
    }

    private static string? Relation(Scene scene, SceneObject item, CounterRandom random)
    {
        var others = scene.Objects.Where(other => other != item && scene.Objects.Count(third => Noun(third) == Noun(other)) == 1).ToList();
        if (others.Count == 0) return null;
        var anchor = others[random.Next(others.Count)];
        var (dx, dy) = (Middle(item).X - Middle(anchor).X, Middle(item).Y - Middle(anchor).Y);
        if (Math.Max(Math.Abs(dx), Math.Abs(dy)) < scene.Side * 0.12) return null;
        var relation = Math.Abs(dx) > Math.Abs(dy) ? dx < 0 ? "left of" : "right of" : dy < 0 ? "above" : "below";
        return $"{relation} the {Noun(anchor)}";
    }

    private static (double X, double Y) Middle(SceneObject item) =>
        ((item.Box.Left + item.Box.Right) / 2, (item.Box.Top + item.Box.Bottom) / 2);
}
