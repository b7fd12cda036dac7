using System.Text.RegularExpressions;

namespace Pfmvg.Text;

/// <summary>The text processor "blip_caption" of the original code, which captions and phrases pass through by default.</summary>
/// <remarks>
/// It is kept for reproducible numbers, not for its merits: "2.5 cm" becomes "2 5 cm" and a report loses what follows its
/// 50th word, so callers count the cuts. Letters are lowered one by one; Python differs for U+0130 and a final sigma.
/// </remarks>
public static partial class CaptionNormalizer
{
    /// <summary>
    /// Lower case, each of <c>. ! " ( ) * # : ; ~</c> to a space, runs of white space to one space, none at the ends, and
    /// at most <paramref name="maxWords"/> words. Cut is true when words were lost.
    /// </summary>
    public static (string Text, bool Cut) Normalize(string text, int maxWords = 50)
    {
        var spaced = Punctuation().Replace(text.ToLowerInvariant(), " ");
        var plain = WhiteSpace().Replace(spaced, " ").TrimEnd('\n').Trim(' ');
        var words = plain.Split(' ');
        return words.Length > maxWords ? (string.Join(' ', words[..maxWords]), true) : (plain, false);
    }

    [GeneratedRegex(@"[.!""()*#:;~]")] private static partial Regex Punctuation();

    // A single line feed or tab stays, as in the original. The four separators are white space to Python only.
    [GeneratedRegex(@"[\s\x1c-\x1f]{2,}")] private static partial Regex WhiteSpace();
}
