using System.Diagnostics;
using System.Text.Json.Nodes;
using Pfmvg.Tests.Browser;

[assembly: AssemblyFixture(typeof(BrowserFixture))]

namespace Pfmvg.Tests.Browser;

/// <summary>
/// The one headless Chromium of all tests: a test class takes it in its constructor. It starts with the first page that is opened, and
/// each page is a window of its own. Where no Chromium is installed, the test that asks for a page is skipped and says so.
/// </summary>
public sealed class BrowserFixture : IAsyncDisposable
{
    private readonly SemaphoreSlim _one = new(1); // pages are opened one after the other
    private Process? _process;
    private string? _profile;
    private string _port = "";
    private DevTools? _browser;

    /// <summary>Opens a page and waits until it is complete.</summary>
    /// <param name="address">A file's full path, or a whole address.</param>
    /// <param name="width">The window's inner width in CSS pixels; a page narrower than 600 is shown as a phone shows it.</param>
    /// <param name="height">Its height.</param>
    /// <param name="dark">The reader prefers dark pages.</param>
    internal async Task<BrowserPage> Open(string address, int width = 1280, int height = 800, bool dark = false)
    {
        var program = Program();
        Assert.SkipWhen(program is null, "Chromium is not installed: apt-get install chromium");
        string target;
        await _one.WaitAsync();
        try
        {
            if (_browser is null) await Start(program!);
            target = (await _browser!.Send("Target.createTarget", new JsonObject { ["url"] = "about:blank", ["newWindow"] = true }))
                ["targetId"]!.ToString();
        }
        finally
        {
            _one.Release();
        }

        var page = await BrowserPage.Connect(new Uri($"ws://127.0.0.1:{_port}/devtools/page/{target}"));
        try
        {
            await page.Resize(width, height);
            await page.Prefer(dark);
            await page.Go(address);
            return page;
        }
        catch
        {
            await page.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _one.Dispose();
        _browser?.Dispose();
        if (_process is null) return;
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

    private static string? Program()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        return new[] { "chromium", "chromium-browser", "google-chrome" }
            .SelectMany(name => folders.Select(folder => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
    }

    private async Task Start(string program)
    {
        _profile = Directory.CreateTempSubdirectory("pfmvg-chromium-").FullName;
        _process = Process.Start(new ProcessStartInfo(program,
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding", // a window behind another one still draws
            "--remote-debugging-port=0", $"--user-data-dir={_profile}", "about:blank",
        ]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        _process.ErrorDataReceived += (_, _) => { };
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();

        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var file = Path.Combine(_profile, "DevToolsActivePort"); // the port, and the path of the browser's own socket
        string[] lines = [];
        while (lines.Length < 2)
        {
            await Task.Delay(50, patience.Token);
            if (File.Exists(file)) lines = await File.ReadAllLinesAsync(file, patience.Token);
        }

        _port = lines[0];
        _browser = await DevTools.Connect(new Uri($"ws://127.0.0.1:{_port}{lines[1]}"), (_, _) => { }, TimeSpan.FromHours(2));
    }
}
