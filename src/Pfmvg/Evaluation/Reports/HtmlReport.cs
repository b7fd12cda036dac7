using System.Globalization;
using System.Text;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Reports;

/// <summary>The report: one HTML file that requests nothing and opens from a USB stick.</summary>
/// <remarks>
/// From top to bottom: headline scores; per class bars with intervals, box plots of IoU and the table; precision against recall; further
/// tables; distribution of IoU and calibration; flaws; the gallery of samples; the rules and hashes. It follows the reader's light or dark
/// colours, is used by keyboard and read aloud, fits a phone, and prints with page breaks between things.
/// </remarks>
public static class HtmlReport
{
    private const string ContentPolicy =
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

    /// <summary>Writes the report.</summary>
    public static void Write(string path, ScoreTable table, ReportOptions options) => AtomicFile.Write(path, stream =>
    {
        using var html = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true) { NewLine = "\n" };
        var gallery = new ReportGallery(table, options);
        html.WriteLine($"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="{ContentPolicy}">
            <link rel="icon" href="data:,">
            <title>{Html.Encode(options.Title)}</title>
            <style>{Resource("report.css")}</style>
            </head>
            <body>
            {Header(table, options)}
            <main>
            """);
        if (table.Options.Synthetic)
            html.WriteLine("<p class=\"warning\">The pictures are synthetic phantoms. " +
                "These scores say nothing about clinical pictures.</p>");
        html.WriteLine(Headline(table));
        html.WriteLine(Classes(table));
        html.WriteLine(PrecisionRecallSection(table));
        foreach (var further in options.Tables) html.WriteLine(ReportTables.Section(further, ScoreGrid.Notes(table)));
        html.WriteLine($"<div class=\"columns\">{Distribution(table)}{CalibrationSection(table)}</div>");
        html.WriteLine(Flaws(table));
        html.WriteLine(gallery.Section());
        html.WriteLine(Rules(table, options));
        gallery.WriteSamples(html);
        if (options.LeftOut.Sentence is { } leftOut) html.WriteLine(ReportTables.Notes(leftOut)); // known when all pictures were tried
        html.WriteLine("</main>");
        html.WriteLine($"<script>{Resource("report.js")}</script>");
        html.WriteLine("</body></html>");
    });

    private static string Header(ScoreTable table, ReportOptions options) =>
        $"<header><div><h1>{Html.Encode(options.Title)}</h1>" +
        $"<p class=\"muted\">Protocol {Html.Encode(table.Protocol.Name)} · {Html.Count(table.Phrases)} phrases · " +
        $"{Html.Count(table.Boxes)} boxes · {Html.Count(table.Images)} pictures · " +
        $"{Html.Count(table.Clusters)} {Html.Encode(table.ClusterKind)}s</p></div>" +
        "<button id=\"theme\" type=\"button\" title=\"Change the colours\">Dark</button></header>";

    private static string Headline(ScoreTable table)
    {
        var html = new StringBuilder("<div class=\"cards\">");
        if (table.Options.Protocol == Protocol.Map50)
        {
            Card("mAP@0.5", table.Mean[Metric.AveragePrecision50], "over the classes");
            Card("weighted AP@0.5", table.Weighted[Metric.AveragePrecision50], "by boxes");
            Card("mAP@0.5, all points", table.Mean[Metric.AveragePrecision50AllPoints], "over the classes");
        }
        else
        {
            Card("mean IoU", table.Mean[Metric.Iou], "over the classes");
            Card("wIoU", table.Weighted[Metric.Iou], "over the samples");
            Card("mean Dice", table.Mean[Metric.Dice], "over the classes");
            Card("wDice", table.Weighted[Metric.Dice], "over the samples");
            Card("Acc@0.5", table.Weighted[Metric.Accuracy50], "over the samples");
        }

        var (answers, sound) = (table.Mean.Answers, table.Mean.Answers - table.Mean.Flaws.Values.Sum());
        var share = Html.Invariant($"{100.0 * sound / answers:0.0} %");
        Figure("well formed", share, $"{Html.Count(sound)} of {Html.Count(answers)}<br>answers");
        return html.Append("</div>").ToString();

        void Card(string name, Estimate estimate, string over) => Figure(name, ScoreGrid.Figure(estimate.Value),
            (estimate.HasInterval ? $"{ScoreGrid.Figure(estimate.Low)} – {ScoreGrid.Figure(estimate.High)}<br>" : "") + over);
        void Figure(string name, string value, string below) =>
            html.Append($"<div class=\"figure\"><span>{name}</span><b>{value}</b><span>{below}</span></div>");
    }

    private static string Classes(ScoreTable table)
    {
        var (first, second) = (table.Metrics[0], table.Metrics[1]);
        var maps = table.Options.Protocol == Protocol.Map50;
        List<(string Name, Spread Spread)> spreads =
        [
            .. table.Classes.Select(row => (row.Name, Spread.Of(
                table.Samples.Where(sample => sample.Prediction.Class == row.Name).Select(sample => sample.Iou)))),
            (maps ? "all phrases" : "all samples", Spread.Of(table.Samples.Select(sample => sample.Iou))),
        ];
        return $"""
            <section class="long"><h2>Scores per class</h2>
            <div class="pair">
            <div><h3>{Html.Encode($"{ScoreGrid.Label(first)} and {ScoreGrid.Label(second)}")}</h3>{ClassCharts.Bars(table, first, second)}
            <div class="legend">{Html.Legend("accent", ScoreGrid.Label(first))}{Html.Legend("second", ScoreGrid.Label(second))}
            {(table.Options.Resamples > 0 ? "<span>lines: 95 % intervals</span>" : "")}</div></div>
            <div><h3>Spread of IoU</h3>{ClassCharts.BoxPlots(spreads)}
            <div class="legend"><span>box: quartiles</span><span>line: median</span><span>diamond: mean</span>
            <span>whiskers: the last sample within 1.5 box lengths</span><span>dots: samples beyond</span></div></div>
            </div>
            {ReportTables.Classes(table)}
            {(maps ? ReportTables.Notes("IoU of a phrase: its true boxes together against its answered boxes together.") : "")}
            <details><summary>The box plots' numbers</summary>{ReportTables.Spreads(spreads)}</details>
            </section>
            """;
    }

    private static string PrecisionRecallSection(ScoreTable table)
    {
        if (table.Curves.Count == 0) return "";
        return $"""
            <section><h2>Precision and recall</h2>
            {ClassCharts.PrecisionRecall(table.Curves)}
            {ReportTables.Notes(
                "Vertical: precision. Boxes are taken by falling confidence; a box is right where its IoU is at least 0.5. " +
                    "Precision is that of the best point at a recall or beyond it, as COCO interpolates.",
                table.Options.Protocol == Protocol.Map50 ? "The areas are the table's AP@0.5."
                    : "Only the boxes that the protocol scores are taken; AP of all boxes is the protocol map50's.")}
            </section>
            """;
    }

    private static string Distribution(ScoreTable table) =>
        $"<section><h2>Distribution of IoU</h2>{ReportCharts.Histogram(table)}<div class=\"legend\">" +
        Html.Legend("accent", "samples") + Html.Legend("bad", "no region in the answer") +
        (table.Options.Protocol == Protocol.Map50 ? "" : Html.Legend("good", "median")) + "</div></section>";

    private static string CalibrationSection(ScoreTable table)
    {
        var content = table.Calibration is { } calibration
            ? ReportCharts.CalibrationPlot(calibration) +
                ReportTables.Notes($"{calibration.Scope} The most certain box of each. On the dashed line confidence means what it says.")
            : "<p class=\"note\">The answers carry no confidence, so there is nothing to calibrate.</p>";
        return $"<section><h2>Calibration</h2>{content}</section>";
    }

    private static string Flaws(ScoreTable table)
    {
        var flaws = table.Mean.Flaws.OrderByDescending(flaw => flaw.Value).Select(flaw => flaw.Key).ToList();
        var html = new StringBuilder("<section><h2>Flawed answers</h2>");
        if (flaws.Count == 0) return html.Append("<p class=\"note\">Every answer is well formed.</p></section>").ToString();
        html.Append(ReportTables.Begin(
            "Flawed answers", ["class", "answers", .. flaws.Select(ScoreGrid.Label), "flawed", "share", "no region"]));
        foreach (var row in table.Classes.Append(table.Mean with { Name = "all" }))
        {
            var flawed = row.Flaws.Values.Sum();
            html.Append(row.Name == "all" ? "<tr class=\"summary\">" : "<tr>");
            html.Append($"<th scope=\"row\">{Html.Encode(row.Name)}</th><td>{Html.Count(row.Answers)}</td>");
            foreach (var flaw in flaws)
                html.Append(row.Flaws.TryGetValue(flaw, out var count) ? $"<td>{Html.Count(count)}</td>" : "<td class=\"zero\">0</td>");
            html.Append(CultureInfo.InvariantCulture, $"<td>{Html.Count(flawed)}</td><td>{100.0 * flawed / row.Answers:0.0} %</td>");
            html.Append($"<td>{Html.Count(row.Answers - row.WithRegion)}</td></tr>");
        }

        var rule = table.Protocol.Failure;
        return html.Append("</tbody></table></div>")
            .Append(ReportTables.Notes(char.ToUpperInvariant(rule[0]) + rule[1..] + ".")).Append("</section>").ToString();
    }

    private static string Rules(ScoreTable table, ReportOptions options)
    {
        var html = new StringBuilder("<section><h2>How it was scored</h2><table class=\"plain\"><tbody>");
        Row("protocol", table.Protocol.Name);
        Row("a sample is", table.Protocol.Sample);
        Row("several boxes", table.Protocol.MultiBox);
        Row("failures", $"{table.Protocol.Failure}. {ScoreGrid.Signs}");
        Row("areas", table.Protocol.Area);
        if (table.Options.Protocol != Protocol.Map50)
            Row("accuracy", $"IoU {(table.Options.InclusiveAccuracy ? ">=" : ">")} the threshold");
        Row("mean, weighted", "mean: average over the classes; weighted: over all samples, failures 0");
        Row("intervals", table.Options.Resamples == 0 ? "none"
            : $"95 %, {Html.Count(table.Options.Resamples)} bootstrap resamples of " +
                $"{Html.Count(table.Clusters)} {table.ClusterKind}s, seed {table.Options.Seed}");
        foreach (var (key, value) in table.Rules) Row(key.Replace('_', ' '), value);
        foreach (var note in table.Notes) Row("note", note);
        foreach (var (name, value) in options.Settings) Row(name, value);
        Row("how to cite", Citation.Of(table));
        return html.Append("</tbody></table></section>")
            .Append("<footer>Written by PFMVG. The file is complete in itself and requests nothing.</footer>").ToString();

        void Row(string name, string value) =>
            html.Append($"<tr><th scope=\"row\">{Html.Encode(name)}</th><td>{Html.Encode(value)}</td></tr>");
    }

    private static string Resource(string name)
    {
        using var stream = typeof(HtmlReport).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
