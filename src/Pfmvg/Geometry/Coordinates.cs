namespace Pfmvg.Geometry;

/// <summary>What the numbers of a box from another program mean. It is declared once for a file and never guessed.</summary>
/// <param name="Range">The number that stands for the picture's far edge: 1, 100 or 1000; null for pixels of the original picture.</param>
/// <param name="Layout">Which four numbers they are.</param>
public sealed record Coordinates(int? Range, BoxLayout Layout)
{
    private static readonly (string Name, int? Range)[] Units =
        [("pixels", null), ("unit", 1), ("percent", 100), ("thousand", 1000), ("0..1", 1), ("0..100", 100), ("0..1000", 1000)];

    /// <summary>Every combination there is, for help texts and for naming the likely one.</summary>
    public static IReadOnlyList<Coordinates> All { get; } =
        [.. from unit in Units.Take(4) from layout in Enum.GetValues<BoxLayout>() select new Coordinates(unit.Range, layout)];

    /// <summary>
    /// Reads names such as "pixels-xyxy", "unit-xywh", "percent-xyxy" and "thousand-cxcywh"; "0..1", "0..100" and "0..1000"
    /// are accepted as units, too.
    /// </summary>
    /// <exception cref="InputException">The text names no kind of coordinates.</exception>
    public static Coordinates Parse(string text)
    {
        var at = text.LastIndexOf('-');
        if (at > 0 && Enum.TryParse<BoxLayout>(text[(at + 1)..], ignoreCase: true, out var layout) && !char.IsAsciiDigit(text[at + 1]))
            foreach (var (name, range) in Units)
                if (name.Equals(text[..at], StringComparison.OrdinalIgnoreCase)) return new Coordinates(range, layout);
        throw new InputException($"'{text}' is no kind of coordinates; use one of {string.Join(", ", All)}.");
    }

    /// <summary>The declared name, such as "pixels-xyxy".</summary>
    public override string ToString() =>
        $"{Units.First(unit => unit.Range == Range).Name}-{Layout.ToString().ToLowerInvariant()}";

    /// <summary>The box in original pixels, exactly as the numbers say: it may lie outside or have swapped corners.</summary>
    public Box ToPixels(IReadOnlyList<double> n, int width, int height)
    {
        var box = Layout switch
        {
            BoxLayout.Xyxy => new Box(n[0], n[1], n[2], n[3]),
            BoxLayout.Xywh => Box.FromXywh(n[0], n[1], n[2], n[3]),
            _ => Box.FromXywh(n[0] - n[2] / 2, n[1] - n[3] / 2, n[2], n[3]),
        };
        return Range is not { } range ? box : new Box(
            box.Left / range * width, box.Top / range * height, box.Right / range * width, box.Bottom / range * height);
    }
}

/// <summary>Which four numbers describe a box.</summary>
public enum BoxLayout
{
    /// <summary>Left, top, right, bottom.</summary>
    Xyxy,

    /// <summary>Left, top, width, height, as COCO and MS-CXR have it.</summary>
    Xywh,

    /// <summary>Centre x, centre y, width, height, as detection transformers have it.</summary>
    Cxcywh,
}
