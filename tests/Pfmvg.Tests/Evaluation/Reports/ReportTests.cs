using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Browser;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using SkiaSharp;

namespace Pfmvg.Tests.Evaluation.Reports;

public sealed partial class ReportTests(BrowserFixture browsers) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_folder_holds_scores_report_and_overlay()
    {
        var table = Table(40);
        ScoreReport.WriteAll(_folder.Path, table, Options());
        var scores = JsonNode.Parse(File.ReadAllText(_folder.In("scores.json")))!;
        Assert.Equal(table.Mean[Metric.Iou].Value, scores["mean"]!["iou"]!["value"]!.GetValue<double>());
        Assert.Equal(table.Weighted[Metric.Dice].High, scores["weighted"]!["dice"]!["high"]!.GetValue<double>());
        Assert.Equal("pfmvg-box", scores["protocol"]!["name"]!.ToString());
        Assert.Equal(table.Samples.Count, scores["per_sample"]!.AsArray().Count);
        using var overlay = SKBitmap.Decode(_folder.In("overlay.png"));
        Assert.True(overlay is { Width: > 1000, Height: > 400 });
    }

    [Fact]
    public void A_report_requests_nothing_and_names_no_patient()
    {
        var html = Write(Table(40), Options());
        Assert.DoesNotMatch(Outside(), html);
        Assert.Contains("default-src 'none'", html, StringComparison.Ordinal);
        Assert.DoesNotContain("p1000", html, StringComparison.Ordinal);
        Assert.DoesNotContain("s0.png", html, StringComparison.Ordinal);
        Assert.DoesNotContain("\"id\":", html, StringComparison.Ordinal);
        Assert.DoesNotContain("p1000", File.ReadAllText(_folder.In("scores.json")), StringComparison.Ordinal);
        Assert.Contains("\"id\":\"s0\"", Write(Table(40), Options() with { IncludeIdentifiers = true }), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_pictures_there_are_neither_pictures_nor_phrases_unless_asked_for_or_synthetic()
    {
        var html = Write(Table(40), Options() with { IncludeImages = false });
        Assert.DoesNotContain("text/plain", html, StringComparison.Ordinal);
        Assert.DoesNotContain("phrase s", html, StringComparison.Ordinal);
        Assert.Contains("so that the report can be shared", html, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.In("overlay.png")));
        Assert.Contains("phrase s", Write(Table(40), Options() with { IncludeImages = false, IncludePhrases = true }),
            StringComparison.Ordinal);
        var synthetic = Scorer.Score(Answers.Varied(40), new ScoringOptions { Resamples = 10, Synthetic = true });
        Assert.Contains("phrase s", Write(synthetic, Options() with { IncludeImages = false }), StringComparison.Ordinal);
        Assert.Contains("synthetic phantoms", Write(synthetic, Options()), StringComparison.Ordinal);
    }

    [Fact]
    public void No_text_of_a_sample_can_become_markup()
    {
        const string Evil = "</script><img src=x onerror=alert(1)>&\"'";
        var prediction = Answers.Make("evil", [new Box(1, 1, 9, 9)], Evil, Evil) with { Phrase = Evil };
        var html = Write(Scorer.Score([prediction], new ScoringOptions { Resamples = 0 }), Options() with
        {
            Title = Evil,
            Settings = [(Evil, Evil)],
            Tables = [new TextGrid(Evil, [Evil], [[Evil]], [Evil])],
            IncludeIdentifiers = true,
        });
        Assert.DoesNotContain("<img src=x", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Further_tables_follow_the_scores()
    {
        var html = Write(Table(40), Options() with
        {
            Tables = [new TextGrid("Controls", ["answers", "wIoU"], [["model", "0.5"], ["blind", "0.1"]], ["95 % intervals"])],
        });
        Assert.Contains("<h2>Controls</h2>", html, StringComparison.Ordinal);
        Assert.Contains("<tr><td>blind</td><td>0.1</td></tr>", html, StringComparison.Ordinal);
        Assert.Contains("95 % intervals", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<h2>Controls</h2>", Write(Table(40), Options()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_million_characters_are_cut_and_huge_numbers_do_no_harm()
    {
        var prediction = Answers.Make("long", [new Box(1, 1, 9, 9)], "{" + new string('x', 1_000_000)) with { Confidence = null };
        var far = Answers.Make("far", [new Box(1, 1, 9, 9)], [new Box(-1e300, 0, 1e300, 5)]);
        var html = Write(Scorer.Score([prediction, far], new ScoringOptions { Resamples = 0 }), Options());
        Assert.True(html.Length < 100_000);
        Assert.Contains("(1,000,001 characters)", html, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void A_report_of_1200_phrases_with_pictures_stays_small()
    {
        var table = Scorer.Score(Answers.Varied(1200), new ScoringOptions { Resamples = 100 });
        var paths = Enumerable.Range(0, 20).Select(i => Picture($"noise{i}.png", 480, 440, noise: true)).ToArray();
        var numbers = table.Samples.Select((sample, i) => (sample.Prediction.Id, i)).DistinctBy(pair => pair.Id)
            .ToDictionary(pair => pair.Id, pair => pair.i);
        // Pure noise compresses worst; every sample has a file of its own.
        var html = Write(table, Options() with
        {
            ImagePath = prediction =>
            {
                var link = _folder.In($"{prediction.Id}.png");
                if (!File.Exists(link)) File.CreateSymbolicLink(link, paths[numbers[prediction.Id] % paths.Length]);
                return link;
            },
        });
        Assert.InRange(new FileInfo(_folder.In("report.html")).Length, 5_000_000, 60_000_000);
        Assert.Equal(1200, PictureText().Count(html));
    }

    [Fact]
    public void Boxes_are_drawn_where_they_are_in_the_colours_of_the_paper_or_of_choice()
    {
        var image = Picture("plain.png", 200, 100);
        foreach (var (colors, truth, answer) in ((OverlayColors, SKColor, SKColor)[])
                 [(new OverlayColors(), SKColors.White, new SKColor(0x9a, 0x9a, 0x9a)),
                     (OverlayColors.Parse("#00ff00,red"), new SKColor(0, 255, 0), new SKColor(0xe7, 0x4c, 0x3c))])
        {
            Overlay.WriteOne(_folder.In("one.png"), image, [new Box(20, 20, 60, 60)], [new Box(120, 30, 180, 90)], colors);
            using var drawn = SKBitmap.Decode(_folder.In("one.png"));
            Assert.Equal((200, 100), (drawn.Width, drawn.Height));
            Assert.Equal(truth, drawn.GetPixel(20, 40));
            Assert.Equal(answer, drawn.GetPixel(150, 30));
            Assert.Equal(drawn.GetPixel(2, 40), drawn.GetPixel(40, 40)); // nothing inside a box
        }

        Assert.Contains("no colour", Assert.Throws<InputException>(() => OverlayColors.Parse("white,mauve")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_that_cannot_be_read_leaves_an_empty_frame()
    {
        var broken = Answers.Write(_folder.Path, "broken.png", "no picture");
        ScoreReport.WriteAll(_folder.Path, Table(20), Options() with { ImagePath = _ => broken });
        Assert.DoesNotContain("text/plain", File.ReadAllText(_folder.In("report.html")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task In_a_browser_the_report_filters_and_sorts_and_requests_nothing(bool dark)
    {
        var table = Table(150);
        Write(table, Options());
        await using var browser = await browsers.Open(_folder.In("report.html"), dark: dark);
        Assert.Equal(dark ? "dark" : "light", (await browser.Evaluate("document.documentElement.dataset.theme"))!.GetValue<string>());
        Assert.Equal(60, await Count("article.card"));
        Assert.Equal($"{table.Samples.Count} of {table.Samples.Count}",
            (await browser.Evaluate("byId('shown').textContent"))!.GetValue<string>());
        await browser.Until("[...document.querySelectorAll('.card img')].every(image => image.complete && image.naturalWidth > 0)");
        Assert.True(await Count(".card img") > 0);
        Assert.Equal(2 * table.Samples.OrderByDescending(s => s.Iou).Take(60).Sum(s => s.Truth.Count + s.Predicted.Count),
            await Count("#gallery rect"));

        await Choose("order", "best");
        AssertOrder(await Ious(), ascending: false);
        await Choose("order", "worst");
        AssertOrder(await Ious(), ascending: true);

        var expected = table.Samples.Count(sample => sample.Prediction.Class == "Cardiomegaly");
        await Choose("class", "Cardiomegaly");
        Assert.StartsWith($"{expected} of", (await browser.Evaluate("byId('shown').textContent"))!.GetValue<string>(),
            StringComparison.Ordinal);
        Assert.True(await Holds("[...document.querySelectorAll('article.card')].every(card => card.dataset.class === 'Cardiomegaly')"));
        await Choose("class", "");
        await Choose("outcome", "flawed");
        Assert.StartsWith($"{table.Samples.Count(sample => sample.Flaw != Flaw.None)} of",
            (await browser.Evaluate("byId('shown').textContent"))!.GetValue<string>(), StringComparison.Ordinal);
        await Choose("outcome", "all");
        await Choose("colors", "#2ecc71,#ff5c5c");
        Assert.Equal("rgb(46, 204, 113)", (await browser.Evaluate(
            "getComputedStyle(document.querySelector('#gallery .truth')).stroke"))!.GetValue<string>());
        await browser.Evaluate("byId('search').value = 'phrase s7'; byId('search').dispatchEvent(new Event('input'))");
        Assert.True(await Holds("visible.length > 0 && visible.every(sample => sample.x.includes('s7'))"));
        await browser.Evaluate("byId('search').value = ''; byId('search').dispatchEvent(new Event('input'))");
        await browser.Evaluate("document.querySelector('article.card').click()");
        Assert.True(await Holds("byId('dialog').open"));
        await browser.Evaluate("byId('dialog').close()");

        await browser.Screenshot(Path.Combine(Fixtures.Repository, "TestResults", $"report-{(dark ? "dark" : "light")}.png"),
            wholePage: true);
        Assert.Equal([new Uri(_folder.In("report.html")).AbsoluteUri], browser.Requests);
        Assert.Empty(browser.Errors);

        async Task<bool> Holds(string condition) => (await browser.Evaluate(condition))!.GetValue<bool>();
        async Task<int> Count(string selector) =>
            (await browser.Evaluate($"document.querySelectorAll('{selector}').length"))!.GetValue<int>();
        Task Choose(string id, string value) =>
            browser.Evaluate($"byId('{id}').value = '{value}'; byId('{id}').dispatchEvent(new Event('change'))");
        async Task<double[]> Ious() => [.. (await browser.Evaluate(
            "[...document.querySelectorAll('article.card')].map(card => Number(card.dataset.iou))"))!.AsArray()
            .Select(value => value!.GetValue<double>())];
        static void AssertOrder(double[] ious, bool ascending) => Assert.Equal(ascending ? ious.Order() : ious.OrderDescending(), ious);
    }

    /// <summary>So that a large report opens at once.</summary>
    [Fact]
    public async Task A_report_of_1200_phrases_draws_sixty_samples_at_a_time()
    {
        Write(Scorer.Score(Answers.Varied(1200), new ScoringOptions { Resamples = 100 }), Options());
        await using var browser = await browsers.Open(_folder.In("report.html"));
        Assert.Equal(60, await Cards());
        await browser.Evaluate("byId('more').click()");
        Assert.Equal(120, await Cards());
        await browser.Evaluate("byId('order').value = 'worst'; byId('order').dispatchEvent(new Event('change'))");
        Assert.Equal(60, await Cards());

        async Task<int> Cards() => (await browser.Evaluate("document.querySelectorAll('article.card').length"))!.GetValue<int>();
    }

    private static ScoreTable Table(int count) =>
        Scorer.Score(Answers.Varied(count).ConvertAll(p => p with { Patient = "p1000" + p.Patient }),
            new ScoringOptions { Resamples = 100 });

    private ReportOptions Options()
    {
        var pictures = Enumerable.Range(0, 4).Select(i => Picture($"picture{i}.png", 300 + 40 * i, 320)).ToArray();
        return new ReportOptions { Title = "Varied answers", ImagePath = prediction => pictures[prediction.Id.Length % pictures.Length] };
    }

    private string Write(ScoreTable table, ReportOptions options)
    {
        if (File.Exists(_folder.In("overlay.png"))) File.Delete(_folder.In("overlay.png"));
        ScoreReport.WriteAll(_folder.Path, table, options);
        return File.ReadAllText(_folder.In("report.html"));
    }

    private string Picture(string name, int width, int height, bool noise = false)
    {
        var path = _folder.In(name);
        if (File.Exists(path)) return path;
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Gray8));
        var random = new CounterRandom(width, name);
        var pixels = bitmap.GetPixelSpan().ToArray();
        for (var i = 0; i < pixels.Length; i++) pixels[i] = noise ? (byte)random.Next(256) : (byte)(20 + 60 * (i / width) / height);
        System.Runtime.InteropServices.Marshal.Copy(pixels, 0, bitmap.GetPixels(), pixels.Length);
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        using var file = File.Create(path);
        data.SaveTo(file);
        return path;
    }

    /// <summary>Anything that would make a browser fetch: addresses with a host, and sources or links that are no data.</summary>
    [GeneratedRegex("""https?:|//[a-z]+\.[a-z]|@import|url\(|(?:src|href)=["'](?!data:)""", RegexOptions.IgnoreCase)]
    private static partial Regex Outside();

    [GeneratedRegex("<script type=\"text/plain\" id=\"i[0-9]+\">")] private static partial Regex PictureText();
}
