using System.Text.Json.Nodes;
using Pfmvg.Cli.Serving;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Serving;
using Pfmvg.Tests.Browser;
using Pfmvg.Tests.Support;
using SkiaSharp;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>The page of a server in the tests' browser, and the server. Whatever it asks for, it asks this server.</summary>
internal sealed class AskingPage : IAsyncDisposable
{
    /// <summary>What the model writes about a phrase, where a test has to know it: boxes of a grid of 100.</summary>
    public static readonly IReadOnlyDictionary<string, string> Script = new Dictionary<string, string>
    {
        ["block"] = "{<20><30><60><70>}",
        ["corner"] = "{<0><0><10><10>}",
        ["both"] = "{<0><0><10><10>}<delim>{<80><80><100><100>}",
        ["nothing"] = "no such finding",
    };

    private readonly TemporaryFolder _folder = new();
    private int _files;

    private AskingPage(TestServer server, BrowserPage page) => (Server, Page) = (server, page);

    public TestServer Server { get; }

    public BrowserPage Page { get; }

    public static async Task<AskingPage> Open(BrowserFixture browser, ServedModel model, ServerOptions? options = null,
        AnswerQueue.Answerer? answer = null, int width = 1280, int height = 800, bool dark = false)
    {
        var server = await TestServer.Start(model, options, answer ?? Scripted);
        try
        {
            var page = await browser.Open(server.Address.ToString(), width, height, dark);
            await page.Until("document.querySelector('#phrases input')");
            return new AskingPage(server, page);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Answers in the model's place, by <see cref="Script"/>.</summary>
    public static IReadOnlyList<ServedAnswer> Scripted(IReadOnlyList<Question> questions, CancellationToken cancel) =>
        [.. questions.Select(question => new ServedAnswer(AnswerLine.Read(new Prediction
        {
            Id = "1",
            Image = "",
            Class = "",
            Phrase = question.Text,
            Width = question.Picture.Width,
            Height = question.Picture.Height,
            Truth = [],
            Answer = Script[question.Text],
            Confidence = [.. Script[question.Text].Where(letter => letter == '{').Select(_ => 0.75)],
        }), Ended: true, Tokens: 9))];

    /// <summary>A black PNG with a white block where the answer to "block" is.</summary>
    public static byte[] Block(int width, int height)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Gray8, SKAlphaType.Opaque);
        bitmap.Erase(SKColors.Black);
        for (var y = height * 3 / 10; y < height * 7 / 10; y++)
            bitmap.GetPixelSpan().Slice((y * bitmap.RowBytes) + (width / 5), width * 2 / 5).Fill(255);
        return bitmap.Encode(SKEncodedImageFormat.Png, 100).ToArray();
    }

    /// <summary>A file on the disk.</summary>
    public string Write(byte[] content, string name = "chest.png")
    {
        var path = Path.Combine(Directory.CreateDirectory(_folder.In($"{_files++}")).FullName, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    /// <summary>Chooses a picture and waits until it is shown.</summary>
    public async Task Give(byte[] content, string name = "chest.png")
    {
        await Page.ChooseFile("#file", Write(content, name));
        await Shown();
    }

    /// <summary>Waits until a picture is shown.</summary>
    public async Task Shown()
    {
        await Page.Until("document.querySelector('#facts').textContent.includes(' pixels') "
            + "|| document.querySelector('#picture-error').textContent");
        Assert.Equal("", await Page.Text("document.querySelector('#picture-error').textContent"));
        await Page.Until("document.querySelector('#boxes').hasAttribute('transform')");
        await Drawn();
    }

    /// <summary>Writes phrases and presses Ask.</summary>
    public async Task Ask(params string[] phrases)
    {
        for (var count = await Page.Count("#phrases input"); count < phrases.Length; count++) await Page.Click("#add");
        Assert.Equal(phrases.Length, await Page.Count("#phrases input"));
        for (var i = 0; i < phrases.Length; i++)
            await Page.Evaluate($"document.querySelectorAll('#phrases input')[{i}].value = {JsonValue.Create(phrases[i]).ToJsonString()}");
        await Page.Click("#go");
        await Page.Until("document.querySelector('#go').ariaDisabled !== 'true'");
        await Drawn();
    }

    /// <summary>Waits until what was changed is on the screen.</summary>
    public Task Drawn() => Page.Evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");

    /// <summary>The text of an element.</summary>
    public Task<string> Text(string selector) => Page.Text($"document.querySelector('{selector}').innerText");

    /// <summary>Left, top, right and bottom of the drawn boxes, in pixels of the window.</summary>
    public Task<double[][]> Boxes() => Numbers("""
        [...document.querySelectorAll("#boxes .box")].map(box => {
          const { x, y, width, height } = box.getBBox(), to = box.getScreenCTM();
          return [x, y, x + width, y + height].map((edge, i) => i % 2 ? edge * to.d + to.f : edge * to.a + to.e);
        })
        """);

    /// <summary>The edges of the white block of the picture, found in the pixels of the canvas, in pixels of the window.</summary>
    public async Task<double[]> White() => (await Numbers("""
        (() => {
          const canvas = document.querySelector("canvas"), at = canvas.getBoundingClientRect();
          const { width, height } = canvas, { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          let edges = [width, height, 0, 0];
          for (let y = 0; y < height; y++)
            for (let x = 0; x < width; x++)
              if (data[4 * (y * width + x)] > 127)
                edges = [Math.min(edges[0], x), Math.min(edges[1], y), Math.max(edges[2], x + 1), Math.max(edges[3], y + 1)];
          return [edges.map((edge, i) => i % 2 ? at.y + edge * at.height / height : at.x + edge * at.width / width)];
        })()
        """))[0];

    private async Task<double[][]> Numbers(string expression) =>
        [.. (await Page.Evaluate(expression))!.AsArray().Select(row => row!.AsArray().Select(edge => edge!.GetValue<double>()).ToArray())];

    public async ValueTask DisposeAsync()
    {
        var strangers = Page.Requests.Where(address => !address.StartsWith(Server.Address.ToString(), StringComparison.Ordinal)
            && !address.StartsWith($"blob:{Server.Address}", StringComparison.Ordinal)).ToList();
        var stored = await Page.Text("localStorage.length + sessionStorage.length + document.cookie.length");
        await Page.DisposeAsync();
        await Server.DisposeAsync();
        _folder.Dispose();
        Assert.Empty(strangers);
        Assert.Equal("0", stored);
    }
}
