using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Pfmvg.Cli.Serving;
using Pfmvg.Tests.Imaging.Formats;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>Requests that want to harm: each is refused in words, and the next good one is answered.</summary>
public sealed class HostileRequestTests(ServedWorkspace workspace) : IClassFixture<ServedWorkspace>
{
    private const string Key = "0123456789abcdef";

    private static readonly byte[] Good = ServedWorkspace.Png(20, 20);

    private static readonly string Question = TestServer.Chat(ServedWorkspace.Uri(Good), "edema").ToJsonString();

    private static async Task Refuses(TestServer server, int status, string sentence, Task<Reply> request)
    {
        var reply = await request;
        Assert.True(reply.Status == status, $"{reply}");
        Assert.Contains(sentence, reply.Error, StringComparison.Ordinal);
        Assert.Equal(200, (await server.Ground(Good, "edema")).Status);
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_refused_however_it_comes()
    {
        await using var server = await TestServer.Start(workspace.Model, new ServerOptions { MostBytes = 1 << 20 });
        var large = new byte[3 << 20];
        await Refuses(server, 413, "larger than this server takes (1 MiB)", Post(TestServer.Content(large, "application/json")));
        var chunked = TestServer.Content(large, "application/json");
        await Refuses(server, 413, "larger than", Post(chunked, ("Transfer-Encoding", "chunked")));
        using var packed = new MemoryStream();
        using (var zip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true)) zip.Write(large);
        var bomb = TestServer.Content(packed.ToArray(), "application/json");
        await Refuses(server, 413, "larger than", Post(bomb, ("Content-Encoding", "gzip")));
        await Refuses(server, 413, "larger than", Post(TestServer.Content(large, "application/json"), ("Expect", "100-continue")));

        Task<Reply> Post(HttpContent content, params (string, string)[] headers) =>
            server.Send(HttpMethod.Post, "/v1/chat/completions", content, headers);
    }

    [Fact]
    public async Task A_body_that_is_not_packed_as_it_says_is_refused()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var content = Encoding.UTF8.GetBytes(Question);
        foreach (var packing in (string[])["gzip", "deflate", "br"])
            await Refuses(server, 400, "not packed as its Content-Encoding says", server.Send(HttpMethod.Post, "/v1/chat/completions",
                TestServer.Content(content, "application/json"), [("Content-Encoding", packing)]));
        await Refuses(server, 415, "gzip, deflate and br", server.Send(HttpMethod.Post, "/v1/chat/completions",
            TestServer.Content(content, "application/json"), [("Content-Encoding", "zstd")]));
    }

    [Fact]
    public async Task A_body_that_does_not_come_is_given_up()
    {
        await using var server = await TestServer.Start(workspace.Model, new ServerOptions { Sending = TimeSpan.FromSeconds(0.2) });
        var answer = await server.Raw("POST /v1/ground HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + "Connection: close\r\nContent-Length: 500\r\n\r\n{\"image\": ");
        Assert.StartsWith("HTTP/1.1 408", answer, StringComparison.Ordinal);
        Assert.Contains("was not sent within", answer, StringComparison.Ordinal);
        Assert.Equal(200, (await server.Ground(Good, "edema")).Status);
    }

    [Fact]
    public async Task A_picture_is_bounded_before_it_is_decoded()
    {
        await using var server = await TestServer.Start(workspace.Model, new ServerOptions { MostPixels = 1000 });
        await Refuses(server, 400, "has 40 x 30 pixels, and this server takes 1,000", server.Ground(ServedWorkspace.Png(40, 30), "edema"));
        var liar = PngWriter.Write(0, 8, [[1, 2], [3, 4]], claimWidth: 60_000, claimHeight: 60_000);
        await Refuses(server, 400, "image: ", server.Ground(liar, "edema"));
        await Refuses(server, 400, "image: ", server.Send(HttpMethod.Post, "/v1/picture", TestServer.Content(liar, "image/png"), []));
    }

    [Fact]
    public async Task Damaged_pictures_cost_their_own_request_alone()
    {
        await using var server = await TestServer.Start(workspace.Model);
        foreach (var picture in (byte[][])[ServedWorkspace.Jpeg(90, 80), ServedWorkspace.Png(90, 80)])
        {
            var damaged = Enumerable.Range(1, 12).Select(part => picture[..(picture.Length * part / 13)]).ToList();
            var replies = await Task.WhenAll([.. damaged.Select(file => server.Ground(file, "edema")), server.Ground(Good, "edema")]);
            Assert.All(replies[..^1], reply => Assert.Equal((400, "image"), (reply.Status, reply.Error[.."image".Length])));
            Assert.Equal(200, replies[^1].Status);
        }
    }

    [Theory]
    [InlineData("{\"messages\": 5}", "messages: must be a list")]
    [InlineData("{\"messages\": []}", "messages: must be a list")]
    [InlineData("{\"messages\": [5]}", "messages: a message is no object")]
    [InlineData("{\"messages\": [{\"content\": \"edema\"}]}", "messages: a message has no role")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"audio\"}]}]}", "messages: a part is neither")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": 7}]}", "messages: 'content' must be")]
    [InlineData("<html>", "The body is no JSON")]
    public async Task Messages_that_mean_nothing_are_refused(string body, string sentence)
    {
        await using var server = await TestServer.Start(workspace.Model);
        await Refuses(server, 400, sentence, server.Post("/v1/chat/completions", body));
    }

    [Fact]
    public async Task JSON_without_an_end_of_brackets_is_refused()
    {
        await using var server = await TestServer.Start(workspace.Model);
        await Refuses(server, 400, "The body is no JSON", server.Post("/v1/chat/completions", new string('[', 200_000)));
    }

    [Theory]
    [InlineData("temperature", "-1", "temperature: must be a number")]
    [InlineData("temperature", "\"hot\"", "temperature: must be a number")]
    [InlineData("top_p", "0", "top_p: must be a number")]
    [InlineData("max_tokens", "0", "max_tokens: must be a whole number")]
    [InlineData("max_tokens", "3", "max_tokens: 3 tokens hold no box")]
    [InlineData("stream", "\"yes\"", "stream: must be true or false")]
    [InlineData("stop", "[\"\"]", "stop: an empty text")]
    [InlineData("logprobs", "true", "logprobs: this server gives no")]
    [InlineData("presence_penalty", "1", "presence_penalty: this server has no")]
    [InlineData("logit_bias", "{\"5\": 1}", "logit_bias: this server has none")]
    [InlineData("tool_choice", "\"required\"", "tool_choice: this model calls no tools")]
    [InlineData("response_format", "{\"type\": \"xml\"}", "response_format: the type must be")]
    public async Task What_is_not_done_is_refused_in_words(string field, string value, string sentence)
    {
        await using var server = await TestServer.Start(workspace.Model);
        var body = JsonNode.Parse(Question)!;
        body[field] = JsonNode.Parse(value);
        await Refuses(server, 400, sentence, server.Post("/v1/chat/completions", body.ToJsonString()));
        body[field] = null; // as clients write what their user left open
        Assert.Equal(200, (await server.Post("/v1/chat/completions", body.ToJsonString())).Status);
    }

    [Fact]
    public async Task A_page_of_another_site_is_refused_under_every_name()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var authority = server.Address.Authority;
        foreach (var host in (string[])
            ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.168.1.7", "localhost.evil.example"])
            Assert.Equal(403, (await server.Get("/healthz", ("Host", host))).Status);
        foreach (var host in (string[])["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:80"])
            Assert.Equal(200, (await server.Get("/healthz", ("Host", host))).Status);
        foreach (var origin in (string[])["https://evil.example", "null", $"https://{authority}", "http://localhost:1", "http://127.0.0.1"])
            await Refuses(server, 403, "Pages of other sites", server.Post("/v1/chat/completions", Question, ("Origin", origin)));
        await Refuses(server, 403, "Pages of other sites", server.Post("/v1/chat/completions", Question, ("Sec-Fetch-Site", "cross-site")));
        var own = await server.Post("/v1/chat/completions", Question, ("Origin", $"http://{authority}"), ("Sec-Fetch-Site", "same-origin"));
        Assert.True(own.Status == 200, $"{own}");
        Assert.DoesNotContain(own.Headers, header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Without_the_key_there_is_only_the_page_and_the_sign_of_life()
    {
        await using var server = await TestServer.Start(workspace.Model, new ServerOptions { Key = Key });
        foreach (var path in (string[])["/", "/healthz"]) Assert.Equal(200, (await server.Get(path)).Status);
        foreach (var path in (string[])["/v1/models", "/metrics", "/openapi.json", "/v1/chat/completions", "/elsewhere"])
            foreach (var given in (string[])["", "Bearer", "Bearer wrong", $"Bearer {Key}x", $"Bearer {Key[..^1]}", $"Basic {Key}", Key])
            {
                var reply = await server.Get(path, given.Length > 0 ? [("Authorization", given)] : []);
                Assert.True(reply.Status == 401, $"{path} '{given}' {reply}");
                Assert.Equal("Bearer", $"{Assert.Single(reply.Headers.WwwAuthenticate)}");
                Assert.DoesNotContain(Key, reply.Error, StringComparison.Ordinal);
            }

        Assert.Equal(401, (await server.Post("/v1/chat/completions", Question)).Status);
        Assert.Equal(200, (await server.Post("/v1/chat/completions", Question, ("Authorization", $"Bearer {Key}"))).Status);
    }

    [Fact]
    public async Task Addresses_and_methods_that_are_not_there_are_errors_that_clients_can_read()
    {
        await using var server = await TestServer.Start(workspace.Model);
        foreach (var path in (string[])
            ["/v1/responses", "/v1/completions", "/v1/embeddings", "/page.js.map", "/../etc/passwd", "/v1/%2e%2e"])
            await Refuses(server, 404, "nothing at this address", server.Post(path, "{}"));
        await Refuses(server, 405, "/v1/ground takes POST", server.Get("/v1/ground"));
        await Refuses(server, 405, "/v1/models takes GET", server.Post("/v1/models", "{}"));
    }

    [Fact]
    public async Task A_form_that_is_none_is_refused()
    {
        await using var server = await TestServer.Start(workspace.Model);
        await Refuses(server, 400, "names no boundary", Send("{}", "multipart/form-data"));
        await Refuses(server, 400, "The form is cut off", Send(
            "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nabc", "multipart/form-data; boundary=x"));
        await Refuses(server, 400, "image: there is no picture", Send("--x--\r\n", "multipart/form-data; boundary=x"));

        Task<Reply> Send(string body, string type) =>
            server.Send(HttpMethod.Post, "/v1/ground", TestServer.Content(Encoding.UTF8.GetBytes(body), type), []);
    }
}
