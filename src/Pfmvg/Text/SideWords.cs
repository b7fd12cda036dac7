using System.Text.RegularExpressions;

namespace Pfmvg.Text;

/// <summary>A side of the patient.</summary>
public enum Side
{
    /// <summary>None is named.</summary>
    None,

    /// <summary>The patient's left.</summary>
    Left,

    /// <summary>The patient's right.</summary>
    Right,

    /// <summary>Both.</summary>
    Both,
}

/// <summary>Which words for a side a text has.</summary>
/// <param name="Left">"left".</param>
/// <param name="Right">"right".</param>
/// <param name="Both">"both", "bilateral" and the like.</param>
internal readonly partial record struct SideWords(bool Left, bool Right, bool Both)
{
    /// <summary>The side that the words name together: left and right are both.</summary>
    public Side Side => Both || Left && Right ? Side.Both : Left ? Side.Left : Right ? Side.Right : Side.None;

    /// <summary>The words for a side in a text, whatever their case.</summary>
    public static SideWords Find(string text)
    {
        var found = default(SideWords);
        foreach (var match in Words().EnumerateMatches(text))
        {
            found = text[match.Index] switch
            {
                'l' or 'L' => found with { Left = true },
                'r' or 'R' => found with { Right = true },
                _ => found with { Both = true },
            };
        }

        return found;
    }

    [GeneratedRegex(@"(?<!\p{L})(?:left|right|both|bilateral(?:ly)?|bibasilar|bibasal|biapical)(?!\p{L})",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Words();
}
