using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using SkiaSharp;

namespace Pfmvg.Tests.Evaluation.Reports;

public sealed partial class ReportTests : IDisposable
{
    private readonly SampleReport _report = new();

    public void Dispose() => _report.Dispose();

    [Fact]
    public void The_folder_holds_scores_report_and_overlay()
    {
        var table = SampleReport.Table(40);
        ScoreReport.WriteAll(_report.Folder.Path, table, _report.Options());
        var scores = JsonNode.Parse(File.ReadAllText(_report.Folder.In("scores.json")))!;
        Assert.Equal(table.Mean[Metric.Iou].Value, scores["mean"]!["iou"]!["value"]!.GetValue<double>());
        Assert.Equal(table.Weighted[Metric.Dice].High, scores["weighted"]!["dice"]!["high"]!.GetValue<double>());
        Assert.Equal("pfmvg-box", scores["protocol"]!["name"]!.ToString());
        Assert.Equal(table.Samples.Count, scores["per_sample"]!.AsArray().Count);
        using var overlay = SKBitmap.Decode(_report.Folder.In("overlay.png"));
        Assert.True(overlay is { Width: > 1000, Height: > 400 });
    }

    [Fact]
    public void A_report_requests_nothing_and_names_no_patient()
    {
        var html = _report.Write(SampleReport.Table(40), _report.Options());
        Assert.DoesNotMatch(Outside(), html);
        Assert.Contains("default-src 'none'", html, StringComparison.Ordinal);
        Assert.DoesNotContain("p1000", html, StringComparison.Ordinal);
        Assert.DoesNotContain("s0.png", html, StringComparison.Ordinal);
        Assert.DoesNotContain("\"id\":", html, StringComparison.Ordinal);
        Assert.DoesNotContain("p1000", File.ReadAllText(_report.Folder.In("scores.json")), StringComparison.Ordinal);
        Assert.Contains("\"id\":\"s0\"", _report.Write(SampleReport.Table(40), _report.Options() with { IncludeIdentifiers = true }),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Without_pictures_there_are_neither_pictures_nor_phrases_unless_asked_for_or_synthetic()
    {
        var html = _report.Write(SampleReport.Table(40), _report.Options() with { IncludeImages = false });
        Assert.DoesNotContain("text/plain", html, StringComparison.Ordinal);
        Assert.DoesNotContain("phrase s", html, StringComparison.Ordinal);
        Assert.Contains("so that the report can be shared", html, StringComparison.Ordinal);
        Assert.False(File.Exists(_report.Folder.In("overlay.png")));
        Assert.Contains("phrase s", _report.Write(SampleReport.Table(40),
            _report.Options() with { IncludeImages = false, IncludePhrases = true }), StringComparison.Ordinal);
        var synthetic = Scorer.Score(Answers.Varied(40), new ScoringOptions { Resamples = 10, Synthetic = true });
        Assert.Contains("phrase s", _report.Write(synthetic, _report.Options() with { IncludeImages = false }), StringComparison.Ordinal);
        Assert.Contains("synthetic phantoms", _report.Write(synthetic, _report.Options()), StringComparison.Ordinal);
    }

    [Fact]
    public void No_text_of_a_sample_can_become_markup()
    {
        const string Evil = "</script><img src=x onerror=alert(1)>&\"'";
        var prediction = Answers.Make("evil", [new Box(1, 1, 9, 9)], Evil, Evil) with { Phrase = Evil };
        var html = _report.Write(Scorer.Score([prediction], new ScoringOptions { Resamples = 0 }), _report.Options() with
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
        var html = _report.Write(SampleReport.Table(40), _report.Options() with
        {
            Tables = [new TextGrid("Controls", ["answers", "wIoU"], [["model", "0.5"], ["blind", "0.1"]], ["95 % intervals"])],
        });
        Assert.Contains("<h2>Controls</h2>", html, StringComparison.Ordinal);
        Assert.Contains("<tr><th scope=\"row\">blind</th><td>0.1</td></tr>", html, StringComparison.Ordinal);
        Assert.Contains("95 % intervals", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<h2>Controls</h2>", _report.Write(SampleReport.Table(40), _report.Options()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_million_characters_are_cut_and_huge_numbers_do_no_harm()
    {
        var prediction = Answers.Make("long", [new Box(1, 1, 9, 9)], "{" + new string('x', 1_000_000)) with { Confidence = null };
        var far = Answers.Make("far", [new Box(1, 1, 9, 9)], [new Box(-1e300, 0, 1e300, 5)]);
        var html = _report.Write(Scorer.Score([prediction, far], new ScoringOptions { Resamples = 0 }), _report.Options());
        Assert.True(html.Length < 100_000);
        Assert.Contains("(1,000,001 characters)", html, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void A_report_of_1200_phrases_with_pictures_stays_small()
    {
        var table = Scorer.Score(Answers.Varied(1200), new ScoringOptions { Resamples = 100 });
        var paths = Enumerable.Range(0, 20).Select(i => _report.Picture($"noise{i}.png", 480, 440, noise: true)).ToArray();
        var numbers = table.Samples.Select((sample, i) => (sample.Prediction.Id, i)).DistinctBy(pair => pair.Id)
            .ToDictionary(pair => pair.Id, pair => pair.i);
        // Pure noise compresses worst; every sample has a file of its own.
        var html = _report.Write(table, _report.Options() with
        {
            ImagePath = prediction =>
            {
                var link = _report.Folder.In($"{prediction.Id}.png");
                if (!File.Exists(link)) File.CreateSymbolicLink(link, paths[numbers[prediction.Id] % paths.Length]);
                return link;
            },
        });
        Assert.InRange(new FileInfo(_report.Folder.In("report.html")).Length, 5_000_000, 60_000_000);
        Assert.Equal(1200, PictureText().Count(html));
    }

    [Fact]
    public void Boxes_are_drawn_where_they_are_in_the_colours_of_the_paper_or_of_choice()
    {
        var image = _report.Picture("plain.png", 200, 100);
        foreach (var (colors, truth, answer) in ((OverlayColors, SKColor, SKColor)[])
                 [(new OverlayColors(), SKColors.White, new SKColor(0x9a, 0x9a, 0x9a)),
                     (OverlayColors.Parse("#00ff00,red"), new SKColor(0, 255, 0), new SKColor(0xe7, 0x4c, 0x3c))])
        {
            Overlay.WriteOne(_report.Folder.In("one.png"), image, [new Box(20, 20, 60, 60)], [new Box(120, 30, 180, 90)], colors);
            using var drawn = SKBitmap.Decode(_report.Folder.In("one.png"));
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
        var broken = Answers.Write(_report.Folder.Path, "broken.png", "no picture");
        ScoreReport.WriteAll(_report.Folder.Path, SampleReport.Table(20), _report.Options() with { ImagePath = _ => broken });
        Assert.DoesNotContain("text/plain", File.ReadAllText(_report.Folder.In("report.html")), StringComparison.Ordinal);
    }

    /// <summary>Anything that would make a browser fetch: addresses with a host, and sources or links that are no data.</summary>
    [GeneratedRegex("""https?:|//[a-z]+\.[a-z]|@import|url\(|(?:src|href)=["'](?!data:)""", RegexOptions.IgnoreCase)]
    private static partial Regex Outside();

    [GeneratedRegex("<script type=\"text/plain\" id=\"i[0-9]+\">")] private static partial Regex PictureText();
}
