namespace Pfmvg.Geometry;

/// <summary>What the numbers of a box from another program mean. It is declared once for a file and never guessed.</summary>
/// <param name="Range">The number that stands for the picture's far edge: 1, 100 or 1000; null for pixels of the original picture.</param>
/// <param name="Layout">Which four numbers they are.</param>
public sealed record Coordinates(int? Range, BoxLayout Layout)
{
    private static readonly (string Name, int? Range)[] Units =
        [("pixels", null), ("unit", 1), ("percent", 100), ("thousand", 1000), ("0..1", 1), ("0..100", 100), ("0..1000", 1000)];

    /// <summary>The size that a pixel of these coordinates belongs to; null for the original picture.</summary>
    public PictureFrame? Frame { get; init; }

    /// <summary>Every combination there is without a frame, for help texts and for naming the likely one.</summary>
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

    /// <summary>The declared name, such as "pixels-xyxy" or "pixels-xyxy of 448x448".</summary>
    public override string ToString() =>
        $"{Units.First(unit => unit.Range == Range).Name}-{Layout.ToString().ToLowerInvariant()}{(Frame is null ? "" : $" of {Frame}")}";

    /// <summary>The same boxes in pixels of a resized picture.</summary>
    /// <param name="frame">The size; null leaves the original picture.</param>
    /// <exception cref="InputException">The numbers are no pixels.</exception>
    public Coordinates In(PictureFrame? frame) => frame is null ? this
        : Range is null ? this with { Frame = frame }
        : throw new InputException($"A frame of {frame} belongs to pixels, but the boxes are declared as {this}; leave the frame out, or "
            + $"declare {this with { Range = null }}.");

    /// <summary>The box in original pixels, exactly as the numbers say: it may lie outside or have swapped corners.</summary>
    public Box ToPixels(IReadOnlyList<double> n, int width, int height)
    {
        var box = Layout switch
        {
            BoxLayout.Xyxy => new Box(n[0], n[1], n[2], n[3]),
            BoxLayout.Xywh => Box.FromXywh(n[0], n[1], n[2], n[3]),
            BoxLayout.Yxyx => new Box(n[1], n[0], n[3], n[2]),
            _ => Box.FromXywh(n[0] - n[2] / 2, n[1] - n[3] / 2, n[2], n[3]),
        };
        if (Frame is { } frame)
        {
            var (across, down) = frame.SizeOf(width, height);
            return box.Scale(width / across, height / down);
        }

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

    /// <summary>Top, left, bottom, right: y first, as Gemini and PaliGemma have it.</summary>
    Yxyx,
}
