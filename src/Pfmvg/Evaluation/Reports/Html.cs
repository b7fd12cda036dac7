using System.Globalization;
using System.Net;
using System.Text;

namespace Pfmvg.Evaluation.Reports;

/// <summary>Pieces of HTML.</summary>
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

/// <summary>Pieces of the charts; texts are HTML.</summary>
internal static class Svg
{
    public const string Centred = " text-anchor=\"middle\"", FlushRight = " text-anchor=\"end\"", Bold = " font-weight=\"700\"";

    /// <summary>Begins a chart.</summary>
    /// <param name="width">Width of its coordinates; the chart is as wide as its place.</param>
    /// <param name="height">Height of its coordinates.</param>
    /// <param name="label">What a screen reader says of it.</param>
    public static StringBuilder Open(int width, int height, string label) => new(Html.Invariant(
        $"<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{Html.Encode(label)}\">"));

    public static string Line(string style, double x1, double x2, double y1, double y2) => Html.Invariant(
        $"<line class=\"{style}\" x1=\"{x1:0.##}\" x2=\"{x2:0.##}\" y1=\"{y1:0.##}\" y2=\"{y2:0.##}\"/>");

    public static string Rectangle(string style, double x, double y, double width, double height) => Html.Invariant(
        $"<rect class=\"{style}\" x=\"{x:0.##}\" y=\"{y:0.##}\" width=\"{width:0.##}\" height=\"{height:0.##}\"/>");

    public static string PlainText(double x, double y, string text, string attributes = "") => Html.Invariant(
        $"<text x=\"{x:0.##}\" y=\"{y:0.##}\"{attributes}>{text}</text>");

    public static string SoftText(double x, double y, string text, string attributes = "") => Html.Invariant(
        $"<text class=\"soft\" x=\"{x:0.##}\" y=\"{y:0.##}\"{attributes}>{text}</text>");

    public static string Share(int tenths) => Html.Invariant($"{tenths / 10.0:0.0}");

    /// <summary>Three to six round numbers from 0 to the most.</summary>
    public static IEnumerable<int> Ticks(int most)
    {
        var step = 1;
        for (var i = 0; most / step > 5; i++) step = i % 3 == 1 ? step * 5 / 2 : step * 2; // 1, 2, 5, 10, ...
        for (var tick = 0; tick <= most; tick += step) yield return tick;
    }
}
