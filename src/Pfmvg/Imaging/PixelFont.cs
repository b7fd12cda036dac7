using SkiaSharp;

namespace Pfmvg.Imaging;

/// <summary>
/// Letters of 5 x 7 pixels, because a machine may have no fonts at all. Capitals, digits and marks; small letters are drawn
/// as capitals, everything else as a question mark.
/// </summary>
internal static class PixelFont
{
    /// <summary>Width of a letter with its gap, in pixels at scale 1.</summary>
    public const int Advance = 6;

    /// <summary>Height of a line with its gap, in pixels at scale 1.</summary>
    public const int LineHeight = 9;

    private const string Digits = "0123456789abcdefghijklmnopqrstuv";

    /// <summary>Seven rows of five pixels, each row a digit to base 32, the left pixel the highest bit.</summary>
    private static readonly Dictionary<char, string> Rows = new()
    {
        ['A'] = "ehhvhhh", ['B'] = "uhhuhhu", ['C'] = "ehggghe", ['D'] = "sihhhis", ['E'] = "vgguggv", ['F'] = "vgguggg", ['G'] = "ehgnhhf",
        ['H'] = "hhhvhhh", ['I'] = "e44444e", ['J'] = "72222ic", ['K'] = "hikokih", ['L'] = "ggggggv", ['M'] = "hrllhhh", ['N'] = "hhpljhh",
        ['O'] = "ehhhhhe", ['P'] = "uhhuggg", ['Q'] = "ehhhlid", ['R'] = "uhhukih", ['S'] = "fgge11u", ['T'] = "v444444", ['U'] = "hhhhhhe",
        ['V'] = "hhhhha4", ['W'] = "hhhllla", ['X'] = "hha4ahh", ['Y'] = "hhha444", ['Z'] = "v1248gv", ['0'] = "ehjlphe", ['1'] = "4c4444e",
        ['2'] = "eh1248v", ['3'] = "v2421he", ['4'] = "26aiv22", ['5'] = "vgu11he", ['6'] = "68guhhe", ['7'] = "v124888", ['8'] = "ehhehhe",
        ['9'] = "ehhf12c", [' '] = "0000000", ['.'] = "00000cc", [','] = "0000c48", [':'] = "0cc0cc0", [';'] = "0cc0c48", ['-'] = "000v000",
        ['_'] = "000000v", ['/'] = "01248g0", ['('] = "2488842", [')'] = "8422248", ['<'] = "248g842", ['>'] = "8421248", ['{'] = "2448442",
        ['}'] = "8442448", ['%'] = "op248j3", ['#'] = "aavavaa", ['\''] = "c480000", ['"'] = "aaa0000", ['!'] = "4444004",
        ['?'] = "eh12404", ['+'] = "044v440", ['='] = "00v0v00", ['*'] = "04lel40", ['&'] = "cik8lid",
    };

    /// <summary>Draws one line.</summary>
    /// <param name="canvas">Where.</param>
    /// <param name="text">What.</param>
    /// <param name="x">Left edge.</param>
    /// <param name="y">Upper edge.</param>
    /// <param name="scale">Size of a pixel of a letter.</param>
    /// <param name="color">Of the letters.</param>
    public static void Draw(SKCanvas canvas, string text, float x, float y, float scale, SKColor color)
    {
        using var paint = new SKPaint { Color = color };
        foreach (var letter in text.ToUpperInvariant())
        {
            var rows = Rows.GetValueOrDefault(letter) ?? Rows['?'];
            for (var row = 0; row < rows.Length; row++)
            {
                var bits = Digits.IndexOf(rows[row], StringComparison.Ordinal);
                for (var column = 0; column < 5; column++)
                    if ((bits >> (4 - column) & 1) != 0) canvas.DrawRect(x + column * scale, y + row * scale, scale, scale, paint);
            }

            x += Advance * scale;
        }
    }

    /// <summary>Breaks a text at spaces into lines of at most so many letters; what does not fit into the last line is cut.</summary>
    public static IReadOnlyList<string> Wrap(string text, int letters, int mostLines)
    {
        var lines = new List<string>();
        var line = "";
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > letters)
            {
                lines.Add(line);
                line = "";
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        lines.Add(line);
        if (lines.Count > mostLines)
        {
            lines.RemoveRange(mostLines, lines.Count - mostLines);
            lines[^1] += " ...";
        }

        return [.. lines.Select(one => one.Length <= letters ? one : letters > 3 ? one[..(letters - 3)] + "..." : one[..letters])];
    }
}
