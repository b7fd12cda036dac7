using System.Text;
using System.Text.Json.Nodes;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>The program itself, from its command line to its end.</summary>
public sealed class ServeCommandTests(ServedWorkspace workspace) : IClassFixture<ServedWorkspace>
{
    private static string Config => Path.Combine(Fixtures.Repository, "configs", "tiny.yaml");

    private string[] Arguments(params string[] more) => ["serve", "--config", Config, "--from", "base", .. workspace.Sets(), .. more,
        .. more.Contains("--port") ? (string[])[] : ["--port", "0"]];

    [Fact]
    public async Task It_serves_until_it_is_told_to_end_and_leaves_nothing_of_what_was_asked()
    {
        const string Secret = "zymurgy";
        var (files, cancel) = (Files(), TestContext.Current.CancellationToken);
        using var process = StartedProcess.Heard("dotnet", [Shell.Pfmvg, .. Arguments()]);
        try
        {
            var errors = process.StandardError.ReadToEndAsync(cancel);
            var line = await process.StandardOutput.ReadLineAsync(cancel) ?? Fail(await errors);
            Assert.Matches(@"^pfmvg-served answers at http://localhost:\d+ .*Research only, not for clinical use\.$", line);
            using var http = new HttpClient { BaseAddress = new Uri(line.Split(' ').Single(word => word.StartsWith("http"))) };
            var page = await http.GetStringAsync("/", cancel);
            Assert.Contains("Research only, not for clinical use", page, StringComparison.Ordinal);
            foreach (var picture in (byte[][])[ServedWorkspace.Png(30, 20), Encoding.UTF8.GetBytes($"no picture but {Secret}")])
            {
                var body = TestServer.Chat(ServedWorkspace.Uri(picture), Secret).ToJsonString();
                using var content = TestServer.Content(Encoding.UTF8.GetBytes(body), "application/json");
                using var answer = await http.PostAsync("/v1/chat/completions", content, cancel);
                Assert.Equal(picture[0] == 'n' ? 400 : 200, (int)answer.StatusCode);
            }

            Assert.Equal("application/json", (await http.GetAsync("/openapi.json", cancel)).Content.Headers.ContentType!.MediaType);
            Assert.NotNull(JsonNode.Parse(await http.GetStringAsync("/openapi.json", cancel))!["paths"]!["/v1/ground"]);
            Assert.Equal(0, Shell.Run("kill", ["-TERM", $"{process.Id}"]).ExitCode);
            await process.WaitForExitAsync(cancel);
            var said = line + await process.StandardOutput.ReadToEndAsync(cancel) + await errors;
            Assert.True(process.ExitCode == 0, said);
            Assert.DoesNotContain(Secret, said, StringComparison.Ordinal);
            Assert.Equal(files, Files());
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }

        string[] Files() => [.. Directory.EnumerateFiles(workspace.Folder, "*", SearchOption.AllDirectories).Order()];

        static string Fail(string errors)
        {
            Assert.Fail(errors);
            return "";
        }
    }

    [Theory]
    [InlineData("--listen 0.0.0.0", "other machines can then ask, so the server needs an API key")]
    [InlineData("--listen 203.0.113.9 --key-file key", "this machine cannot listen there")]
    [InlineData("--listen everywhere", "--listen everywhere: is no address")]
    [InlineData("--key-file short", "short: a key has at least 16 letters")]
    [InlineData("--key-file absent", "--key-file absent: this does not exist")]
    [InlineData("--port 70000", "--port 70000: give a whole number from 0 to 65,535")]
    [InlineData("--queue 0", "--queue 0: give a whole number")]
    public void A_command_line_that_cannot_be_meant_is_one_sentence(string options, string sentence)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.In("key"), "0123456789abcdef\n");
        File.WriteAllText(folder.In("short"), "0123");
        var result = Shell.Run("dotnet", [Shell.Pfmvg, .. Arguments(options.Split(' '))], folder: folder.Path);
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
        Assert.Equal("", result.Output);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var result = Shell.RunPfmvg(Arguments("--port", $"{server.Address.Port}", "--listen", "127.0.0.1"));
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains($"--port {server.Address.Port}: another program listens there", result.Error, StringComparison.Ordinal);
    }
}
