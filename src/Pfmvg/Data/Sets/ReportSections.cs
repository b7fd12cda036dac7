using System.Text;
using System.Text.RegularExpressions;

namespace Pfmvg.Data.Sets;

/// <summary>Takes sections out of a radiology report as MIMIC-CXR has it.</summary>
/// <remarks>
/// A header is a line that starts with upper-case words and a colon. Sections may occur again, in an addendum for example;
/// the last one with text counts. Lines are joined, and `___`, which marks removed names and dates, is taken out.
/// </remarks>
internal static partial class ReportSections
{
    /// <summary>What a caption is made of when nothing else is asked for.</summary>
    public static IReadOnlyList<string> Wanted { get; } = ["FINDINGS", "IMPRESSION"];

    /// <summary>The wanted sections one after the other; without any of them, all text that may describe the picture.</summary>
    /// <param name="report">The report.</param>
    /// <param name="wanted">Names of sections in upper case, in the order wanted.</param>
    /// <returns>One paragraph; empty when the report has no such text.</returns>
    public static string Extract(string report, IReadOnlyList<string>? wanted = null)
    {
        var sections = Split(report.Contains('\n', StringComparison.Ordinal) ? report : HeaderInLine().Replace(report, "\n"));
        var found = (wanted ?? Wanted).Select(name => sections.FindLastIndex(section => section.Names.Contains(name)))
            .Where(i => i >= 0).Distinct().Select(i => sections[i]).ToList();
        var used = found.Count > 0 ? found : sections.Where(section => !Administrative(section.Names));
        return string.Join(' ', used.Select(section => section.Text));
    }

    /// <summary>Sections with text, in their order; text under no header has no names.</summary>
    private static List<(IReadOnlyList<string> Names, string Text)> Split(string report)
    {
        var sections = new List<(IReadOnlyList<string>, string)>();
        IReadOnlyList<string> names = [];
        var body = new StringBuilder();
        foreach (var line in report.ReplaceLineEndings("\n").Split('\n'))
        {
            if (Title().IsMatch(line)) Close([]);
            else if (Header().Match(line) is { Success: true } header)
            {
                Close([.. header.Groups["name"].Value.Split(["/", "&", " AND "], StringSplitOptions.TrimEntries).Select(Usual)]);
                body.Append(line.AsSpan(header.Length)).Append('\n');
            }
            else if (line.Trim().Length > 0) body.Append(line).Append('\n');
            else if (Administrative(names) && Tidy(body.ToString()).Length > 0)
                Close([]); // a history is one paragraph; what follows it is not history
        }

        Close([]);
        return sections;

        void Close(IReadOnlyList<string> next)
        {
            var text = Tidy(body.ToString());
            if (text.Length > 0) sections.Add((names, text));
            body.Clear();
            names = next;
        }
    }

    private static string Usual(string name) => name switch
    {
        "FINDING" => "FINDINGS",
        "IMPRESSIONS" or "CONCLUSION" or "CONCLUSIONS" => "IMPRESSION",
        _ => name,
    };

    /// <summary>Sections that do not describe the picture, so they never stand in for missing findings.</summary>
    private static bool Administrative(IReadOnlyList<string> names) => names.Any(name => name is
        "EXAMINATION" or "EXAM" or "INDICATION" or "HISTORY"
        or "CLINICAL HISTORY" or "CLINICAL INFORMATION" or "CLINICAL INDICATION" or "REASON FOR EXAM"
        or "REASON FOR EXAMINATION" or "TECHNIQUE" or "COMPARISON" or "COMPARISONS" or "NOTIFICATION" or "TYPE OF EXAMINATION");

    private static string Tidy(string text)
    {
        text = Spaces().Replace(Removed().Replace(text, " "), " ");
        return StrandedComma().Replace(SpaceBeforeMark().Replace(text, "$1"), "$1").Trim();
    }

    [GeneratedRegex(@"^ *(FINAL REPORT|FINAL ADDENDUM|WET READ(?: VERSION.*)?|PRELIMINARY REPORT|ADDENDUM) *$")]
    private static partial Regex Title();

    [GeneratedRegex(@"^ *(?<name>[A-Z][A-Z ()/&,-]*[A-Z)]):(?=\s|$)")] private static partial Regex Header();

    /// <summary>Reports that were squeezed into one line still have their headers.</summary>
    [GeneratedRegex(@"(?<=\S)\s+(?=(?:FINAL REPORT|EXAMINATION:|(?:CLINICAL )?INDICATION:|(?:CLINICAL )?HISTORY:"
        + @"|REASON FOR EXAM(?:INATION)?:|TECHNIQUE:|COMPARISONS?:|FINDINGS?:|IMPRESSIONS?:|CONCLUSIONS?:|NOTIFICATION:"
        + @"|RECOMMENDATIONS?:))")]
    private static partial Regex HeaderInLine();

    [GeneratedRegex("_{2,}")] private static partial Regex Removed();

    [GeneratedRegex(" ([.,;:?!])")] private static partial Regex SpaceBeforeMark();

    /// <summary>Commas that stood between removed words.</summary>
    [GeneratedRegex("[,;]+([.,;:?!])")] private static partial Regex StrandedComma();

    [GeneratedRegex(@"\s+")] private static partial Regex Spaces();
}
