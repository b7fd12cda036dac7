using System.Text;
using System.Text.Json.Nodes;
using Pfmvg.Tests.Browser;
using SkiaSharp;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>The page in a browser: where boxes are drawn, what is saved, and how it is used.</summary>
public sealed class ServedPageTests(ServedWorkspace workspace, BrowserFixture browser) : IClassFixture<ServedWorkspace>
{
    private Task<AskingPage> Open(int width = 1280, int height = 800, bool dark = false) =>
        AskingPage.Open(browser, workspace.Model, width: width, height: height, dark: dark);

    [Fact]
    public async Task A_box_lies_on_its_own_pixels_in_wide_tall_tiny_and_huge_pictures_at_every_zoom()
    {
        await using var asked = await Open();
        foreach (var (width, height) in ((int, int)[])[(1200, 40), (40, 1500), (10, 10), (5000, 4000), (640, 480)])
        {
            await asked.Give(AskingPage.Block(width, height));
            await asked.Ask("block");
            var boxes = (await asked.Server.Ground(AskingPage.Block(width, height), "block")).Json["answers"]![0]!["boxes"]!.AsArray();
            Assert.Equal([.2 * width, .3 * height, .6 * width, .7 * height], boxes.Single()!.AsArray().Select(edge => (double)edge!));
            await IsOnItsPixels();
            await asked.Page.Click("#zoom-in");
            await asked.Drawn();
            await IsOnItsPixels();
            await asked.Page.Resize(900, 700);
            await asked.Drawn();
            await IsOnItsPixels();
            await asked.Page.Resize(1280, 800);
            Assert.Contains($"pixels {.2 * width}, {.3 * height} to {.6 * width}, {.7 * height}", await asked.Text("#answers ol"),
                StringComparison.Ordinal);

            async Task IsOnItsPixels()
            {
                var (drawn, white) = (Assert.Single(await asked.Boxes()), await asked.White());
                // A zoomed picture may hang out of the view, which cuts the white block but not the box.
                var view = (await asked.Page.Evaluate("(r => [r.x, r.y, r.right, r.bottom])(document.querySelector('canvas')"
                    + ".getBoundingClientRect())"))!.AsArray().Select(edge => edge!.GetValue<double>()).ToArray();
                for (var i = 0; i < 4; i++)
                    Assert.InRange(Math.Clamp(drawn[i], view[i % 2], view[2 + (i % 2)]) - white[i], -1.5, 1.5);
            }
        }

        Assert.Empty(asked.Page.Errors);
    }

    [Fact]
    public async Task The_saved_picture_has_its_own_size_and_its_boxes_on_the_pixels_and_the_saved_JSON_is_the_answer()
    {
        await using var asked = await Open();
        var picture = AskingPage.Block(3600, 500); // more than the page shows
        await asked.Give(picture, "some chest.png");
        await asked.Ask("block", "corner");
        var (name, png) = await asked.Page.Save("#save-png");
        Assert.Equal("some chest-boxes.png", name);
        using var saved = SKBitmap.Decode(png);
        Assert.Equal((3600, 500), (saved.Width, saved.Height));
        foreach (var x in (int[])[720, 2160]) Assert.Equal(SKColor.Parse("#ffd60a"), saved.GetPixel(x, 250));
        Assert.Equal(SKColor.Parse("#4cc9f0"), saved.GetPixel(360, 25));
        Assert.Equal((SKColors.White, SKColors.Black), (saved.GetPixel(1400, 250), saved.GetPixel(3000, 250)));

        var (_, json) = await asked.Page.Save("#save-json");
        var (written, reply) = (JsonNode.Parse(json)!, (await asked.Server.Ground(picture, "block", "corner")).Json);
        foreach (var field in (string[])["model", "image_size", "answers"])
            Assert.True(JsonNode.DeepEquals(reply[field], written[field]), $"{field}: {written}");
        Assert.Contains("not for clinical use", (string)written["notice"]!, StringComparison.Ordinal);
        Assert.Empty(asked.Page.Errors);
    }

    [Fact]
    public async Task A_picture_can_be_chosen_dropped_or_pasted_and_window_and_level_change_its_grays()
    {
        await using var asked = await Open();
        await asked.Page.Drop(asked.Write(AskingPage.Block(300, 200), "dropped.png"));
        await asked.Shown();
        Assert.Contains("dropped.png · 300 × 200 pixels", await asked.Text("#facts"), StringComparison.Ordinal);
        await asked.Page.Paste(AskingPage.Block(200, 300));
        await asked.Page.Until("document.querySelector('#facts').textContent.includes('200 × 300')");
        await asked.Page.Drop(asked.Write(AskingPage.Block(30, 20), "one.png"), asked.Write(AskingPage.Block(40, 20), "two.png"));
        await asked.Page.Until("document.querySelector('#facts').textContent.includes('the first of 2 files')");
        await asked.Drawn();

        Assert.Equal(["0", "255"], await Grays());
        await asked.Page.Evaluate("(slider => { slider.value = 200; slider.dispatchEvent(new Event('input')); })"
            + "(document.querySelector('#window'))");
        await asked.Page.Evaluate("(slider => { slider.value = 200; slider.dispatchEvent(new Event('input')); })"
            + "(document.querySelector('#level'))");
        await asked.Drawn();
        // DICOM PS3.3, C.11.2.1.2: ((255 - 199.5) / 199 + 0.5) * 255 = 198.6
        Assert.Equal(["0", "199"], await Grays());
        await asked.Page.Click("#reset");
        await asked.Drawn();
        Assert.Equal(["0", "255"], await Grays());

        async Task<string[]> Grays() => (await asked.Page.Text("""
            (() => {
              const canvas = document.querySelector("canvas"), { width, height } = canvas;
              const gray = (x, y) => canvas.getContext("2d").getImageData(width * x, height * y, 1, 1).data[0];
              return [gray(0.5, 0.1), gray(0.5, 0.5)];
            })()
            """)).Split(',');
    }

    [Fact]
    public async Task Everything_is_done_with_the_keyboard_and_told_to_a_screen_reader()
    {
        await using var asked = await Open();
        await asked.Page.Until("document.querySelectorAll('#examples button').length > 0");
        var examples = await asked.Page.Count("#examples button");
        await Reach("file");
        for (var i = 0; i < examples; i++) await asked.Page.Press("Tab");
        await asked.Page.Press("Enter"); // the last example
        await asked.Shown();
        await asked.Page.Until("document.querySelector('#phrases input').value");
        await Reach("stage");
        await asked.Page.Press("+", "+");
        await asked.Drawn();
        var before = await asked.Text("#zoom");
        await asked.Page.Press("0", "ArrowRight");
        await asked.Drawn();
        Assert.NotEqual(before, await asked.Text("#zoom"));
        while (await asked.Page.Text("document.activeElement.getAttribute('aria-label')") != "Phrase 1") await asked.Page.Press("Tab");
        await asked.Page.Evaluate("document.activeElement.select()");
        await asked.Page.Type("both");
        foreach (var _ in Enumerable.Range(1, await asked.Page.Count("#phrases input") - 1))
            await asked.Page.Evaluate("document.querySelector('#phrases li:last-child button').click()");
        await asked.Page.Evaluate("document.querySelector('#phrases input').focus()");
        await asked.Page.Press("Enter");
        await asked.Page.Until("!document.querySelector('#answers').hidden");
        var heard = await asked.Page.Text("document.querySelector('[role=status]').textContent");
        Assert.Matches(@"^1 answer\. 1, both: 2 boxes: upper left of the picture, 1 % of its area, pixels 0, 0 to [\d, ]+, "
            + @"confidence 0\.75; lower right of the picture, 4 % of its area, pixels [\d, ]+ to [\d, ]+, confidence 0\.75\.$", heard);
        await Reach("save-json");
        await Reach("clear");

        var told = await asked.Page.Accessible();
        Assert.DoesNotContain(told, part => part.Name.Length == 0
            && part.Role is "button" or "textbox" or "slider" or "checkbox" or "combobox" or "heading");
        Assert.Contains(told, part => part.Role is "image" or "img" && part.Name.Contains("both: 2 boxes", StringComparison.Ordinal));
        Assert.Contains(told, part => part.Role == "slider" && part.Name.StartsWith("Window", StringComparison.Ordinal));
        Assert.Empty(asked.Page.Errors);

        async Task Reach(string id)
        {
            for (var presses = 0; await asked.Page.Text("document.activeElement.id") != id; presses++)
            {
                Assert.True(presses < 60, $"no Tab reaches {id}");
                await asked.Page.Press("Tab");
            }
        }
    }

    [Fact]
    public async Task Questions_of_the_visit_can_be_seen_again_until_they_are_forgotten()
    {
        await using var asked = await Open();
        await asked.Give(AskingPage.Block(300, 200), "first.png");
        await asked.Ask("block");
        await asked.Give(AskingPage.Block(100, 100), "second.png");
        Assert.Empty(await asked.Boxes()); // the answer was to the other picture
        await asked.Ask("both");
        Assert.Equal(2, (await asked.Boxes()).Length);
        await asked.Page.Click("#history li:last-child button");
        await asked.Page.Until("document.querySelector('#facts').textContent.includes('first.png')");
        await asked.Page.Until("document.querySelectorAll('#boxes .box').length === 1");
        await asked.Drawn();
        Assert.Equal((await asked.White())[0], (await asked.Boxes())[0][0], 1.5);
        await asked.Page.Click("#answers ol input[type=checkbox]");
        await asked.Drawn();
        Assert.Empty(await asked.Boxes());
        await asked.Page.Click("#clear");
        Assert.Equal(0, await asked.Page.Count("#history li"));
        Assert.True(await asked.Page.Holds("document.querySelector('#history').hidden"));
    }

    [Theory]
    [InlineData(390, false)]
    [InlineData(320, true)]
    [InlineData(1280, true)]
    public async Task It_fits_a_phone_and_follows_the_reader_into_the_dark(int width, bool dark)
    {
        await using var asked = await Open(width, 844, dark);
        await asked.Page.Until("document.querySelector('#model').textContent");
        await asked.Give(AskingPage.Block(640, 480), new string('w', 80) + ".png");
        await asked.Ask("block", "both", "nothing");
        Assert.Equal($"{width}", await asked.Page.Text("document.documentElement.scrollWidth"));
        Assert.Equal(dark, await asked.Page.Holds("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]) < 60"));
        Assert.Contains("Research only, not for clinical use", await asked.Text("header"), StringComparison.Ordinal);
        Assert.Contains("No box: no box", await asked.Text("#answers ol"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_may_leave_for_another_host_and_no_script_of_another_kind_runs()
    {
        await using var asked = await Open();
        Assert.Equal("refused", (string?)await asked.Page.Evaluate("fetch('http://127.0.0.2:9/').then(() => 'sent', () => 'refused')"));
        await asked.Page.Evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"x\" onerror=\"window.ran = 1\">')");
        await asked.Drawn();
        Assert.False(await asked.Page.Holds("window.ran"));
        Assert.Contains(asked.Page.Errors, error => error.Contains("Content Security Policy", StringComparison.Ordinal));
        var policy = (await asked.Server.Get("/")).Headers.GetValues("Content-Security-Policy").Single();
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>", Encoding.UTF8.GetString((await asked.Server.Get("/")).Body), StringComparison.Ordinal);
    }
}
