using Pfmvg.Geometry;

namespace Pfmvg.Data;

/// <summary>What makes an annotated box unusable. One rule for preparing, checking and reading.</summary>
public static class BoxRules
{
    /// <summary>Edges may leave the picture by this many pixels, as rounded annotations do.</summary>
    public const double Tolerance = 0.5;

    /// <summary>The kind of a box's problem.</summary>
    public enum Kind
    {
        /// <summary>None.</summary>
        None,

        /// <summary>An edge is not a number.</summary>
        NotANumber,

        /// <summary>A negative width or height: the corners are swapped.</summary>
        Swapped,

        /// <summary>A width or height of zero.</summary>
        Empty,

        /// <summary>All edges are between 0 and 1: the coordinates were divided by the picture's size.</summary>
        Normalised,

        /// <summary>An edge lies outside the picture.</summary>
        Outside,
    }

    /// <summary>Judges a box of a picture of the given size in pixels.</summary>
    public static Kind Judge(Box box, int width, int height) =>
        !(double.IsFinite(box.Left) && double.IsFinite(box.Top) && double.IsFinite(box.Right) && double.IsFinite(box.Bottom))
            ? Kind.NotANumber
        : box.Width < 0 || box.Height < 0 ? Kind.Swapped
        : box.IsEmpty ? Kind.Empty
        : box.Left >= 0 && box.Top >= 0 && box.Right <= 1 && box.Bottom <= 1 ? Kind.Normalised
        : box.Left < -Tolerance || box.Top < -Tolerance || box.Right > width + Tolerance || box.Bottom > height + Tolerance ? Kind.Outside
        : Kind.None;

    /// <summary>A stable name of a problem, for example "box-outside".</summary>
    public static string Name(Kind kind) => kind switch
    {
        Kind.NotANumber => "box-not-a-number",
        Kind.Swapped => "box-swapped",
        Kind.Empty => "box-empty",
        Kind.Normalised => "box-normalised",
        Kind.Outside => "box-outside",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>The problem as a clause; null when there is none.</summary>
    public static string? Problem(Box box, int width, int height) => Judge(box, width, height) switch
    {
        Kind.None => null,
        Kind.NotANumber => "a box has an edge that is not a number",
        Kind.Swapped => $"the corners of a box are swapped ({Text(box)})",
        Kind.Empty => $"a box is empty ({Text(box)})",
        Kind.Normalised => $"a box has coordinates from 0 to 1 where pixels are wanted ({Text(box)})",
        _ => $"a box lies outside its picture of {width} x {height} pixels ({Text(box)}{Likely(box, width, height)})",
    };

    /// <summary>What a box that lies outside was perhaps meant to be.</summary>
    private static string Likely(Box box, int width, int height) =>
        Judge(new Box(box.Left, box.Top, box.Width, box.Height), width, height) == Kind.None
            ? "; read as left, top, right, bottom it would lie inside"
        : Judge(new Box(box.Top, box.Left, box.Bottom, box.Right), width, height) == Kind.None
            ? "; with x and y exchanged it would lie inside"
        : "";

    private static string Text(Box box) =>
        FormattableString.Invariant($"left {box.Left}, top {box.Top}, right {box.Right}, bottom {box.Bottom}");
}
