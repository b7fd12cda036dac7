using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Data;

/// <summary>What makes a box in pixels unusable. One rule for preparing, checking, reading and scoring.</summary>
internal static class BoxRules
{
    /// <summary>Edges may leave the picture by this many pixels: annotations and other programs round.</summary>
    public const double Tolerance = 0.5;

    /// <summary>What is wrong with a box of a picture of the given size in pixels.</summary>
    public static Flaw FlawOf(Box box, int width, int height) =>
        !IsFinite(box) ? Flaw.NotFinite
        : box.Width < 0 || box.Height < 0 ? Flaw.Swapped
        : box.IsEmpty ? Flaw.Empty
        : box.Left < -Tolerance || box.Top < -Tolerance || box.Right > width + Tolerance || box.Bottom > height + Tolerance
            ? Flaw.OutOfRange
        : Flaw.None;

    /// <summary>What is wrong with an annotated box: as <see cref="FlawOf"/>, and it must not be from 0 to 1.</summary>
    public static Flaw FlawOfAnnotation(Box box, int width, int height) =>
        FlawOf(box, width, height) is var flaw && flaw == Flaw.None && box is { Left: >= 0, Top: >= 0, Right: <= 1, Bottom: <= 1 }
            ? Flaw.Normalised : flaw;

    /// <summary>The kind of an annotation's flaw as `pfmvg data check` lists it, for example "box-outside".</summary>
    public static string Name(Flaw flaw) => flaw switch
    {
        Flaw.NotFinite => "box-not-a-number",
        Flaw.Swapped => "box-swapped",
        Flaw.Empty => "box-empty",
        Flaw.Normalised => "box-normalised",
        Flaw.OutOfRange => "box-outside",
        _ => throw new ArgumentOutOfRangeException(nameof(flaw)),
    };

    /// <summary>What is wrong with an annotated box, as a clause; null when nothing is.</summary>
    public static string? Problem(Box box, int width, int height) => FlawOfAnnotation(box, width, height) switch
    {
        Flaw.None => null,
        Flaw.NotFinite => "a box has an edge that is not a number",
        Flaw.Swapped => $"the corners of a box are swapped ({Text(box)})",
        Flaw.Empty => $"a box is empty ({Text(box)})",
        Flaw.Normalised => $"a box has coordinates from 0 to 1 where pixels are wanted ({Text(box)})",
        _ => $"a box lies outside its picture of {width} x {height} pixels ({Text(box)}{Likely(box, width, height)})",
    };

    /// <summary>Whether all edges are numbers.</summary>
    internal static bool IsFinite(Box box) =>
        double.IsFinite(box.Left) && double.IsFinite(box.Top) && double.IsFinite(box.Right) && double.IsFinite(box.Bottom);

    /// <summary>What a box that lies outside was perhaps meant to be.</summary>
    private static string Likely(Box box, int width, int height) =>
        FlawOfAnnotation(new Box(box.Left, box.Top, box.Width, box.Height), width, height) == Flaw.None
            ? "; read as left, top, right, bottom it would lie inside"
        : FlawOfAnnotation(new Box(box.Top, box.Left, box.Bottom, box.Right), width, height) == Flaw.None
            ? "; with x and y exchanged it would lie inside"
        : "";

    private static string Text(Box box) =>
        FormattableString.Invariant($"left {box.Left}, top {box.Top}, right {box.Right}, bottom {box.Bottom}");
}
