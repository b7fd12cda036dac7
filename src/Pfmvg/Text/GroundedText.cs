using System.Text.RegularExpressions;

namespace Pfmvg.Text;

/// <summary>
/// A text whose phrases carry boxes, as MiniGPT-v2 answers <c>[grounding]</c> and <c>[detection]</c>:
/// <c>&lt;p&gt;phrase&lt;/p&gt; {&lt;x1&gt;&lt;y1&gt;&lt;x2&gt;&lt;y2&gt;}</c>, several boxes joined by <c>&lt;delim&gt;</c>.
/// </summary>
/// <remarks>Reading takes time linear in the length of the answer.</remarks>
/// <param name="Plain">The words alone.</param>
/// <param name="Phrases">The phrases with their boxes on the grid, raw.</param>
internal sealed partial record GroundedText(string Plain, IReadOnlyList<(string Phrase, IReadOnlyList<GridBox> Boxes)> Phrases)
{
    /// <summary>Reads an answer; one without tags is its own words.</summary>
    public static GroundedText Parse(string answer) => new(
        Spaces().Replace(Marks().Replace(answer, " "), " ").Replace(" .", ".", StringComparison.Ordinal)
            .Replace(" ,", ",", StringComparison.Ordinal).Trim(),
        [.. Tagged().Matches(answer).Select(match =>
            (match.Groups[1].Value.Trim(), BoxCodec.Parse(match.Groups[2].Value).Boxes))]);

    /// <summary>Writes sentences, those with boxes tagged; each ends with a full stop.</summary>
    /// <param name="sentences">The words, and their boxes as <see cref="BoxCodec"/> writes them, or nothing.</param>
    public static string Write(IEnumerable<(string Words, string Boxes)> sentences) => string.Join(' ', sentences.Select(sentence =>
        sentence.Boxes.Length == 0 ? $"{Words(sentence.Words)}." : $"{Tag(sentence.Words, sentence.Boxes)}."));

    /// <summary>A phrase with its boxes.</summary>
    public static string Tag(string words, string boxes) => $"<p>{Words(words)}</p> {boxes}";

    // A sentence keeps its full stop behind its boxes, and no word looks like a tag.
    private static string Words(string text) => text.Replace('<', ' ').TrimEnd('.', ' ');

    [GeneratedRegex(@"<p>([^<]*)</p>((?:\s*\{(?:<[0-9]{1,3}>){4}\}(?:\s*<delim>)?)*)", RegexOptions.CultureInvariant)]
    private static partial Regex Tagged();

    [GeneratedRegex(@"</?p>|\{(?:<[0-9]{1,3}>){4}\}|<delim>", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Marks();

    [GeneratedRegex(@"\s+")] private static partial Regex Spaces();
}
