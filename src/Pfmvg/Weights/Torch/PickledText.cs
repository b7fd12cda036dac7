using System.Globalization;
using System.Text;

namespace Pfmvg.Weights.Torch;

/// <summary>Text and numbers as protocol 0 writes them: lines with Python's escapes.</summary>
internal static class PickledText
{
    /// <summary>Replaces the escapes; one that is not known stays as it is, as in Python.</summary>
    /// <param name="text">Without its quotes.</param>
    /// <param name="unicodeOnly">Whether only \u and \U count (raw-unicode-escape).</param>
    public static string Unescape(string text, bool unicodeOnly)
    {
        if (!text.Contains('\\', StringComparison.Ordinal)) return text;
        var plain = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] != '\\' || at + 1 == text.Length)
            {
                plain.Append(text[at]);
                continue;
            }

            var kind = text[++at];
            var digits = kind switch { 'u' => 4, 'U' => 8, 'x' when !unicodeOnly => 2, _ => 0 };
            if (digits > 0 && at + digits < text.Length && uint.TryParse(text.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture, out var code))
            {
                plain.Append(Rune.TryCreate(code, out var rune) ? rune.ToString() : "\uFFFD");
                at += digits;
            }
            else if (!unicodeOnly && kind switch { 'n' => '\n', 'r' => '\r', 't' => '\t', '\\' or '\'' or '"' => kind, _ => '\0' } is > '\0'
                and var escaped) plain.Append(escaped);
            else plain.Append('\\').Append(kind);
        }

        return plain.ToString();
    }

    /// <summary>A number as Python's repr writes it; null when it is none.</summary>
    public static double? Number(string text) => text switch
    {
        "inf" => double.PositiveInfinity,
        "-inf" => double.NegativeInfinity,
        "nan" => double.NaN,
        _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null,
    };
}
