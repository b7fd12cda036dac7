using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Pfmvg.Tests.Support;

/// <summary>A headless Chromium with one page, driven over its debugging socket. It records what the page requests.</summary>
internal sealed class Chromium : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _profile;
    private readonly ClientWebSocket _socket = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromMinutes(2));
    private int _lastId;

    private Chromium(Process process, string profile) => (_process, _profile) = (process, profile);

    /// <summary>Everything that the page asked the network or the disk for, data: addresses left out.</summary>
    public List<string> Requests { get; } = [];

    /// <summary>What scripts complained of.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>Opens a page; skips the test where there is no Chromium.</summary>
    public static async Task<Chromium> Open(string file, bool dark = false, int width = 1300, int height = 1000)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        var program = new[] { "chromium", "chromium-browser", "google-chrome" }
            .SelectMany(name => folders.Select(folder => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        Assert.SkipWhen(program is null, "Chromium is not installed: apt-get install chromium");
        var profile = Directory.CreateTempSubdirectory("pfmvg-chromium-").FullName;
        var process = Process.Start(new ProcessStartInfo(program,
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0", $"--user-data-dir={profile}",
            $"--window-size={width},{height}", "about:blank",
        ]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.ErrorDataReceived += (_, _) => { };
        process.OutputDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        var browser = new Chromium(process, profile);
        try
        {
            await browser.Connect();
            foreach (var domain in (string[])["Network", "Page", "Runtime"]) await browser.Send($"{domain}.enable");
            await browser.Send("Emulation.setEmulatedMedia", new JsonObject
            {
                ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = dark ? "dark" : "light" }),
            });
            await browser.Send("Page.navigate", new JsonObject { ["url"] = new Uri(file).AbsoluteUri });
            await browser.Until("document.readyState === 'complete'");
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>The value of a JavaScript expression.</summary>
    public async Task<JsonNode?> Evaluate(string expression)
    {
        var answer = await Send("Runtime.evaluate", new JsonObject
        {
            ["expression"] = expression,
            ["returnByValue"] = true,
            ["awaitPromise"] = true,
        });
        Assert.True(answer["exceptionDetails"] is null, answer.ToJsonString());
        return answer["result"]!["value"];
    }

    /// <summary>Waits until an expression is true.</summary>
    public async Task Until(string expression)
    {
        while ((await Evaluate(expression))?.GetValue<bool>() != true) await Task.Delay(50, _timeout.Token);
    }

    /// <summary>Saves what the window shows, or the whole page.</summary>
    public async Task Screenshot(string path, bool wholePage = false)
    {
        var answer = await Send("Page.captureScreenshot", new JsonObject { ["format"] = "png", ["captureBeyondViewport"] = wholePage });
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllBytesAsync(path, Convert.FromBase64String(answer["data"]!.GetValue<string>()));
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _timeout.Dispose();
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        for (var attempt = 0; attempt < 20 && Directory.Exists(_profile); attempt++)
        {
            try
            {
                Directory.Delete(_profile, recursive: true);
            }
            catch (IOException) // a child process is still writing its last file
            {
                await Task.Delay(100);
            }
        }
    }

    private async Task Connect()
    {
        var portFile = Path.Combine(_profile, "DevToolsActivePort");
        while (!File.Exists(portFile) || (await File.ReadAllLinesAsync(portFile, _timeout.Token)).Length < 2)
            await Task.Delay(50, _timeout.Token);
        var port = (await File.ReadAllLinesAsync(portFile, _timeout.Token))[0];
        using var http = new HttpClient();
        string? address = null;
        while (address is null)
        {
            var targets = JsonNode.Parse(await http.GetStringAsync(
                new Uri($"http://127.0.0.1:{port}/json/list"), _timeout.Token))!.AsArray();
            address = targets.FirstOrDefault(target => target!["type"]!.ToString() == "page")?["webSocketDebuggerUrl"]?.ToString();
            if (address is null) await Task.Delay(50, _timeout.Token);
        }

        await _socket.ConnectAsync(new Uri(address), _timeout.Token);
    }

    private async Task<JsonNode> Send(string method, JsonObject? parameters = null)
    {
        var id = ++_lastId;
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters ?? [] }.ToJsonString();
        await _socket.SendAsync(Encoding.UTF8.GetBytes(message), WebSocketMessageType.Text, endOfMessage: true, _timeout.Token);
        while (true)
        {
            var received = await Receive();
            if (received["id"]?.GetValue<int>() == id)
                return received["result"] ?? throw new InvalidOperationException($"{method}: {received["error"]?.ToJsonString()}");
            switch (received["method"]?.ToString())
            {
                case "Network.requestWillBeSent" when received["params"]!["request"]!["url"]!.ToString() is var url
                    && !url.StartsWith("data:", StringComparison.Ordinal):
                    Requests.Add(url);
                    break;
                case "Runtime.exceptionThrown":
                    Errors.Add(received["params"]!.ToJsonString());
                    break;
            }
        }
    }

    private async Task<JsonNode> Receive()
    {
        using var message = new MemoryStream();
        var buffer = new byte[1 << 16];
        WebSocketReceiveResult part;
        do
        {
            part = await _socket.ReceiveAsync(buffer, _timeout.Token);
            message.Write(buffer, 0, part.Count);
        }
        while (!part.EndOfMessage);
        return JsonNode.Parse(message.ToArray())!;
    }
}
