using System.Text;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using static Pfmvg.Evaluation.Reports.Svg;

namespace Pfmvg.Evaluation.Reports;

/// <summary>
/// Charts with a row or a panel per class, as SVG in the style of <see cref="ReportCharts"/>. A chart of many classes comes in parts that
/// each fit a printed page.
/// </summary>
internal static class ClassCharts
{
    private const int Width = 460, Left = 10, Right = 48, RowHeight = 58, RowsPerPart = 13;
    private const double Plot = Width - Left - Right; // from 0 to 1

    /// <summary>Two figures per class as bars with their intervals.</summary>
    public static string Bars(ScoreTable table, Metric first, Metric second)
    {
        var rows = table.Rows.Where(row => row != table.WeightedOverValid).ToList();
        return Parts($"{ScoreGrid.Label(first)} and {ScoreGrid.Label(second)} per class", rows.ConvertAll(
            row => (row.Name, row.Count, Summary: row == table.Mean || row == table.Weighted)), (svg, r, top) =>
        {
            if (rows[r].Valid == 0)
            {
                svg.Append(SoftText(Left + 6, top + 36, "- (no valid answer)"));
                return;
            }

            Bar(svg, rows[r][first], top + 19, 14, "first");
            Bar(svg, rows[r][second], top + 36, 11, "second");
        });

        static void Bar(StringBuilder svg, Estimate estimate, int y, int height, string style)
        {
            var (end, middle) = (Left + Plot * estimate.Value, y + height / 2.0);
            svg.Append(Rectangle(style, Left, y, Math.Max(0.5, end - Left), height));
            if (estimate.HasInterval)
            {
                var (low, high) = (Left + Plot * estimate.Low, Left + Plot * estimate.High);
                svg.Append(Html.Invariant($"<path class=\"whisker\" fill=\"none\" d=\"M{low:0.##} {middle - 4:0.##}v8"));
                svg.Append(Html.Invariant($"M{low:0.##} {middle:0.##}H{high:0.##}M{high:0.##} {middle - 4:0.##}v8\"/>"));
                end = high;
            }

            var value = Html.Invariant($"{estimate.Value:0.000}");
            svg.Append(style == "first" ? PlainText(end + 7, middle + 4, value) : SoftText(end + 7, middle + 4, value));
        }
    }

    /// <summary>The spread of the samples' IoU in each class and in all of them, as box plots.</summary>
    public static string BoxPlots(IReadOnlyList<(string Name, Spread Spread)> spreads) => Parts("Box plots of IoU per class",
        [.. spreads.Select((row, r) => (row.Name, row.Spread.Count, Summary: r == spreads.Count - 1))], (svg, r, top) =>
    {
        const int Height = 24;
        var (spread, y, middle) = (spreads[r].Spread, top + 21, top + 21 + Height / 2.0);
        foreach (var value in spread.Beyond.Select(value => Math.Round(value, 2)).Distinct()) // as many as the eye tells apart
            svg.Append(Html.Invariant($"<circle class=\"beyond\" cx=\"{X(value):0.##}\" cy=\"{middle:0.##}\" r=\"2.2\"/>"));
        svg.Append(Html.Invariant($"<path class=\"whisker\" fill=\"none\" d=\"M{X(spread.Low):0.##} {middle - 5:0.##}v10"));
        svg.Append(Html.Invariant($"M{X(spread.Low):0.##} {middle:0.##}H{X(spread.First):0.##}M{X(spread.Third):0.##} {middle:0.##}"));
        svg.Append(Html.Invariant($"H{X(spread.High):0.##}M{X(spread.High):0.##} {middle - 5:0.##}v10\"/>"));
        svg.Append(Rectangle("box", X(spread.First), y, Math.Max(0.5, X(spread.Third) - X(spread.First)), Height));
        svg.Append(Line("middle", X(spread.Median), X(spread.Median), y, y + Height));
        svg.Append(Html.Invariant($"<path class=\"mean\" d=\"M{X(spread.Mean):0.##} {middle - 5:0.##}l5 5l-5 5l-5-5z\"/>"));

        static double X(double value) => Left + Plot * value;
    });

    /// <summary>Precision against recall: a panel for each curve.</summary>
    public static string PrecisionRecall(IReadOnlyList<PrecisionRecall> curves)
    {
        const int Side = 170, Indent = 30, Top = 50, Bottom = Top + Side;
        var html = new StringBuilder("<div class=\"panels\">");
        foreach (var curve in curves)
        {
            var average = Html.Invariant($"{(curve.Name == "mean" ? "mAP" : "AP")}@0.5 {curve.AveragePrecision:0.000}");
            html.Append(Open(Indent + Side + 14, Bottom + 40, $"Precision against recall, {curve.Name}: {average}, {curve.Boxes} boxes"));
            html.Append(PlainText(0, 14, Name(curve.Name, 26), Bold)).Append(SoftText(0, 32, $"{average}, n = {curve.Boxes}"));
            for (var tick = 0; tick <= 10; tick += 5)
            {
                var (x, y) = (Indent + Side * tick / 10.0, Bottom - Side * tick / 10.0);
                html.Append(Line("grid", x, x, Top, Bottom)).Append(Line("grid", Indent, Indent + Side, y, y));
                html.Append(SoftText(x, Bottom + 17, Share(tick), Centred)).Append(SoftText(Indent - 6, y + 4, Share(tick), FlushRight));
            }

            html.Append(SoftText(Indent + Side / 2.0, Bottom + 34, "recall", Centred)).Append("<path class=\"trace\" d=\"");
            var precision = curve.Steps.Count > 0 ? curve.Steps[0].Precision : 0;
            html.Append(Html.Invariant($"M{Indent} {Bottom - Side * precision:0.##}"));
            foreach (var step in curve.Steps)
                html.Append(Html.Invariant($"V{Bottom - Side * step.Precision:0.##}H{Indent + Side * step.Recall:0.##}"));
            html.Append(Html.Invariant($"V{Bottom}H{Indent + Side}\"/></svg>"));
        }

        return html.Append("</div>").ToString();
    }

    /// <summary>Charts with a row for each name, drawn by the function below the row's label.</summary>
    private static string Parts(string label, List<(string Name, int Count, bool Summary)> rows, Action<StringBuilder, int, int> draw)
    {
        var html = new StringBuilder();
        var parts = (rows.Count + RowsPerPart - 1) / RowsPerPart;
        var each = (rows.Count + parts - 1) / parts;
        for (var start = 0; start < rows.Count; start += each)
        {
            var count = Math.Min(each, rows.Count - start);
            var bottom = count * RowHeight;
            var svg = Open(Width, bottom + 28, label + (parts == 1 ? "" : $", {rows[start].Name} to {rows[start + count - 1].Name}"));
            for (var tick = 0; tick <= 10; tick += 2)
            {
                var x = Left + Plot * tick / 10;
                svg.Append(Line("grid", x, x, 18, bottom + 6)).Append(SoftText(x, bottom + 22, Share(tick), Centred));
            }

            for (var r = start; r < start + count; r++)
            {
                var top = (r - start) * RowHeight;
                svg.Append(PlainText(Left, top + 14, Name(rows[r].Name, 40), rows[r].Summary ? Bold : ""));
                svg.Append(SoftText(Width, top + 14, Html.Invariant($"n = {rows[r].Count}"), FlushRight));
                draw(svg, r, top);
            }

            html.Append(svg).Append("</svg>");
        }

        return html.ToString();
    }

    /// <summary>A name that fits; the whole one stands in the table and below the mouse.</summary>
    private static string Name(string name, int most)
    {
        if (name.Length <= most) return Html.Encode(name);
        var length = char.IsHighSurrogate(name[most - 2]) ? most - 2 : most - 1; // no half of a surrogate pair
        return $"{Html.Encode(name[..length])}…<title>{Html.Encode(name)}</title>";
    }
}
