namespace Pfmvg.Geometry;

/// <summary>An axis-aligned bounding box with continuous edges. The unit (pixels or the 0-100 grid) is the context's.</summary>
/// <param name="Left">x of the left edge.</param>
/// <param name="Top">y of the top edge; y grows downwards.</param>
/// <param name="Right">x of the right edge.</param>
/// <param name="Bottom">y of the bottom edge.</param>
public readonly record struct Box(double Left, double Top, double Right, double Bottom)
{
    /// <summary>A box from its corner and its size, as MS-CXR and COCO write it.</summary>
    public static Box FromXywh(double x, double y, double width, double height) => new(x, y, x + width, y + height);

    /// <summary>Right minus left; negative when the corners are swapped.</summary>
    public double Width => Right - Left;

    /// <summary>Bottom minus top; negative when the corners are swapped.</summary>
    public double Height => Bottom - Top;

    /// <summary>True when the box covers nothing: a side of zero, or swapped corners.</summary>
    public bool IsEmpty => !(Right > Left && Bottom > Top);

    /// <summary>Width times height; 0 for an empty box.</summary>
    public double Area => IsEmpty ? 0 : Width * Height;

    /// <summary>The common part of two boxes; empty when they do not meet.</summary>
    public Box Intersect(Box other) => new(
        Math.Max(Left, other.Left), Math.Max(Top, other.Top), Math.Min(Right, other.Right), Math.Min(Bottom, other.Bottom));

    /// <summary>The same box with every x multiplied by one factor and every y by another.</summary>
    public Box Scale(double x, double y) => new(Left * x, Top * y, Right * x, Bottom * y);

    /// <summary>The same box moved.</summary>
    public Box Move(double x, double y) => new(Left + x, Top + y, Right + x, Bottom + y);
}
