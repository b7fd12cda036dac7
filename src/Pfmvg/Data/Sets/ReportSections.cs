using System.Text;
using System.Text.RegularExpressions;

namespace Pfmvg.Data.Sets;

/// <summary>Takes sections out of a radiology report as MIMIC-CXR has it.</summary>
/// <remarks>
/// A header is a line that begins with a section's usual name and a colon in any letter case, or holds nothing but the name;
/// or with other upper-case words and a colon. Sections may occur again, in an addendum for example; the last one with text
/// counts. Lines are joined, and `___`, which marks removed names and dates, is taken out.
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
        var sections = Split(report.Contains('\n', StringComparison.Ordinal) ? MainHeaderInLine().Replace(report, "\n")
            : HeaderInLine().Replace(MainHeaderInLine().Replace(report, "\n"), "\n"));
        var found = (wanted ?? Wanted).Select(name => sections.FindLastIndex(section => section.Names.Contains(name)))
            .Where(i => i >= 0).Distinct().Select(i => sections[i]).ToList();
        if (found.Count > 0 && wanted is null && !found.Exists(section => section.Names.Contains("FINDINGS"))
            && sections.FindLast(section => section.Names.Contains(SectionNames.View)) is { Text: not null } view) found.Insert(0, view);
        var used = found.Count > 0 ? found : sections.Where(section => !SectionNames.AreAdministrative(section.Names));
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
            else if (HeaderOf(line) is var (next, length))
            {
                Close(next);
                body.Append(line.AsSpan(length)).Append('\n');
            }
            else if (line.Trim().Length > 0) body.Append(line).Append('\n');
            else if (SectionNames.AreAdministrative(names) && !names.Contains(SectionNames.WetRead) && Tidy(body.ToString()).Length > 0)
                Close([]); // a history is one paragraph; what follows it is not history
        }

        Close([]);
        return sections;

        (IReadOnlyList<string> Names, int Length)? HeaderOf(string line)
        {
            if (AnyHeader().Match(line) is { Success: true } header
                && SectionNames.Of(header.Groups["name"].Value, mistyped: true) is { } known)
                return (known, header.Length);
            if (SectionNames.Of(line.Trim(), mistyped: false) is { } alone && (SectionNames.MayStandAlone(alone)
                || names.Count == 0 && alone.Contains(SectionNames.View)
                || line.TrimStart().StartsWith(SectionNames.WetRead, StringComparison.Ordinal))) return (alone, line.Length);
            // LINES: or HEART: within the findings divides them; after a history it ends the history, and stays as text
            return Header().IsMatch(line) && SectionNames.AreAdministrative(names) ? ([], 0) : null;
        }

        void Close(IReadOnlyList<string> next)
        {
            var text = Tidy(body.ToString());
            if (text.Length > 0) sections.Add((names, text));
            body.Clear();
            names = next;
        }
    }

    private static string Tidy(string text)
    {
        text = Spaces().Replace(Removed().Replace(text, " "), " ");
        return StrandedComma().Replace(SpaceBeforeMark().Replace(text, "$1"), "$1").Trim();
    }

    [GeneratedRegex(@"^ *(FINAL REPORT|FINAL ADDENDUM|PRELIMINARY REPORT|ADDENDUM) *$")]
    private static partial Regex Title();

    [GeneratedRegex(@"^ *(?<name>[A-Z][A-Z ()/&,-]*[A-Z)]):(?=\s|$)")] private static partial Regex Header();

    [GeneratedRegex(@"^ *(?<name>[A-Za-z][A-Za-z ()/&,-]*[A-Za-z)]) ?:(?=\s|$)")] private static partial Regex AnyHeader();

    /// <summary>The findings and the impression may begin within a line, after a sentence or a gap.</summary>
    [GeneratedRegex(@"(?<=[.!?:;_)\]]\s+|\s{2,})(?=(?:FINDINGS?(?: ?(?:AND|/) ?IMPRESSION)?|IMPRESSIONS?|CONCLUSIONS?"
        + @"|(?<=[.!?_]\s+)(?:Findings|Impression|Conclusion)):(?:\s|$))")]
    private static partial Regex MainHeaderInLine();

    /// <summary>Reports that were squeezed into one line still have their headers.</summary>
    [GeneratedRegex(@"(?<=\S)(?<!CLINICAL|PATIENT|AND|/)\s+(?=(?:FINAL REPORT|EXAMINATION:|(?:CLINICAL )?INDICATION:|(?:CLINICAL )?HISTORY:"
        + @"|REASON FOR EXAM(?:INATION)?:|TECHNIQUE:|COMPARISONS?:|FINDINGS?:|IMPRESSIONS?:|CONCLUSIONS?:|NOTIFICATION:"
        + @"|RECOMMENDATION(?:S|\(S\))?:))")]
    private static partial Regex HeaderInLine();

    [GeneratedRegex("_{2,}")] private static partial Regex Removed();

    [GeneratedRegex(" ([.,;:?!])")] private static partial Regex SpaceBeforeMark();

    /// <summary>Commas that stood between removed words.</summary>
    [GeneratedRegex("[,;]+([.,;:?!])")] private static partial Regex StrandedComma();

    [GeneratedRegex(@"\s+")] private static partial Regex Spaces();
}
