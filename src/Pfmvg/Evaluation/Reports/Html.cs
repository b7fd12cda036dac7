using System.Globalization;
using System.Net;

namespace Pfmvg.Evaluation.Reports;

/// <summary>Pieces of HTML and SVG.</summary>
internal static class Html
{
    /// <summary>A text of others as HTML that shows it.</summary>
    public static string Encode(string text) => WebUtility.HtmlEncode(text);

    /// <summary>A whole number with its thousands grouped.</summary>
    public static string Count(int number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A text with its numbers written as HTML wants them, whatever the machine's language.</summary>
    public static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>The choices of a drop-down list; the labels are HTML.</summary>
    public static string Options(params ReadOnlySpan<(string Value, string Label)> choices)
    {
        var html = "";
        foreach (var (value, label) in choices) html += $"<option value=\"{value}\">{label}</option>";
        return html;
    }

    /// <summary>An entry of a chart's legend.</summary>
    /// <param name="color">Name of the style sheet's variable.</param>
    /// <param name="label">What has that colour.</param>
    public static string Legend(string color, string label) => $"<span><i style=\"background:var(--{color})\"></i>{label}</span>";
}
