using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Pfmvg.Cli.Serving;
using Pfmvg.Serving;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>What a server answered.</summary>
internal sealed record Reply(int Status, HttpResponseHeaders Headers, string? Type, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public JsonNode Json => JsonNode.Parse(Text)!;

    /// <summary>The sentence of an error, which has the form that clients read.</summary>
    public string Error
    {
        get
        {
            var error = Json["error"]!.AsObject();
            Assert.Equal(["code", "message", "param", "type"], error.Select(entry => entry.Key).Order());
            return (string)error["message"]!;
        }
    }

    /// <summary>The data of each event of a stream.</summary>
    public List<string> Events => [.. Text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
        .Where(entry => entry.StartsWith("data: ", StringComparison.Ordinal)).Select(entry => entry["data: ".Length..])];

    public override string ToString() => $"{Status} {Type}\n{Text}";
}

/// <summary>The real server on a free port, and a client.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly Server _server;
    private bool _stopped;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };

    private TestServer(Server server, List<string> told) => (_server, Told) = (server, told);

    /// <summary>What its user was told.</summary>
    public List<string> Told { get; }

    public Uri Address => new(_server.Address.Replace("localhost", "127.0.0.1", StringComparison.Ordinal));

    public static async Task<TestServer> Start(ServedModel model, ServerOptions? options = null, AnswerQueue.Answerer? answer = null)
    {
        List<string> told = [];
        return new TestServer(await Server.Start(model, (options ?? new ServerOptions()) with { Port = 0 }, told.Add, answer), told);
    }

    public Task<Reply> Get(string path, params (string Name, string Value)[] headers) => Send(HttpMethod.Get, path, null, headers);

    /// <summary>Posts JSON.</summary>
    public Task<Reply> Post(string path, string json, params (string Name, string Value)[] headers) =>
        Send(HttpMethod.Post, path, Content(Encoding.UTF8.GetBytes(json), "application/json"), headers);

    public Task<Reply> Send(HttpMethod method, string path, HttpContent? content, (string Name, string Value)[] headers) =>
        SendUntil(method, path, content, headers, CancellationToken.None);

    private async Task<Reply> SendUntil(
        HttpMethod method, string path, HttpContent? content, (string Name, string Value)[] headers, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, new Uri(Address, path)) { Content = content };
        foreach (var (name, value) in headers)
            if (!request.Headers.TryAddWithoutValidation(name, value)) content?.Headers.TryAddWithoutValidation(name, value);
        using var answer = await _http.SendAsync(request, cancel);
        return new Reply((int)answer.StatusCode, answer.Headers, answer.Content.Headers.ContentType?.MediaType,
            await answer.Content.ReadAsByteArrayAsync(cancel));
    }

    /// <summary>A picture and phrases as a form.</summary>
    public Task<Reply> Ground(byte[] picture, params string[] phrases) => GroundUntil(picture, phrases, CancellationToken.None);

    /// <summary>The same by a client that goes away when this is cancelled.</summary>
    public Task<Reply> GroundUntil(byte[] picture, string[] phrases, CancellationToken cancel)
    {
        var form = new MultipartFormDataContent { { Content(picture, "application/octet-stream"), "image", "x.png" } };
        foreach (var phrase in phrases) form.Add(new ByteArrayContent(Encoding.UTF8.GetBytes(phrase)), "phrase");
        return SendUntil(HttpMethod.Post, "/v1/ground", form, [], cancel);
    }

    /// <summary>The body of a chat request about a picture.</summary>
    public static JsonObject Chat(string uri, string text) => new()
    {
        ["model"] = "any",
        ["messages"] = new JsonArray(new JsonObject
        {
            ["role"] = "user",
            ["content"] = new JsonArray(
                new JsonObject { ["type"] = "image_url", ["image_url"] = new JsonObject { ["url"] = uri } },
                new JsonObject { ["type"] = "text", ["text"] = text }),
        }),
    };

    /// <summary>Sends bytes as they are and reads until the server closes the connection.</summary>
    public async Task<string> Raw(string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Address.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request));
        using var answer = new StreamReader(stream, Encoding.UTF8);
        return await answer.ReadToEndAsync();
    }

    /// <summary>The value of a counter.</summary>
    public async Task<long> Metric(string name) => long.Parse((await Get("/metrics")).Text.Split('\n')
        .Single(line => line.StartsWith(name + " ", StringComparison.Ordinal))[(name.Length + 1)..]);

    /// <summary>Waits until a counter has a value.</summary>
    public async Task Until(string name, long value)
    {
        var end = DateTime.UtcNow.AddSeconds(30);
        while (await Metric(name) != value)
        {
            Assert.True(DateTime.UtcNow < end, $"{name} is not {value}");
            await Task.Delay(20);
        }
    }

    public static ByteArrayContent Content(byte[] body, string type)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        return content;
    }

    /// <summary>Ends the server as SIGTERM does; its clients are still there.</summary>
    public async Task Stop()
    {
        if (Interlocked.Exchange(ref _stopped, true)) return;
        await _server.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Stop();
        _http.Dispose();
    }
}
