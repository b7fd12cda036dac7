using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Reports;

/// <summary>The report's samples: the section that shows them, and their boxes, texts and pictures as data for it.</summary>
internal sealed class ReportGallery
{
    private const int MostSamples = 5000, MostText = 300, MostBoxes = 50, PictureSide = 448;
    private const long MostImageBytes = 40_000_000; // after base64; the whole file stays below 60 MB
    private const int MostBytesPerImage = 60_000;

    private readonly ScoreTable _table;
    private readonly ReportOptions _options;
    private readonly IReadOnlyList<ScoredSample> _shown;
    private readonly bool _withPhrases;

    public ReportGallery(ScoreTable table, ReportOptions options)
    {
        (_table, _options, _shown) = (table, options, Choose(table.Samples));
        _withPhrases = options.IncludePhrases ?? (options.IncludeImages || table.Options.Synthetic);
    }

    /// <summary>The section with its controls; report.js fills it.</summary>
    public string Section()
    {
        var (truth, answer) = (Html.Encode(_options.Colors.Truth), Html.Encode(_options.Colors.Prediction));
        var classes = string.Concat(_table.Classes.Select(row => $"<option>{Html.Encode(row.Name)}</option>"));
        var outcomes = Html.Options(("all", "all"), ("good", "IoU &gt; 0.5"), ("poor", "0 &lt; IoU ≤ 0.5"), ("zero", "IoU = 0"),
            ("flawed", "flawed answer"));
        var orders = Html.Options(("best", "best first"), ("worst", "worst first"), ("sure", "most certain first"),
            ("file", "as in the file"));
        var colors = Html.Options(
            ($"{truth},{answer}", _options.Colors == new OverlayColors() ? "white, gray (paper)" : "as chosen"),
            ("#2ecc71,#ff5c5c", "green, red"), ("#ffd166,#4cc9f0", "yellow, blue"), ("own", "own"));
        var search = _withPhrases || _options.IncludeIdentifiers
            ? "<label>Find <input id=\"search\" type=\"search\" placeholder=\"words of the phrase\"></label>" : "";
        var selection = _shown.Count == _table.Samples.Count ? ""
            : $"<p class=\"note\">{Html.Count(_shown.Count)} of {Html.Count(_table.Samples.Count)} samples are shown, " +
                "evenly chosen over the range of IoU.</p>";
        var omission = _withPhrases ? ""
            : "<p class=\"note\">Phrases and answers are left out, so that the report can be shared.</p>";
        return $"""
            <section class="long samples"><h2>Samples</h2>
            <div class="bar">
            <label>Class <select id="class"><option value="">all</option>{classes}</select></label>
            <label>Outcome <select id="outcome">{outcomes}</select></label>
            <label>Sort <select id="order">{orders}</select></label>
            {search}
            {ColorInput("Truth", "truth", truth)}{ColorInput("Answer", "answer", answer)}
            <label>Colours <select id="colors">{colors}</select></label>
            <span id="shown" role="status"></span>
            </div>
            <p id="printed" class="note" hidden></p>
            <div id="gallery"></div><button id="more" type="button" hidden>Show more</button>
            <dialog id="dialog" aria-label="Sample"><div id="large"></div><div class="turn">
            <button id="previous" type="button">← Previous</button><button id="next" type="button">Next →</button>
            <span id="place" role="status"></span><button id="close" type="button" autofocus>Close</button></div></dialog>
            <noscript><p class="note">The gallery needs JavaScript; everything else does not.</p></noscript>
            {selection}
            {omission}
            </section>
            """;

        static string ColorInput(string label, string id, string color) =>
            $"<label>{label} <input id=\"{id}\" type=\"color\" value=\"{color}\"></label>";
    }

    /// <summary>Writes the samples as JSON, and each picture once as inert text, which the gallery decodes when it needs it.</summary>
    public void WriteSamples(StreamWriter html)
    {
        var pictures = Pictures();
        html.Write("<script type=\"application/json\" id=\"samples\">");
        html.Flush();
        using (var json = new Utf8JsonWriter(html.BaseStream)) // its default encoder escapes '<', so no text can close the script
        {
            json.WriteStartArray();
            for (var i = 0; i < _shown.Count; i++) WriteSample(json, _shown[i], i + 1, pictures);
            json.WriteEndArray();
        }

        html.WriteLine("</script>");
        WritePictures(html, pictures, _options.Dicom, _options.LeftOut);
    }

    /// <summary>The number of each picture that is shown, by its path.</summary>
    private OrderedDictionary<string, int> Pictures()
    {
        OrderedDictionary<string, int> numbers = [];
        if (_options.IncludeImages)
            foreach (var sample in _shown)
                if (_options.ImagePath(sample.Prediction) is { } path) numbers.TryAdd(path, numbers.Count);
        return numbers;
    }

    private void WriteSample(Utf8JsonWriter json, ScoredSample sample, int number, OrderedDictionary<string, int> pictures)
    {
        var asked = sample.Prediction;
        json.WriteStartObject();
        json.WriteNumber("n", number);
        if (_options.IncludeIdentifiers) json.WriteString("id", Shorten(sample.Id));
        json.WriteString("c", asked.Class);
        if (_withPhrases) json.WriteString("x", Shorten(asked.Phrase));
        if (_withPhrases && asked.Answer is { } answer) json.WriteString("a", answer.Length == 0 ? "(empty answer)" : Shorten(answer));
        json.WriteNumber("w", asked.Width);
        json.WriteNumber("h", asked.Height);
        json.WriteBoxes("t", sample.Truth.Take(MostBoxes), Shown);
        json.WriteBoxes("p", sample.Predicted.Take(MostBoxes), Shown);
        json.WriteNumber("iou", Math.Round(sample.Iou, 4));
        json.WriteNumber("dice", Math.Round(sample.Dice, 4));
        if (sample.Confidence is [var confidence, ..]) json.WriteNumber("s", Math.Round(confidence, 3));
        if (sample.Flaw != Flaw.None) json.WriteString("f", ScoreGrid.Label(sample.Flaw));
        if (_options.ImagePath(asked) is { } path && pictures.TryGetValue(path, out var picture)) json.WriteNumber("i", picture);
        json.WriteEndObject();

        static double Shown(double edge) => Math.Round(Math.Clamp(edge, -1e6, 1e6), 1);
    }

    private static void WritePictures(StreamWriter html, OrderedDictionary<string, int> pictures, DicomGray dicom,
        LeftOutPictures leftOut)
    {
        var budget = (int)Math.Min(MostBytesPerImage, MostImageBytes * 3 / 4 / Math.Max(1, pictures.Count));
        var written = 0L;
        foreach (var chunk in pictures.Chunk(32))
        {
            var encoded = new byte[]?[chunk.Length];
            Parallel.For(0, chunk.Length, i => encoded[i] = ReportImage.Thumbnail(chunk[i].Key, PictureSide, budget, dicom, leftOut));
            for (var i = 0; i < chunk.Length; i++)
            {
                if (encoded[i] is not { } jpeg) continue;
                if ((written += jpeg.Length * 4L / 3) > MostImageBytes) leftOut.Add(chunk[i].Key, "the report would be too large");
                else html.WriteLine($"<script type=\"text/plain\" id=\"i{chunk[i].Value}\">{Convert.ToBase64String(jpeg)}</script>");
            }
        }
    }

    /// <summary>All samples, or as many as keep the report quick: evenly over the range of IoU, in the file's order.</summary>
    private static IReadOnlyList<ScoredSample> Choose(IReadOnlyList<ScoredSample> samples)
    {
        if (samples.Count <= MostSamples) return samples;
        var byIou = Enumerable.Range(0, samples.Count).OrderBy(i => samples[i].Iou).ToArray();
        return [.. Enumerable.Range(0, MostSamples).Select(i => byIou[(int)((long)i * (samples.Count - 1) / (MostSamples - 1))])
            .Order().Select(i => samples[i])];
    }

    private static string Shorten(string text)
    {
        if (text.Length <= MostText) return text;
        var length = char.IsHighSurrogate(text[MostText - 1]) ? MostText - 1 : MostText; // no half of a surrogate pair
        return $"{text[..length]}… ({Html.Count(text.Length)} characters)";
    }
}
