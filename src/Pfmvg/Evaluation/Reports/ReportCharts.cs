using System.Globalization;
using System.Net;
using System.Text;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Reports;

/// <summary>The report's charts as SVG; colours come from the style sheet, so they follow the theme.</summary>
internal static class ReportCharts
{
    /// <summary>Two figures per class as horizontal bars with their intervals.</summary>
    public static string PerClass(ScoreTable table, Metric first, Metric second)
    {
        const int Left = 190, Width = 760, Row = 44, Right = 60;
        var rows = table.Rows.Where(row => row != table.WeightedOverValid).ToList();
        var svg = Open(Left + Width + Right, rows.Count * Row + 28, $"{ScoreGrid.Label(first)} and {ScoreGrid.Label(second)} per class");
        for (var tick = 0; tick <= 10; tick += 2)
        {
            var x = Left + Width * tick / 10;
            svg.Append(F($"<line class=\"grid\" x1=\"{x}\" x2=\"{x}\" y1=\"4\" y2=\"{rows.Count * Row + 4}\"/>"));
            svg.Append(F($"<text class=\"soft\" x=\"{x}\" y=\"{rows.Count * Row + 22}\" text-anchor=\"middle\">{tick / 10.0:0.0}</text>"));
        }

        for (var r = 0; r < rows.Count; r++)
        {
            var (row, top) = (rows[r], r * Row + 6);
            svg.Append(F($"<text x=\"{Left - 12}\" y=\"{top + 16}\" text-anchor=\"end\"{(r >= rows.Count - 2 ? " font-weight=\"700\"" : "")}>{Text(row.Name)}</text>"));
            svg.Append(F($"<text class=\"soft\" x=\"{Left - 12}\" y=\"{top + 31}\" text-anchor=\"end\" font-size=\"11\">n = {row.Count}</text>"));
            if (row.Valid == 0)
            {
                svg.Append(F($"<text class=\"soft\" x=\"{Left + 6}\" y=\"{top + 22}\">- (no valid answer)</text>"));
                continue;
            }

            Bar(row[first], top + 2, 16, "first");
            Bar(row[second], top + 20, 12, "second");
        }

        return svg.Append("</svg>").ToString();

        void Bar(Estimate estimate, int y, int height, string name)
        {
            var end = Left + Width * estimate.Value;
            var labelAt = estimate.HasInterval ? Left + Width * estimate.High : end;
            svg.Append(F($"<rect class=\"{name}\" x=\"{Left}\" y=\"{y}\" width=\"{Math.Max(0.5, end - Left):0.##}\" height=\"{height}\" rx=\"2\"/>"));
            if (estimate.HasInterval)
            {
                var (low, high, middle) = (Left + Width * estimate.Low, Left + Width * estimate.High, y + height / 2.0);
                svg.Append(F($"<path class=\"whisker\" d=\"M{low:0.##} {middle - 4:0.##}v8M{low:0.##} {middle:0.##}H{high:0.##}M{high:0.##} {middle - 4:0.##}v8\" fill=\"none\"/>"));
            }

            svg.Append(F($"<text x=\"{labelAt + 8:0.##}\" y=\"{y + height / 2.0 + 4:0.##}\"{(name == "first" ? "" : " class=\"soft\"")}>{estimate.Value:0.000}</text>"));
        }
    }

    /// <summary>How many samples reach which IoU; answers without a region apart.</summary>
    public static string Histogram(ScoreTable table)
    {
        const int Left = 44, Width = 420, Height = 200, Bins = 20;
        const double Gap = 2.5; // slots left of IoU 0: the failures and a space
        var counts = new int[Bins];
        foreach (var sample in table.Samples)
            if (sample.Valid) counts[Math.Min(Bins - 1, (int)(sample.Iou * Bins))]++;
        var failed = table.Samples.Count(sample => !sample.Valid);
        var most = Math.Max(1, Math.Max(failed, counts.Max()));
        var slot = Width / (Bins + Gap);
        var svg = Open(Left + Width + 12, Height + 46, "Histogram of IoU");
        foreach (var tick in Ticks(most))
        {
            var y = 8 + Height - (double)Height * tick / most;
            svg.Append(F($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Left + Width}\" y1=\"{y:0.##}\" y2=\"{y:0.##}\"/><text class=\"soft\" x=\"{Left - 8}\" y=\"{y + 4:0.##}\" text-anchor=\"end\">{tick}</text>"));
        }

        Bar(0.25, failed, "failed");
        for (var b = 0; b < Bins; b++) Bar(b + Gap, counts[b], "first");
        for (var tick = 0; tick <= 10; tick += 2)
            svg.Append(F($"<text class=\"soft\" x=\"{Left + slot * (Gap + tick * Bins / 10.0):0.##}\" y=\"{Height + 24}\" text-anchor=\"middle\">{tick / 10.0:0.0}</text>"));
        svg.Append(F($"<text class=\"soft\" x=\"{Left + slot * 0.75:0.##}\" y=\"{Height + 24}\" text-anchor=\"middle\">none</text>"));
        svg.Append(F($"<text class=\"soft\" x=\"{Left + Width / 2}\" y=\"{Height + 42}\" text-anchor=\"middle\">IoU</text>"));
        if (table.Weighted[Metric.MedianIou] is { Value: >= 0 } median)
        {
            var x = Left + slot * (Gap + Bins * median.Value);
            svg.Append(F($"<line class=\"median\" x1=\"{x:0.##}\" x2=\"{x:0.##}\" y1=\"8\" y2=\"{Height + 8}\"/>"));
        }

        return svg.Append("</svg>").ToString();

        void Bar(double at, int count, string name)
        {
            var height = (double)Height * count / most;
            svg.Append(F($"<rect class=\"{name}\" x=\"{Left + slot * at + 1:0.##}\" y=\"{8 + Height - height:0.##}\" width=\"{slot - 2:0.##}\" height=\"{height:0.##}\"><title>{count}</title></rect>"));
        }
    }

    /// <summary>Accuracy against confidence; the area of a dot is the number of samples.</summary>
    public static string CalibrationPlot(Calibration calibration)
    {
        const int Left = 44, Side = 230;
        var svg = Open(Left + Side + 150, Side + 52, "Calibration");
        for (var tick = 0; tick <= 10; tick += 2)
        {
            var (x, y) = (Left + Side * tick / 10.0, 10 + Side - Side * tick / 10.0);
            svg.Append(F($"<line class=\"grid\" x1=\"{x}\" x2=\"{x}\" y1=\"10\" y2=\"{10 + Side}\"/><line class=\"grid\" x1=\"{Left}\" x2=\"{Left + Side}\" y1=\"{y}\" y2=\"{y}\"/>"));
            svg.Append(F($"<text class=\"soft\" x=\"{x}\" y=\"{Side + 27}\" text-anchor=\"middle\">{tick / 10.0:0.0}</text><text class=\"soft\" x=\"{Left - 8}\" y=\"{y + 4}\" text-anchor=\"end\">{tick / 10.0:0.0}</text>"));
        }

        svg.Append(F($"<line class=\"ideal\" x1=\"{Left}\" y1=\"{10 + Side}\" x2=\"{Left + Side}\" y2=\"10\"/>"));
        svg.Append("<polyline class=\"trace\" points=\"").AppendJoin(' ', calibration.Bins.Select(bin => F($"{X(bin):0.##},{Y(bin):0.##}")))
            .Append("\"/>");
        foreach (var bin in calibration.Bins)
        {
            var radius = 3 + 13 * Math.Sqrt((double)bin.Count / calibration.Count);
            svg.Append(F($"<circle class=\"first\" fill-opacity=\"0.75\" cx=\"{X(bin):0.##}\" cy=\"{Y(bin):0.##}\" r=\"{radius:0.##}\"><title>confidence {bin.Confidence:0.000}, accuracy {bin.Accuracy:0.000}, mean IoU {bin.Iou:0.000}, n = {bin.Count}</title></circle>"));
        }

        svg.Append(F($"<text class=\"soft\" x=\"{Left + Side / 2}\" y=\"{Side + 46}\" text-anchor=\"middle\">confidence</text>"));
        svg.Append(F($"<text x=\"{Left + Side + 16}\" y=\"26\">share with</text><text x=\"{Left + Side + 16}\" y=\"42\">IoU beyond 0.5</text>"));
        svg.Append(F($"<text class=\"soft\" x=\"{Left + Side + 16}\" y=\"72\">calibration error</text><text x=\"{Left + Side + 16}\" y=\"92\" font-size=\"18\" font-weight=\"600\">{calibration.ExpectedError:0.000}</text>"));
        svg.Append(F($"<text class=\"soft\" x=\"{Left + Side + 16}\" y=\"112\">n = {calibration.Count}</text>"));
        return svg.Append("</svg>").ToString();

        static double X(CalibrationBin bin) => Left + Side * bin.Confidence;
        static double Y(CalibrationBin bin) => 10 + Side - Side * bin.Accuracy;
    }

    private static StringBuilder Open(int width, int height, string label) =>
        new(F($"<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{Text(label)}\">"));

    /// <summary>Three to six round numbers from 0 to the most.</summary>
    private static IEnumerable<int> Ticks(int most)
    {
        var step = 1;
        for (var i = 0; most / step > 5; i++) step = i % 3 == 1 ? step * 5 / 2 : step * 2; // 1, 2, 5, 10, ...
        for (var tick = 0; tick <= most; tick += step) yield return tick;
    }

    private static string F(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
