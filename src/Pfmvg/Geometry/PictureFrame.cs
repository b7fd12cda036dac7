using System.Globalization;
using System.Text.RegularExpressions;

namespace Pfmvg.Geometry;

/// <summary>The size that a picture was resized to before a model answered in its pixels.</summary>
public sealed partial record PictureFrame
{
    /// <summary>How a frame is written.</summary>
    public const string Forms = "448x448 (width x height of the resized picture), longest-1024 or shortest-512 (that side, the other in "
        + "proportion), or scale-0.5";

    private readonly Kind _kind;
    private readonly double _first, _second;

    private PictureFrame(Kind kind, double first, double second = 0) => (_kind, _first, _second) = (kind, first, second);

    private enum Kind
    {
        Fixed,
        Longest,
        Shortest,
        Scale,
    }

    /// <summary>The factor of both sides, where that is what the frame says.</summary>
    internal double? Factor => _kind == Kind.Scale ? _first : null;

    /// <summary>Every picture was made so wide and high, whatever its shape.</summary>
    public static PictureFrame Fixed(int width, int height) => new(Kind.Fixed, width, height);

    /// <summary>The longer side got this length, the other one kept its proportion.</summary>
    public static PictureFrame Longest(int side) => new(Kind.Longest, side);

    /// <summary>The shorter side got this length, the other one kept its proportion.</summary>
    public static PictureFrame Shortest(int side) => new(Kind.Shortest, side);

    /// <summary>Both sides were multiplied by a factor.</summary>
    public static PictureFrame Scaled(double factor) => new(Kind.Scale, factor);

    /// <summary>Reads a frame as <see cref="ToString"/> writes it.</summary>
    /// <exception cref="InputException">The text names no frame.</exception>
    public static PictureFrame Parse(string text)
    {
        var match = Form().Match(text);
        if (match.Groups["width"] is { Success: true } && Side("width") is { } width && Side("height") is { } height)
            return Fixed(width, height);
        if (match.Groups["longest"] is { Success: true } && Side("longest") is { } longest) return Longest(longest);
        if (match.Groups["shortest"] is { Success: true } && Side("shortest") is { } shortest) return Shortest(shortest);
        if (match.Groups["scale"] is { Success: true } scale
            && double.Parse(scale.ValueSpan, CultureInfo.InvariantCulture) is > 0 and <= 100 and var factor) return Scaled(factor);
        throw new InputException($"'{text}' is no frame; write {Forms}.");

        int? Side(string name) => int.Parse(match.Groups[name].ValueSpan, CultureInfo.InvariantCulture) is > 0 and var side ? side : null;
    }

    /// <summary>Width and height of a picture of the given size in this frame.</summary>
    public (double Width, double Height) SizeOf(int width, int height)
    {
        if (_kind == Kind.Fixed) return (_first, _second);
        var factor = _kind switch
        {
            Kind.Longest => _first / Math.Max(width, height),
            Kind.Shortest => _first / Math.Min(width, height),
            _ => _first,
        };
        return (factor * width, factor * height);
    }

    /// <summary>As it is written on the command line.</summary>
    public override string ToString() => _kind == Kind.Fixed ? FormattableString.Invariant($"{_first}x{_second}")
        : FormattableString.Invariant($"{_kind.ToString().ToLowerInvariant()}-{_first}");

    [GeneratedRegex(@"^(?:(?<width>[0-9]{1,6}) ?[x×] ?(?<height>[0-9]{1,6})"
        + @"|longest-(?<longest>[0-9]{1,6})|shortest-(?<shortest>[0-9]{1,6})"
        + @"|scale-(?<scale>[0-9]{1,3}(?:\.[0-9]{1,9})?))$", RegexOptions.IgnoreCase)]
    private static partial Regex Form();
}
