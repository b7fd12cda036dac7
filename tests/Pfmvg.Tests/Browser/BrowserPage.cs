using System.Text.Json.Nodes;

namespace Pfmvg.Tests.Browser;

/// <summary>A window of the browser with one page. It records what the page requests; <see cref="BrowserFixture"/> opens it.</summary>
internal sealed class BrowserPage : IAsyncDisposable
{
    private DevTools _tools = null!;

    private BrowserPage()
    {
    }

    /// <summary>Everything that the page asked the network or the disk for, data: addresses left out.</summary>
    public List<string> Requests { get; } = [];

    /// <summary>What scripts, the page's content policy and failed requests complained of.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>Takes over the page behind a debugging socket.</summary>
    public static async Task<BrowserPage> Connect(Uri socket)
    {
        var page = new BrowserPage();
        page._tools = await DevTools.Connect(socket, page.Hear, TimeSpan.FromMinutes(5));
        foreach (var domain in (string[])["Network", "Page", "Runtime", "Log"]) await page._tools.Send($"{domain}.enable");
        await page._tools.Send("Emulation.setFocusEmulationEnabled", new JsonObject { ["enabled"] = true });
        return page;
    }

    /// <summary>Calls a method of the protocol on this page.</summary>
    public Task<JsonNode> Send(string method, JsonObject parameters) => _tools.Send(method, parameters);

    /// <summary>Goes to a file or an address and waits until the page is complete.</summary>
    public async Task Go(string address)
    {
        var answer = await _tools.Send("Page.navigate", new JsonObject { ["url"] = new Uri(address).AbsoluteUri });
        Assert.True(answer["errorText"] is null, $"{address}: {answer["errorText"]}");
        await Until("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// <summary>Gives the window another inner size; below a width of 600 the page is shown as a phone shows it.</summary>
    public Task Resize(int width, int height) => _tools.Send("Emulation.setDeviceMetricsOverride", new JsonObject
    {
        ["width"] = width,
        ["height"] = height,
        ["deviceScaleFactor"] = 1,
        ["mobile"] = width < 600,
    });

    /// <summary>Whether the reader prefers dark pages.</summary>
    public Task Prefer(bool dark) => _tools.Send("Emulation.setEmulatedMedia", new JsonObject
    {
        ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = dark ? "dark" : "light" }),
    });

    /// <summary>The value of a JavaScript expression; a promise is waited for.</summary>
    public async Task<JsonNode?> Evaluate(string expression)
    {
        var answer = await _tools.Send("Runtime.evaluate", new JsonObject
        {
            ["expression"] = expression,
            ["returnByValue"] = true,
            ["awaitPromise"] = true,
        });
        Assert.True(answer["exceptionDetails"] is null, answer.ToJsonString());
        return answer["result"]!["value"];
    }

    /// <summary>Whether an expression is true.</summary>
    public async Task<bool> Holds(string expression) => (await Evaluate($"Boolean({expression})"))!.GetValue<bool>();

    /// <summary>The text of an expression.</summary>
    public async Task<string> Text(string expression) => (await Evaluate($"String({expression})"))!.GetValue<string>();

    /// <summary>How many elements a selector finds.</summary>
    public async Task<int> Count(string selector) =>
        (await Evaluate($"document.querySelectorAll({Quote(selector)}).length"))!.GetValue<int>();

    /// <summary>Waits until an expression is true.</summary>
    public async Task Until(string expression)
    {
        while (!await Holds(expression)) await Task.Delay(50, _tools.Patience);
    }

    /// <summary>Clicks into the middle of the first element that a selector finds, wherever on the page it is.</summary>
    public async Task Click(string selector)
    {
        var middle = (await Evaluate($$"""
            (() => {
              const element = document.querySelector({{Quote(selector)}});
              element.scrollIntoView({ block: "center", behavior: "instant" });
              const at = element.getBoundingClientRect();
              return [at.x + at.width / 2, at.y + at.height / 2];
            })()
            """))!.AsArray();
        foreach (var type in (string[])["mousePressed", "mouseReleased"])
            await _tools.Send("Input.dispatchMouseEvent", new JsonObject
            {
                ["type"] = type,
                ["x"] = middle[0]!.GetValue<double>(),
                ["y"] = middle[1]!.GetValue<double>(),
                ["button"] = "left",
                ["clickCount"] = 1,
            });
    }

    /// <summary>Writes into what has the focus, as a keyboard does.</summary>
    public Task Type(string text) => _tools.Send("Input.insertText", new JsonObject { ["text"] = text });

    /// <summary>Presses and releases keys, named as JavaScript names them: Tab, Enter, Escape, ArrowRight, +, or " ".</summary>
    public async Task Press(params string[] keys)
    {
        foreach (var key in keys)
        {
            var (code, text) = key switch
            {
                "Tab" => (9, ""),
                "Enter" => (13, "\r"),
                "Escape" => (27, ""),
                " " => (32, " "),
                "End" => (35, ""),
                "Home" => (36, ""),
                "ArrowLeft" => (37, ""),
                "ArrowUp" => (38, ""),
                "ArrowRight" => (39, ""),
                "ArrowDown" => (40, ""),
                "0" => (48, key),
                "+" => (187, key),
                _ => throw new ArgumentException($"The key '{key}' has no code here.", nameof(keys)),
            };
            foreach (var type in (string[])["keyDown", "keyUp"])
                await _tools.Send("Input.dispatchKeyEvent", new JsonObject
                {
                    ["type"] = type,
                    ["key"] = key,
                    ["code"] = key == " " ? "Space" : key,
                    ["windowsVirtualKeyCode"] = code,
                    ["text"] = type == "keyDown" ? text : "",
                });
        }
    }

    /// <summary>Chooses an entry of a drop-down list by its value.</summary>
    public Task Choose(string selector, string value) => Evaluate($$"""
        (() => {
          const list = document.querySelector({{Quote(selector)}});
          list.value = {{Quote(value)}};
          list.dispatchEvent(new Event("change", { bubbles: true }));
        })()
        """);

    /// <summary>Role and name of everything on the page that a screen reader is told.</summary>
    public async Task<IReadOnlyList<(string Role, string Name)>> Accessible() =>
    [
        .. from node in (await _tools.Send("Accessibility.getFullAXTree"))["nodes"]!.AsArray()
           where node!["ignored"]?.GetValue<bool>() != true
           select (node!["role"]?["value"]?.ToString() ?? "", node["name"]?["value"]?.ToString() ?? ""),
    ];

    /// <summary>The page as a print on A4, with its structure and an outline of its headings.</summary>
    public async Task<byte[]> Print()
    {
        var answer = await _tools.Send("Page.printToPDF", new JsonObject
        {
            ["paperWidth"] = 8.27,
            ["paperHeight"] = 11.69,
            ["preferCSSPageSize"] = true,
            ["printBackground"] = true,
            ["generateTaggedPDF"] = true,
            ["generateDocumentOutline"] = true,
        });
        return Convert.FromBase64String(answer["data"]!.GetValue<string>());
    }

    /// <summary>Saves what the window shows, or the whole page, as PNG.</summary>
    public async Task Screenshot(string path, bool wholePage = false)
    {
        var answer = await _tools.Send("Page.captureScreenshot",
            new JsonObject { ["format"] = "png", ["captureBeyondViewport"] = wholePage });
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllBytesAsync(path, Convert.FromBase64String(answer["data"]!.GetValue<string>()));
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _tools.Send("Page.close");
        }
        catch (Exception failure) when (failure is System.Net.WebSockets.WebSocketException or OperationCanceledException)
        {
            // The window is gone already; what made it so is the test's failure.
        }

        _tools.Dispose();
    }

    private static string Quote(string text) => JsonValue.Create(text).ToJsonString();

    private void Hear(string name, JsonNode what)
    {
        switch (name)
        {
            case "Network.requestWillBeSent" when what["request"]!["url"]!.ToString() is var url
                && !url.StartsWith("data:", StringComparison.Ordinal):
                Requests.Add(url);
                break;
            case "Runtime.exceptionThrown":
                Errors.Add(what.ToJsonString());
                break;
            case "Log.entryAdded" when what["entry"]!["level"]!.ToString() == "error":
                Errors.Add(what["entry"]!["text"]!.ToString());
                break;
        }
    }
}
