using Pfmvg.Geometry;

namespace Pfmvg.Cli.Serving.Chat;

/// <summary>What clients call the parts of an answer in their schemas.</summary>
internal static class SchemaNames
{
    /// <summary>Letters and digits alone, in lower case: image_width and imageWidth are one name.</summary>
    public static string Plain(string name) => string.Concat(name.Where(char.IsLetterOrDigit)).ToLowerInvariant();

    public static bool IsBox(string name) => Plain(name) is var plain
        && (plain.Contains("box", StringComparison.Ordinal) || plain is "xyxy" or "coordinates" or "region" or "location");

    public static bool IsConfidence(string name) => Plain(name) is "confidence" or "confidences" or "score" or "scores" or "probability";

    public static bool IsSize(string name) => Plain(name) is "imagesize" or "size" or "picturesize";

    public static bool IsPhrase(string name) => Plain(name) is "phrase" or "label" or "finding" or "name" or "query" or "object" or "class";

    public static bool IsText(string name) => Plain(name) is "answer" or "text" or "raw" or "content";

    /// <summary>Which number of a box is meant; null when none is.</summary>
    public static Func<Box, double>? Edge(string name) => Plain(name) switch
    {
        "left" or "x1" or "xmin" or "x0" or "x" => box => box.Left,
        "top" or "y1" or "ymin" or "y0" or "y" => box => box.Top,
        "right" or "x2" or "xmax" => box => box.Right,
        "bottom" or "y2" or "ymax" => box => box.Bottom,
        "width" or "w" => box => box.Right - box.Left,
        "height" or "h" => box => box.Bottom - box.Top,
        _ => null,
    };
}
