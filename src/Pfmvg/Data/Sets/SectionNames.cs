using System.Text.RegularExpressions;

namespace Pfmvg.Data.Sets;

/// <summary>What the headers of radiology reports mean: the radiologists of MIMIC-CXR write them in many ways, and mistype them.</summary>
internal static partial class SectionNames
{
    /// <summary>A section named after its views, as in "CHEST, TWO VIEWS": it holds the findings where no section is called so.</summary>
    public const string View = "VIEW";

    /// <summary>A first reading, which the final report replaces.</summary>
    public const string WetRead = "WET READ";

    private const string Other = "OTHER";

    private static readonly string[] Main = ["FINDINGS", "IMPRESSION", "INDICATION", "COMPARISON", "TECHNIQUE", "EXAMINATION"];

    /// <summary>The sections that a header opens, by their usual names; null when it is no section's.</summary>
    /// <param name="header">The words before the colon.</param>
    /// <param name="mistyped">Take a near miss, too.</param>
    public static IReadOnlyList<string>? Of(string header, bool mistyped)
    {
        var name = Spaces().Replace(header.Trim(), " ").ToUpperInvariant();
        if (name.Length is 0 or > 60) return null;
        var parts = name.Split(["/", "&", " AND "], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(part => Usual(part, header, mistyped)).ToList();
        if (parts.Count > 1
            && parts.TrueForAll(part => part is not null && part is not (Other or View or WetRead)))
            return [.. parts.Select(part => part!)];
        return Usual(name, header, mistyped) is { } single ? [single] : null;
    }

    /// <summary>Sections that do not describe the picture, so they never stand in for missing findings.</summary>
    public static bool AreAdministrative(IReadOnlyList<string> names) => names.Any(name => name is
        Other or WetRead or "EXAMINATION" or "INDICATION" or "HISTORY" or "TECHNIQUE" or "COMPARISON");

    /// <summary>Whether a line with nothing but the name, without a colon, is a header.</summary>
    public static bool MayStandAlone(IReadOnlyList<string> names) => names.All(name => name is not (Other or View));

    private static string? Usual(string name, string header, bool mistyped) => name switch
    {
        "FINDING" or "FINDINGS" or "REFERENCE FINDINGS" => "FINDINGS",
        "IMPRESSION" or "IMPRESSIONS" or "CONCLUSION" or "CONCLUSIONS" or "FINDINGS AND IMPRESSION" => "IMPRESSION",
        "EXAM" or "EXAMINATION" or "TYPE OF EXAM" or "TYPE OF EXAMINATION" or "STUDY" or "PROCEDURE" => "EXAMINATION",
        "INDICATION" or "INDICATIONS" or "CLINICAL INDICATION" or "CLINICAL INDICATIONS" => "INDICATION",
        "HISTORY" or "PFI" or "CLINICAL DATA" or "CLINICAL INFORMATION" or "CLINICAL HISTORY" or "PATIENT HISTORY" => "HISTORY",
        "TECHNIQUE" or "TECHNIQUES" => "TECHNIQUE",
        "NOTIFICATION" or "NOTIFICATIONS" or "RECOMMENDATION" or "RECOMMENDATIONS" or "RECOMMENDATION(S)" or "DATE" or "COMMENT"
            or "COMMENTS" or "ADDENDUM" => Other,
        "WETREAD" => WetRead,
        _ when name.StartsWith(WetRead, StringComparison.Ordinal) => WetRead,
        _ when name.StartsWith("REASON FOR ", StringComparison.Ordinal) => "INDICATION",
        _ when name.StartsWith("COMPARISON", StringComparison.Ordinal) || name.StartsWith("REFERENCE EXAM", StringComparison.Ordinal)
            => "COMPARISON",
        _ when !header.Any(char.IsAsciiLetterLower) && ViewWord().IsMatch(name) => View,
        _ when name.EndsWith(" HISTORY", StringComparison.Ordinal) && name.Split(' ').Length <= 3 => "HISTORY",
        _ => !mistyped ? null : Main.FirstOrDefault(main => name == main[1..] // the same beginning: COMPRESSION is no IMPRESSION
            || name.Length >= 7 && name[0] == main[0] && Distance(name, main) <= (name.Length >= 9 ? 2 : 1)),
    };

    /// <summary>Letters to put in, take out, change or exchange with the next, until one word is the other.</summary>
    private static int Distance(string a, string b)
    {
        var table = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
            for (var j = 0; j <= b.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    table[i, j] = i + j;
                    continue;
                }

                var change = table[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                table[i, j] = Math.Min(change, Math.Min(table[i - 1, j], table[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    table[i, j] = Math.Min(table[i, j], table[i - 2, j - 2] + 1);
            }

        return table[a.Length, b.Length];
    }

    [GeneratedRegex(@"\b(?:CHEST|VIEWS?|RADIOGRAPHS?|X-?RAYS?|PORTABLE|FRONTAL|LATERAL|AP|PA|UPRIGHT|SUPINE|CXR)\b")]
    private static partial Regex ViewWord();

    [GeneratedRegex(@"\s+")] private static partial Regex Spaces();
}
