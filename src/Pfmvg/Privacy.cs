using System.Text.RegularExpressions;

namespace Pfmvg;

/// <summary>Keeps patient identifiers out of messages.</summary>
internal static partial class Privacy
{
    /// <summary>
    /// A path or message with MIMIC's patient and study numbers (p10000032, s50414267) hidden; the picture's own name
    /// stays, so that its owner finds it.
    /// </summary>
    public static string Mask(string text) => Number().Replace(text, "$1********");

    [GeneratedRegex(@"(?<![A-Za-z0-9])([ps])\d{8}(?![A-Za-z0-9])")] private static partial Regex Number();
}
