using System.Globalization;
using System.Text;

namespace Pfmvg.Weights;

/// <summary>How a weight file is refused. Text from the file is shown without its control characters.</summary>
internal static class Refusal
{
    /// <summary>"file: problem; what to do."</summary>
    public static InputException ForFile(
        string path, string problem, string advice = "the file is damaged or incomplete: fetch it again") =>
        new($"{path}: {problem}; {advice}.");

    /// <summary>A name from a file, safe to print on a terminal and of bounded length.</summary>
    public static string Show(string name, int limit = 120)
    {
        var shown = new StringBuilder(Math.Min(name.Length, limit));
        foreach (var character in name)
        {
            if (shown.Length >= limit) return shown.Append("...").ToString();
            // Formatting characters (Cf) can reverse or hide the rest of a line, as control characters can.
            var unsafeToPrint = char.IsControl(character) || char.IsSurrogate(character)
                || char.GetUnicodeCategory(character)
                    is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
            if (unsafeToPrint) shown.Append($"\\u{(int)character:x4}");
            else shown.Append(character);
        }

        return shown.ToString();
    }
}
