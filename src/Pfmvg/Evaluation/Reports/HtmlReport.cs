using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Reports;

/// <summary>The report: one HTML file that asks nobody for anything and opens from a USB stick.</summary>
public static class HtmlReport
{
    private const int MostSamples = 5000, MostText = 300, MostBoxes = 50, Side = 448;
    private const long MostImageBytes = 40_000_000; // after base64; the whole file stays below 60 MB

    /// <summary>Writes the report.</summary>
    public static void Write(string path, ScoreTable table, ReportOptions options) => AtomicFile.Write(path, stream =>
    {
        using var html = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true) { NewLine = "\n" };
        var shown = Shown(table);
        var phrases = options.IncludePhrases ?? (options.IncludeImages || table.Options.Synthetic);
        html.WriteLine($"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
            <link rel="icon" href="data:,">
            <title>{Text(options.Title)}</title>
            <style>{Resource("report.css")}</style>
            </head>
            <body>
            <header><div><h1>{Text(options.Title)}</h1><p class="muted">Protocol {Text(table.Protocol.Name)} · {N(table.Phrases)} phrases · {N(table.Boxes)} boxes · {N(table.Images)} pictures · {N(table.Clusters)} {Text(table.ClusterKind)}s</p></div><button id="theme" type="button" title="Change the colours">Dark</button></header>
            <main>
            """);
        if (table.Options.Synthetic)
            html.WriteLine("<p class=\"warning\">The pictures are synthetic phantoms. These scores say nothing about clinical pictures.</p>");
        html.WriteLine(Headline(table));
        html.WriteLine(Classes(table));
        foreach (var further in options.Tables) html.WriteLine(Further(further));
        html.WriteLine($"<div class=\"columns\">{Distribution(table)}{CalibrationSection(table)}</div>");
        html.WriteLine(Failures(table));
        html.WriteLine(Gallery(table, shown, options, phrases));
        html.WriteLine(Rules(table, options));
        html.WriteLine("</main>");
        WriteSamples(html, shown, options, phrases);
        html.WriteLine($"<script>{Resource("report.js")}</script>");
        html.WriteLine("</body></html>");
    });

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

        var sound = table.Samples.Count(sample => sample.Flaw == Flaw.None);
        html.Append(CultureInfo.InvariantCulture, $"<div class=\"figure\"><span>well formed</span><b>{100.0 * sound / table.Samples.Count:0.0} %</b><span>{N(sound)} of {N(table.Samples.Count)}<br>answers</span></div>");
        return html.Append("</div>").ToString();

        void Card(string name, Estimate estimate, string over) => html.Append(
            $"<div class=\"figure\"><span>{Text(name)}</span><b>{ScoreGrid.Figure(estimate.Value)}</b><span>{(estimate.HasInterval ? $"{ScoreGrid.Figure(estimate.Low)} – {ScoreGrid.Figure(estimate.High)}<br>" : "")}{Text(over)}</span></div>");
    }

    private static string Classes(ScoreTable table)
    {
        var (first, second) = (table.Metrics[0], table.Metrics[1]);
        var html = new StringBuilder("<section class=\"long\"><h2>Scores per class</h2>");
        html.Append(ReportCharts.PerClass(table, first, second));
        html.Append($"<div class=\"legend\"><span><i style=\"background:var(--accent)\"></i>{ScoreGrid.Label(first)}</span><span><i style=\"background:var(--second)\"></i>{ScoreGrid.Label(second)}</span>");
        if (table.Options.Resamples > 0) html.Append("<span>lines: 95 % intervals</span>");
        html.Append("</div><div class=\"scroll\"><table><thead><tr><th>class</th><th>n</th>");
        foreach (var metric in table.Metrics) html.Append($"<th>{Text(ScoreGrid.Label(metric))}</th>");
        html.Append("</tr></thead><tbody>");
        foreach (var row in table.Rows)
        {
            if (row == table.WeightedOverValid && table.Classes.All(c => c.Valid > 0)) continue;
            html.Append($"<tr{(table.Classes.Contains(row) ? "" : " class=\"summary\"")}><td>{Text(row.Name)}</td><td>{N(row.Count)}</td>");
            foreach (var metric in table.Metrics)
            {
                var estimate = row[metric];
                html.Append(row.Valid == 0 ? "<td>-</td>" : $"<td>{ScoreGrid.Figure(estimate.Value)}{(estimate.HasInterval ? $"<small>{ScoreGrid.Figure(estimate.Low)}–{ScoreGrid.Figure(estimate.High)}</small>" : "")}</td>");
            }

            html.Append("</tr>");
        }

        return html.Append("</tbody></table></div></section>").ToString();
    }

    private static string Further(TextGrid grid)
    {
        var html = new StringBuilder($"<section class=\"long\"><h2>{Text(grid.Title)}</h2><div class=\"scroll\"><table><thead><tr>");
        html.AppendJoin("", grid.Columns.Select(column => $"<th>{Text(column)}</th>")).Append("</tr></thead><tbody>");
        foreach (var row in grid.Rows) html.Append("<tr>").AppendJoin("", row.Select(cell => $"<td>{Text(cell)}</td>")).Append("</tr>");
        return html.Append("</tbody></table></div>").AppendJoin("", grid.Notes.Select(note => $"<p class=\"note\">{Text(note)}</p>"))
            .Append("</section>").ToString();
    }

    private static string Distribution(ScoreTable table) =>
        $"<section><h2>Distribution of IoU</h2>{ReportCharts.Histogram(table)}<div class=\"legend\"><span><i style=\"background:var(--accent)\"></i>samples</span>" +
        "<span><i style=\"background:var(--bad)\"></i>no region in the answer</span>" +
        (table.Options.Protocol == Protocol.Map50 ? "" : "<span><i style=\"background:var(--good)\"></i>median</span>")
            + "</div></section>";

    private static string CalibrationSection(ScoreTable table) =>
        "<section><h2>Calibration</h2>" + (Calibration.Of(table) is { } calibration
        ? ReportCharts.CalibrationPlot(calibration)
            + "<p class=\"note\">The first box of each answer. On the dashed line confidence means what it says.</p>"
        : "<p class=\"note\">The answers carry no confidence, so there is nothing to calibrate.</p>") + "</section>";

    private static string Failures(ScoreTable table)
    {
        var flaws = table.Mean.Flaws.OrderByDescending(flaw => flaw.Value).Select(flaw => flaw.Key).ToList();
        var html = new StringBuilder("<section><h2>Flawed answers</h2>");
        if (flaws.Count == 0) return html.Append("<p class=\"note\">Every answer is well formed.</p></section>").ToString();
        html.Append("<div class=\"scroll\"><table class=\"counts\"><thead><tr><th>class</th><th>n</th>")
            .AppendJoin("", flaws.Select(flaw => $"<th>{Text(ScoreGrid.Label(flaw))}</th>"));
        html.Append("<th>flawed</th><th>share</th><th>no region</th></tr></thead><tbody>");
        foreach (var row in table.Classes.Append(table.Mean with { Name = "all" }))
        {
            var flawed = row.Flaws.Values.Sum();
            html.Append($"<tr{(row.Name == "all" ? " class=\"summary\"" : "")}><td>{Text(row.Name)}</td><td>{N(row.Samples)}</td>");
            foreach (var flaw in flaws)
                html.Append(row.Flaws.TryGetValue(flaw, out var count) ? $"<td>{N(count)}</td>" : "<td class=\"zero\">0</td>");
            html.Append(CultureInfo.InvariantCulture,
                $"<td>{N(flawed)}</td><td>{100.0 * flawed / row.Samples:0.0} %</td><td>{N(row.Samples - row.Valid)}</td></tr>");
        }

        return html.Append($"</tbody></table></div><p class=\"note\">{Text(Sentence(table.Protocol.Failure))}</p></section>").ToString();
    }

    private static string Gallery(ScoreTable table, IReadOnlyList<ScoredSample> shown, ReportOptions options, bool phrases)
    {
        var (truth, answer) = (Text(options.Colors.Truth), Text(options.Colors.Prediction));
        var classes = string.Concat(table.Classes.Select(row => $"<option>{Text(row.Name)}</option>"));
        var left = table.Samples.Count - shown.Count;
        return $"""
            <section class="long"><h2>Samples</h2>
            <div class="bar">
            <label>Class <select id="class"><option value="">all</option>{classes}</select></label>
            <label>Outcome <select id="outcome"><option value="all">all</option><option value="good">IoU &gt; 0.5</option><option value="poor">0 &lt; IoU ≤ 0.5</option><option value="zero">IoU = 0</option><option value="flawed">flawed answer</option></select></label>
            <label>Sort <select id="order"><option value="best">best first</option><option value="worst">worst first</option><option value="sure">most certain first</option><option value="file">as in the file</option></select></label>
            {(phrases || options.IncludeIdentifiers ? "<label>Find <input id=\"search\" type=\"search\" placeholder=\"words of the phrase\"></label>" : "")}
            <label>Truth <input id="truth" type="color" value="{truth}"></label><label>Answer <input id="answer" type="color" value="{answer}"></label>
            <label>Colours <select id="colors"><option value="{truth},{answer}">{(options.Colors == new OverlayColors() ? "white, gray (paper)" : "as chosen")}</option><option value="#2ecc71,#ff5c5c">green, red</option><option value="#ffd166,#4cc9f0">yellow, blue</option><option value="own">own</option></select></label>
            <span id="shown"></span>
            </div>
            <div id="gallery"></div><button id="more" type="button" hidden>Show more</button>
            <dialog id="dialog" aria-label="Sample"><div id="large"></div></dialog>
            <noscript><p class="note">The gallery needs JavaScript; everything else does not.</p></noscript>
            {(left > 0 ? $"<p class=\"note\">{N(shown.Count)} of {N(table.Samples.Count)} samples are shown, evenly chosen over the range of IoU.</p>" : "")}
            {(phrases ? "" : "<p class=\"note\">Phrases and answers are left out, so that the report can be shared.</p>")}
            </section>
            """;
    }

    private static string Rules(ScoreTable table, ReportOptions options)
    {
        var html = new StringBuilder("<section><h2>How it was scored</h2><table class=\"plain\"><tbody>");
        Row("protocol", table.Protocol.Name);
        Row("a sample is", table.Protocol.Sample);
        Row("several boxes", table.Protocol.MultiBox);
        Row("failures", table.Protocol.Failure + "; a class without any valid answer is '-' and counts 0 in the mean");
        Row("areas", table.Protocol.Area);
        if (table.Options.Protocol != Protocol.Map50)
            Row("accuracy", $"IoU {(table.Options.InclusiveAccuracy ? ">=" : ">")} the threshold");
        Row("mean, weighted", "mean: average over the classes; weighted: over all samples, failures 0");
        Row("intervals", table.Options.Resamples == 0 ? "none" : $"95 %, {N(table.Options.Resamples)} bootstrap resamples of {N(table.Clusters)} {table.ClusterKind}s, seed {table.Options.Seed}");
        foreach (var note in table.Notes) Row("note", note);
        foreach (var (name, value) in options.Settings) Row(name, value);
        return html.Append("</tbody></table></section><footer>Written by PFMVG. The file is complete in itself and requests nothing.</footer>").ToString();

        void Row(string name, string value) => html.Append($"<tr><td>{Text(name)}</td><td>{Text(value)}</td></tr>");
    }

    /// <summary>The samples as JSON and their pictures, each once, as inert text that the gallery decodes when it needs it.</summary>
    private static void WriteSamples(StreamWriter html, IReadOnlyList<ScoredSample> shown, ReportOptions options, bool phrases)
    {
        List<string> pictures = [];
        Dictionary<string, int> numbers = [];
        if (options.IncludeImages)
            foreach (var sample in shown)
                if (options.ImagePath(sample.Prediction) is { } path && numbers.TryAdd(path, pictures.Count)) pictures.Add(path);

        html.Write("<script type=\"application/json\" id=\"samples\">");
        html.Flush();
        using (var json = new Utf8JsonWriter(html.BaseStream)) // its default encoder escapes '<', so no text can close the script
        {
            json.WriteStartArray();
            for (var i = 0; i < shown.Count; i++) WriteSample(json, shown[i], i + 1);
            json.WriteEndArray();
        }

        html.WriteLine("</script>");
        var (budget, written) = ((int)Math.Min(60_000, MostImageBytes * 3 / 4 / Math.Max(1, pictures.Count)), 0L);
        foreach (var chunk in pictures.Select((path, number) => (path, number)).Chunk(32))
        {
            var encoded = new byte[]?[chunk.Length];
            Parallel.For(0, chunk.Length, i => encoded[i] = ReportImage.Thumbnail(chunk[i].path, Side, budget));
            foreach (var (picture, i) in chunk.Select((picture, i) => (picture, i)))
            {
                if (encoded[i] is not { } jpeg || (written += jpeg.Length * 4L / 3) > MostImageBytes) continue;
                html.WriteLine($"<script type=\"text/plain\" id=\"i{picture.number}\">{Convert.ToBase64String(jpeg)}</script>");
            }
        }

        void WriteSample(Utf8JsonWriter json, ScoredSample sample, int number)
        {
            var p = sample.Prediction;
            json.WriteStartObject();
            json.WriteNumber("n", number);
            if (options.IncludeIdentifiers) json.WriteString("id", Cut(sample.Id));
            json.WriteString("c", p.Class);
            if (phrases) json.WriteString("x", Cut(p.Phrase));
            if (phrases && p.Answer is { } answer) json.WriteString("a", answer.Length == 0 ? "(empty answer)" : Cut(answer));
            json.WriteNumber("w", p.Width);
            json.WriteNumber("h", p.Height);
            Boxes("t", sample.Truth);
            Boxes("p", sample.Predicted);
            json.WriteNumber("iou", Math.Round(sample.Iou, 4));
            json.WriteNumber("dice", Math.Round(sample.Dice, 4));
            if (sample.Confidence is [var sure, ..]) json.WriteNumber("s", Math.Round(sure, 3));
            if (sample.Flaw != Flaw.None) json.WriteString("f", ScoreGrid.Label(sample.Flaw));
            if (options.ImagePath(p) is { } path && numbers.TryGetValue(path, out var picture)) json.WriteNumber("i", picture);
            json.WriteEndObject();

            void Boxes(string name, IReadOnlyList<Box> boxes)
            {
                json.WriteStartArray(name);
                foreach (var box in boxes.Take(MostBoxes))
                {
                    json.WriteStartArray();
                    foreach (var edge in (ReadOnlySpan<double>)[box.Left, box.Top, box.Right, box.Bottom])
                        json.WriteNumberValue(Math.Round(Math.Clamp(edge, -1e6, 1e6), 1));
                    json.WriteEndArray();
                }

                json.WriteEndArray();
            }
        }
    }

    /// <summary>All samples, or so many that the report stays quick, evenly over the range of IoU but in the file's order.</summary>
    private static IReadOnlyList<ScoredSample> Shown(ScoreTable table)
    {
        var samples = table.Samples;
        if (samples.Count <= MostSamples) return samples;
        var byIou = Enumerable.Range(0, samples.Count).OrderBy(i => samples[i].Iou).ToArray();
        return [.. Enumerable.Range(0, MostSamples).Select(i => byIou[(int)((long)i * (samples.Count - 1) / (MostSamples - 1))]).Order()
            .Select(i => samples[i])];
    }

    private static string Cut(string text) => text.Length <= MostText ? text
        : $"{text[..(char.IsHighSurrogate(text[MostText - 1]) ? MostText - 1 : MostText)]}… ({N(text.Length)} characters)";

    private static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text[1..] + ".";

    private static string N(int number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Resource(string name)
    {
        using var stream = typeof(HtmlReport).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
