using System.Text;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Reports;

/// <summary>The report's charts as SVG; colours come from the style sheet, so they follow the theme.</summary>
internal static class ReportCharts
{
    private const string Centred = " text-anchor=\"middle\"", FlushRight = " text-anchor=\"end\"";

    /// <summary>Two figures per class as horizontal bars with their intervals.</summary>
    public static string PerClass(ScoreTable table, Metric first, Metric second)
    {
        const int Left = 190, Width = 760, RowHeight = 44, Right = 60;
        var rows = table.Rows.Where(row => row != table.WeightedOverValid).ToList();
        var bottom = rows.Count * RowHeight;
        var svg = Open(Left + Width + Right, bottom + 28, $"{ScoreGrid.Label(first)} and {ScoreGrid.Label(second)} per class");
        for (var tick = 0; tick <= 10; tick += 2)
        {
            var x = Left + Width * tick / 10;
            svg.Append(Line("grid", x, x, 4, bottom + 4)).Append(SoftText(x, bottom + 22, Share(tick), Centred));
        }

        for (var r = 0; r < rows.Count; r++)
        {
            var (row, top) = (rows[r], r * RowHeight + 6);
            var weight = r >= rows.Count - 2 ? " font-weight=\"700\"" : ""; // the summaries
            svg.Append(PlainText(Left - 12, top + 16, Html.Encode(row.Name), FlushRight + weight));
            svg.Append(SoftText(Left - 12, top + 31, Html.Invariant($"n = {row.Count}"), FlushRight + " font-size=\"11\""));
            if (row.Valid == 0)
            {
                svg.Append(SoftText(Left + 6, top + 22, "- (no valid answer)"));
                continue;
            }

            Bar(row[first], top + 2, 16, "first");
            Bar(row[second], top + 20, 12, "second");
        }

        return svg.Append("</svg>").ToString();

        void Bar(Estimate estimate, int y, int height, string style)
        {
            var (end, middle) = (Left + Width * estimate.Value, y + height / 2.0);
            var width = Math.Max(0.5, end - Left);
            svg.Append(Html.Invariant($"<rect class=\"{style}\" x=\"{Left}\" y=\"{y}\" "));
            svg.Append(Html.Invariant($"width=\"{width:0.##}\" height=\"{height}\" rx=\"2\"/>"));
            if (estimate.HasInterval)
            {
                var (low, high) = (Left + Width * estimate.Low, Left + Width * estimate.High);
                var caps = Html.Invariant(
                    $"M{low:0.##} {middle - 4:0.##}v8M{low:0.##} {middle:0.##}H{high:0.##}M{high:0.##} {middle - 4:0.##}v8");
                svg.Append($"<path class=\"whisker\" d=\"{caps}\" fill=\"none\"/>");
                end = high;
            }

            var value = Html.Invariant($"{estimate.Value:0.000}");
            svg.Append(PlainText(end + 8, middle + 4, value, style == "first" ? "" : " class=\"soft\""));
        }
    }

    /// <summary>How many samples reach which IoU; answers without a region stand apart.</summary>
    public static string Histogram(ScoreTable table)
    {
        const int Left = 44, Width = 420, Height = 200, Top = 8, Bins = 20;
        const double Gap = 2.5; // slots left of IoU 0: the failures and a space
        const double Slot = Width / (Bins + Gap);
        var counts = new int[Bins];
        foreach (var sample in table.Samples)
            if (sample.Valid) counts[Math.Min(Bins - 1, (int)(sample.Iou * Bins))]++;
        var failed = table.Samples.Count(sample => !sample.Valid);
        var most = Math.Max(1, Math.Max(failed, counts.Max()));
        var svg = Open(Left + Width + 12, Height + 46, "Histogram of IoU");
        foreach (var tick in Ticks(most))
        {
            var y = Top + Height - (double)Height * tick / most;
            svg.Append(Line("grid", Left, Left + Width, y, y)).Append(SoftText(Left - 8, y + 4, Html.Invariant($"{tick}"), FlushRight));
        }

        Bar(0.25, failed, "failed");
        for (var b = 0; b < Bins; b++) Bar(b + Gap, counts[b], "first");
        for (var tick = 0; tick <= 10; tick += 2)
            svg.Append(SoftText(Left + Slot * (Gap + tick * Bins / 10.0), Height + 24, Share(tick), Centred));
        svg.Append(SoftText(Left + Slot * 0.75, Height + 24, "none", Centred));
        svg.Append(SoftText(Left + Width / 2, Height + 42, "IoU", Centred));
        if (table.Weighted[Metric.MedianIou] is { Value: >= 0 } median)
        {
            var x = Left + Slot * (Gap + Bins * median.Value);
            svg.Append(Line("median", x, x, Top, Height + Top));
        }

        return svg.Append("</svg>").ToString();

        void Bar(double slot, int count, string style)
        {
            var height = (double)Height * count / most;
            svg.Append(Html.Invariant($"<rect class=\"{style}\" x=\"{Left + Slot * slot + 1:0.##}\" y=\"{Top + Height - height:0.##}\" "));
            svg.Append(Html.Invariant($"width=\"{Slot - 2:0.##}\" height=\"{height:0.##}\"><title>{count}</title></rect>"));
        }
    }

    /// <summary>Accuracy against confidence; the area of a dot is the number of samples.</summary>
    public static string CalibrationPlot(Calibration calibration)
    {
        const int Left = 44, Side = 230, Top = 10, Bottom = Top + Side, Legend = Left + Side + 16;
        var svg = Open(Left + Side + 150, Side + 52, "Calibration");
        for (var tick = 0; tick <= 10; tick += 2)
        {
            var (x, y) = (Left + Side * tick / 10.0, Bottom - Side * tick / 10.0);
            svg.Append(Line("grid", x, x, Top, Bottom)).Append(Line("grid", Left, Left + Side, y, y));
            svg.Append(SoftText(x, Side + 27, Share(tick), Centred)).Append(SoftText(Left - 8, y + 4, Share(tick), FlushRight));
        }

        svg.Append(Html.Invariant($"<line class=\"ideal\" x1=\"{Left}\" y1=\"{Bottom}\" x2=\"{Left + Side}\" y2=\"{Top}\"/>"));
        var points = calibration.Bins.Select(bin => Html.Invariant($"{X(bin):0.##},{Y(bin):0.##}"));
        svg.Append("<polyline class=\"trace\" points=\"").AppendJoin(' ', points).Append("\"/>");
        foreach (var bin in calibration.Bins)
        {
            var radius = 3 + 13 * Math.Sqrt((double)bin.Count / calibration.Count);
            var (confidence, accuracy) = (Html.Invariant($"{bin.Confidence:0.000}"), Html.Invariant($"{bin.Accuracy:0.000}"));
            svg.Append("<circle class=\"first\" fill-opacity=\"0.75\" ");
            svg.Append(Html.Invariant($"cx=\"{X(bin):0.##}\" cy=\"{Y(bin):0.##}\" r=\"{radius:0.##}\">"));
            svg.Append($"<title>confidence {confidence}, accuracy {accuracy}, ");
            svg.Append(Html.Invariant($"mean IoU {bin.Iou:0.000}, n = {bin.Count}</title></circle>"));
        }

        svg.Append(SoftText(Left + Side / 2, Side + 46, "confidence", Centred));
        svg.Append(PlainText(Legend, 26, "share with")).Append(PlainText(Legend, 42, "IoU beyond 0.5"));
        svg.Append(SoftText(Legend, 72, "calibration error"));
        svg.Append(PlainText(Legend, 92, Html.Invariant($"{calibration.ExpectedError:0.000}"), " font-size=\"18\" font-weight=\"600\""));
        svg.Append(SoftText(Legend, 112, Html.Invariant($"n = {calibration.Count}")));
        return svg.Append("</svg>").ToString();

        static double X(CalibrationBin bin) => Left + Side * bin.Confidence;
        static double Y(CalibrationBin bin) => Bottom - Side * bin.Accuracy;
    }

    private static StringBuilder Open(int width, int height, string label) => new(Html.Invariant(
        $"<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{Html.Encode(label)}\">"));

    private static string Line(string style, double x1, double x2, double y1, double y2) => Html.Invariant(
        $"<line class=\"{style}\" x1=\"{x1:0.##}\" x2=\"{x2:0.##}\" y1=\"{y1:0.##}\" y2=\"{y2:0.##}\"/>");

    private static string PlainText(double x, double y, string text, string attributes = "") => Html.Invariant(
        $"<text x=\"{x:0.##}\" y=\"{y:0.##}\"{attributes}>{text}</text>");

    private static string SoftText(double x, double y, string text, string attributes = "") => Html.Invariant(
        $"<text class=\"soft\" x=\"{x:0.##}\" y=\"{y:0.##}\"{attributes}>{text}</text>");

    private static string Share(int tenths) => Html.Invariant($"{tenths / 10.0:0.0}");

    /// <summary>Three to six round numbers from 0 to the most.</summary>
    private static IEnumerable<int> Ticks(int most)
    {
        var step = 1;
        for (var i = 0; most / step > 5; i++) step = i % 3 == 1 ? step * 5 / 2 : step * 2; // 1, 2, 5, 10, ...
        for (var tick = 0; tick <= most; tick += step) yield return tick;
    }
}
