using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Browser;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using static Pfmvg.Tests.Evaluation.Reports.SampleReport;

namespace Pfmvg.Tests.Evaluation.Reports;

/// <summary>The report as a person uses it: with mouse, keyboard, phone, screen reader and printer.</summary>
public sealed class ReportPageTests(BrowserFixture browsers) : IDisposable
{
    private readonly SampleReport _report = new();

    public void Dispose() => _report.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task In_a_browser_the_report_filters_and_sorts_and_requests_nothing(bool dark)
    {
        var table = Table(150);
        _report.Write(table, _report.Options());
        await using var page = await browsers.Open(_report.Html, dark: dark);
        Assert.Equal(dark ? "dark" : "light", await page.Text("document.documentElement.dataset.theme"));
        Assert.Equal(60, await page.Count(".card"));
        Assert.Equal($"{table.Samples.Count} of {table.Samples.Count}", await page.Text("byId('shown').textContent"));
        await page.Until("[...document.querySelectorAll('.card img')].every(image => image.complete && image.naturalWidth > 0)");
        Assert.True(await page.Count(".card img") > 0);
        Assert.Equal(2 * table.Samples.OrderByDescending(s => s.Iou).Take(60).Sum(s => s.Truth.Count + s.Predicted.Count),
            await page.Count("#gallery rect"));

        await page.Choose("#order", "best");
        AssertOrder(await Ious(), ascending: false);
        await page.Choose("#order", "worst");
        AssertOrder(await Ious(), ascending: true);

        var expected = table.Samples.Count(sample => sample.Prediction.Class == "Cardiomegaly");
        await page.Choose("#class", "Cardiomegaly");
        Assert.StartsWith($"{expected} of", await page.Text("byId('shown').textContent"), StringComparison.Ordinal);
        Assert.True(await page.Holds("[...document.querySelectorAll('.card')].every(card => card.dataset.class === 'Cardiomegaly')"));
        await page.Choose("#class", "");
        await page.Choose("#outcome", "flawed");
        Assert.StartsWith($"{table.Samples.Count(sample => sample.Flaw != Flaw.None)} of",
            await page.Text("byId('shown').textContent"), StringComparison.Ordinal);
        await page.Choose("#outcome", "all");
        await page.Choose("#colors", "#2ecc71,#ff5c5c");
        Assert.Equal("rgb(46, 204, 113)", await page.Text("getComputedStyle(document.querySelector('#gallery .truth')).stroke"));
        await page.Click("#search");
        await page.Type("S7 phrase");
        Assert.True(await page.Holds("visible.length > 0 && visible.length < 20 && visible.every(sample => sample.x.includes('s7'))"));
        await page.Click("#theme");
        Assert.Equal(dark ? "light" : "dark", await page.Text("document.documentElement.dataset.theme"));

        Assert.Equal([new Uri(_report.Html).AbsoluteUri], page.Requests);
        Assert.Empty(page.Errors);

        async Task<double[]> Ious() => [.. (await page.Evaluate(
            "[...document.querySelectorAll('.card')].map(card => Number(card.dataset.iou))"))!.AsArray()
            .Select(value => value!.GetValue<double>())];
        static void AssertOrder(double[] ious, bool ascending) => Assert.Equal(ascending ? ious.Order() : ious.OrderDescending(), ious);
    }

    [Fact]
    public async Task A_sample_opens_and_is_turned_by_mouse_and_by_keyboard_and_gives_the_focus_back()
    {
        _report.Write(Table(40), _report.Options());
        await using var page = await browsers.Open(_report.Html);
        await page.Click(".card:nth-child(2)");
        Assert.True(await page.Holds("byId('dialog').open"));
        Assert.True(await Shows(1));
        await page.Click("#next");
        Assert.True(await Shows(2));
        await page.Click("#previous");
        await page.Click("#previous");
        await page.Click("#previous"); // the first sample has none before it
        Assert.True(await Shows(0));
        await page.Click("#close");
        Assert.False(await page.Holds("byId('dialog').open"));

        await page.Evaluate("document.querySelector('#colors').focus()");
        await page.Press("Tab");
        Assert.True(await page.Holds("document.activeElement === document.querySelector('.card')"));
        foreach (var key in (string[])["Enter", " "])
        {
            await page.Press(key);
            Assert.True(await page.Holds("byId('dialog').open"));
            await page.Press("ArrowRight", "ArrowRight", "ArrowLeft");
            Assert.True(await Shows(1));
            await page.Press("Escape");
            Assert.True(await page.Holds("!byId('dialog').open && document.activeElement === document.querySelector('.card')"));
        }

        Assert.Empty(page.Errors);

        Task<bool> Shows(int sample) => page.Holds(
            $"byId('large').textContent === document.querySelectorAll('.card')[{sample}].textContent " +
            $"&& byId('place').textContent.startsWith('{sample + 1} of ')");
    }

    /// <summary>So that a large report opens at once.</summary>
    [Fact]
    public async Task A_report_of_1200_phrases_draws_sixty_samples_at_a_time()
    {
        _report.Write(Scorer.Score(Answers.Varied(1200), new ScoringOptions { Resamples = 100 }), _report.Options());
        await using var page = await browsers.Open(_report.Html);
        Assert.Equal(60, await page.Count(".card"));
        await page.Evaluate("byId('more').click()");
        Assert.Equal(120, await page.Count(".card"));
        await page.Choose("#order", "worst");
        Assert.Equal(60, await page.Count(".card"));
    }

    [Theory]
    [InlineData(1280, false)]
    [InlineData(390, true)]
    public async Task The_class_table_fits_a_desktop_and_a_phone_scrolls_only_inside_it(int width, bool scrolls)
    {
        _report.Write(Table(150), _report.Options() with { Tables = [Controls] });
        await using var page = await browsers.Open(_report.Html, width, 844);
        Assert.True(await page.Holds($"innerWidth === {width} && document.documentElement.scrollWidth === {width}"));
        Assert.Equal(scrolls, await page.Holds("(t => t.scrollWidth > t.clientWidth)(document.querySelector('.scroll'))"));
        Assert.True(scrolls || await page.Holds("[...document.querySelectorAll('.scroll')].every(t => t.scrollWidth <= t.clientWidth)"));
        await page.Evaluate("document.querySelector('.scroll').scrollLeft = 200");
        Assert.True(await page.Holds("(t => t.querySelector('tbody th').getBoundingClientRect().left >= t.getBoundingClientRect().left)" +
            "(document.querySelector('.scroll'))")); // the class stays in view

        // No text of a chart is too small to read.
        Assert.True(await page.Holds("""
            [...document.querySelectorAll("svg.chart")].every(chart =>
              parseFloat(getComputedStyle(chart).fontSize) * chart.clientWidth / chart.viewBox.baseVal.width >= 9)
            """));
    }

    [Fact]
    public async Task Notes_stand_apart_from_their_table_one_below_the_other()
    {
        _report.Write(Table(40), _report.Options() with { Tables = [Controls] });
        await using var page = await browsers.Open(_report.Html);
        Assert.True(await page.Holds("document.querySelectorAll('.scroll + .notes').length >= 2"));
        Assert.True(await page.Holds("""
            [...document.querySelectorAll(".scroll + .notes")].every(notes =>
              notes.getBoundingClientRect().top - notes.previousElementSibling.getBoundingClientRect().bottom >= 10 &&
              parseFloat(getComputedStyle(notes).fontSize) < parseFloat(getComputedStyle(document.body).fontSize) &&
              [...notes.children].every((note, i) => note.tagName === "LI" &&
                (i === 0 || note.getBoundingClientRect().top >= notes.children[i - 1].getBoundingClientRect().bottom)))
            """));
    }

    [Fact]
    public async Task A_screen_reader_is_told_what_each_part_is()
    {
        _report.Write(Table(40), _report.Options() with { Tables = [Controls] });
        await using var page = await browsers.Open(_report.Html);
        var told = await page.Accessible();
        foreach (var expected in ((string, string)[])
                 [("heading", "Scores per class"), ("region", "Scores per class"), ("columnheader", "Acc@0.5"), ("rowheader", "mean"),
                     ("heading", "Spread of IoU"), ("heading", "Precision and recall"), ("combobox", "Outcome"), ("searchbox", "Find")])
            Assert.Contains(expected, told);
        Assert.Contains(told, part => part.Role == "button" && part.Name.Contains("IoU", StringComparison.Ordinal)); // a sample
        Assert.Contains(told, part => part.Role == "image" && part.Name.StartsWith("Box plots of IoU", StringComparison.Ordinal));
        Assert.DoesNotContain(told, part => part.Role is "image" or "button" or "region" or "combobox" && part.Name.Length == 0);
    }

    [Theory]
    [InlineData(150)]
    [InlineData(8)]
    public async Task A_print_breaks_its_pages_between_things(int count)
    {
        _report.Write(Table(count), _report.Options() with { Tables = [Controls, Long] });
        await using var page = await browsers.Open(_report.Html, dark: true);
        var bytes = await page.Print();
        var print = PrintedPage.Read(bytes);
        var kept = Directory.CreateDirectory(Path.Combine(Fixtures.Repository, "TestResults")).FullName; // to look at
        await File.WriteAllBytesAsync(Path.Combine(kept, $"report-{count}.pdf"), bytes, TestContext.Current.CancellationToken);
        Assert.True(print.Pages >= 4);
        Assert.True(print.Parts.Count(part => part.Kind == "TR") > 40);
        Assert.True(print.Parts.Count(part => part.Kind == "Figure") > 10);
        Assert.All(print.Parts.Where(part => part.Kind is "TR" or "Figure" or "LI" or "H1" or "H2" or "H3"),
            part => Assert.Single(part.Pages.Distinct())); // no row, picture, chart, note or heading is cut
        Assert.All(print.Parts.Where(part => part.Kind is "H1" or "H2" or "H3"), heading =>
            Assert.Equal(heading.Pages[0], heading.Next)); // none is left alone at the foot of a page
        var samples = Assert.Single(print.Parts, part => part.Title == "Samples");
        Assert.All(print.Parts.TakeWhile(part => part.Title != "Samples").Where(part => part.Kind is "TR" or "LI" or "Figure"),
            part => Assert.True(part.Pages[0] < samples.Pages[0])); // the pictures begin on a page of their own
        var tables = print.Parts.Where(part => part.Kind == "Table").ToList();
        Assert.Equal(1, tables.Count(part => part.Pages.Distinct().Count() > 1)); // only the long one is on several pages,
        var heads = print.Parts.Where(part => part.Kind == "Head").ToList();
        Assert.Equal(tables.Count, heads.Count + 1); // the list of rules has no head
        Assert.All(tables.Zip(heads), pair => Assert.Equal( // and its head on each of them
            pair.First.Pages.Distinct().Order(), pair.Second.Pages.Distinct().Order()));
    }

    private static TextGrid Controls { get; } = new("Controls", ["answers", "wIoU", "why"],
        [
            ["model", "0.512 [0.401, 0.604]", "a sentence that says something at length, as tables of published scores do"],
            ["blind", "0.1", ""],
        ],
        ["The first note.",
            "The second note, which is so long that it takes more than one line of the page at any width that a person reads."]);

    private static TextGrid Long { get; } = new("Every subgroup", ["subgroup", "IoU"],
        [.. Enumerable.Range(0, 90).Select(i => (IReadOnlyList<string>)[$"scanner {i}", "0.512 [0.401, 0.604]"])], ["Many rows."]);
}
