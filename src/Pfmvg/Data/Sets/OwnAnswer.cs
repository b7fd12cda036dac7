using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>The boxes that stand in an answer of a user's file.</summary>
/// <param name="Boxes">The numbers as written.</param>
/// <param name="IsPercent">They are in MiniGPT-v2's notation, which is 0 to 100.</param>
/// <param name="Problem">Why the answer is none of boxes; null when it is.</param>
internal sealed partial record OwnAnswer(IReadOnlyList<Box> Boxes, bool IsPercent, string? Problem)
{
    /// <summary>
    /// Reads [{"bbox_2d": [...], "label": ...}], lists of four numbers with ';' or ',' between them, MiniGPT-v2's
    /// {&lt;x1&gt;&lt;y1&gt;&lt;x2&gt;&lt;y2&gt;}, and `[]` or `none` for no box. Nothing else may stand in the answer.
    /// </summary>
    public static OwnAnswer Read(string answer, string phrase)
    {
        var text = answer.Trim();
        if (text is "[]" || text.TrimEnd('.').Equals("none", StringComparison.OrdinalIgnoreCase)) return new OwnAnswer([], false, null);
        if (Bracketed().Match(text) is { Success: true } lists) return new OwnAnswer(Numbers(lists), false, null);
        if (MiniGpt().Match(text) is { Success: true } grid)
            return grid.Groups["of"].Success && grid.Groups["of"].Value.Trim() != phrase.Trim()
                ? Wrong("the answer is about another phrase than the question") : new OwnAnswer(Numbers(grid), true, null);
        using var json = JsonText.Parse(Encoding.UTF8.GetBytes(text), out _);
        if (json is not null)
        {
            if (OwnRows.Boxes(json.RootElement) is { } plain) return new OwnAnswer(plain, false, null);
            if (json.RootElement.ValueKind == JsonValueKind.Array
                && json.RootElement.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Object))
            {
                var objects = json.RootElement.EnumerateArray().Select(item => (
                    Box: OwnRows.Boxes(item.Member("bbox_2d")) is [var box] ? box : (Box?)null,
                    Label: item.TextOf("label"))).ToList();
                return objects.Exists(item => item.Box is null) ? Wrong("an object of the answer has no 'bbox_2d' of four numbers")
                    : objects.Exists(item => item.Label is not null && item.Label.Trim() != phrase.Trim())
                        ? Wrong("a label of the answer is another phrase than the question's")
                    : new OwnAnswer([.. objects.Select(item => item.Box!.Value)], false, null);
            }
        }

        return Wrong("the answer is neither boxes nor 'none' or '[]'");

        static OwnAnswer Wrong(string problem) => new([], false, problem);
    }

    private static List<Box> Numbers(Match match)
    {
        var numbers = match.Groups["n"].Captures.Select(n => double.Parse(n.Value, CultureInfo.InvariantCulture)).ToList();
        return [.. numbers.Chunk(4).Select(n => new Box(n[0], n[1], n[2], n[3]))];
    }

    [GeneratedRegex(@"\A(?:\[\s*(?:(?<n>-?[0-9]+(?:\.[0-9]+)?)\s*(?:,\s*(?!\])|(?=\]))){4}\]\s*(?:[;,]\s*)?)+\z")]
    private static partial Regex Bracketed();

    [GeneratedRegex(@"\A(?:<p>(?<of>.*)</p>\s*)?(?:\{(?:<(?<n>[0-9]{1,3})>){4}\}\s*(?:<delim>\s*)?)+\z")]
    private static partial Regex MiniGpt();
}
