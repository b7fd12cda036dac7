using Pfmvg.Evaluation.Scoring;
using static Pfmvg.Evaluation.Reports.Svg;

namespace Pfmvg.Evaluation.Reports;

/// <summary>Charts of all samples together as SVG; colours come from the style sheet, so they follow the theme.</summary>
internal static class ReportCharts
{
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
        svg.Append(PlainText(Legend, 92, Html.Invariant($"{calibration.ExpectedError:0.000}"), " class=\"large\""));
        svg.Append(SoftText(Legend, 112, Html.Invariant($"n = {calibration.Count}")));
        return svg.Append("</svg>").ToString();

        static double X(CalibrationBin bin) => Left + Side * bin.Confidence;
        static double Y(CalibrationBin bin) => Bottom - Side * bin.Accuracy;
    }
}
