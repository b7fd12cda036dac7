using Pfmvg.Geometry;

namespace Pfmvg.Text;

/// <summary>
/// A box as an answer writes it: corners on the grid that divides width and height of the picture into 100 parts. Raw:
/// a model may write numbers above 100 or swap the corners.
/// </summary>
/// <param name="X1">Left, hundredths of the width.</param>
/// <param name="Y1">Top, hundredths of the height.</param>
/// <param name="X2">Right, hundredths of the width.</param>
/// <param name="Y2">Bottom, hundredths of the height.</param>
public readonly record struct GridBox(int X1, int Y1, int X2, int Y2)
{
    /// <summary>What is wrong with this box: None, OutOfRange, Swapped or Empty (the first that applies).</summary>
    public Flaw Flaw =>
        Outside(X1) || Outside(Y1) || Outside(X2) || Outside(Y2) ? Flaw.OutOfRange :
        X1 > X2 || Y1 > Y2 ? Flaw.Swapped :
        X1 == X2 || Y1 == Y2 ? Flaw.Empty : Flaw.None;

    /// <summary>The box in pixels of a picture: n / 100 * size.</summary>
    /// <param name="width">Width of the picture in pixels.</param>
    /// <param name="height">Height of the picture in pixels.</param>
    /// <param name="sortAndClamp">
    /// Repair the box: numbers above 100 count as 100 and swapped corners are put in order. Without it a swapped box is
    /// empty and a box may leave the picture.
    /// </param>
    /// <param name="reading">Which place of its hundredth a number names.</param>
    public Box ToPixels(int width, int height, bool sortAndClamp, BoxReading reading = BoxReading.Written)
    {
        var (x1, y1, x2, y2) = (X1, Y1, X2, Y2);
        if (sortAndClamp)
        {
            (x1, x2) = Sorted(Math.Clamp(x1, 0, 100), Math.Clamp(x2, 0, 100));
            (y1, y2) = Sorted(Math.Clamp(y1, 0, 100), Math.Clamp(y2, 0, 100));
        }

        return new Box(Share(x1) * width, Share(y1) * height, Share(x2) * width, Share(y2) * height);

        // 100 is no truncated number: only the edge of the picture gives it.
        double Share(int n) => (reading == BoxReading.Middle && n < 100 ? n + 0.5 : n) / 100.0;

        static (int, int) Sorted(int a, int b) => (Math.Min(a, b), Math.Max(a, b));
    }

    /// <summary>As it stands in an answer: <c>{&lt;x1&gt;&lt;y1&gt;&lt;x2&gt;&lt;y2&gt;}</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{{<{X1}><{Y1}><{X2}><{Y2}>}}");

    private static bool Outside(int value) => value is < 0 or > 100;
}

/// <summary>Which place of its hundredth a number of an answer names. Where targets are truncated, a number stands for all of it.</summary>
public enum BoxReading
{
    /// <summary>Its beginning: n / 100, as published.</summary>
    Written,

    /// <summary>Its middle: (n + 0.5) / 100, and 1 for 100. Half a hundredth nearer to where the true corners are on average.</summary>
    Middle,
}

/// <summary>Which whole number of hundredths a target has for a corner of its box.</summary>
public enum BoxWriting
{
    /// <summary>The one below it, as published.</summary>
    Truncated,

    /// <summary>The nearest one, the upper of two that are equally near. Read as published it is right on average.</summary>
    Rounded,
}
