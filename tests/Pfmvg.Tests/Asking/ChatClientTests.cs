using System.Globalization;
using Pfmvg.Asking;
using Pfmvg.Configuration;
using Pfmvg.Tests.Support;
using static Pfmvg.Tests.Support.HostileServer;

namespace Pfmvg.Tests.Asking;

/// <summary>What becomes of each behaviour of a server: an answer, a phrase that is given up, or the end of the asking.</summary>
public class ChatClientTests
{
    private const string Text = "<p>opacity</p> {<12><20><45><60>}";
    private const int Tries = 3;

    private static readonly Reply Ok = Plain(Text), Full = Error(429, "The queue is full.");

    private static readonly AskSettings Quick = new() { Wait = 0.001, LongestWait = 0.05, Retries = Tries - 1, Timeout = 5 };

    private static readonly Dictionary<string, Func<Request, Reply>> Behaviours = new()
    {
        ["ok"] = _ => Ok,
        ["e400"] = _ => Error(400, "Only data: addresses are read, not remote pictures."),
        ["e400-plain"] = _ => new Reply("bad request", 400),
        ["e401"] = _ => Error(401, "The key is missing or wrong.", "invalid_api_key"),
        ["e403"] = _ => Error(403, "Not allowed."),
        ["e404"] = _ => Error(404, "There is no model 'nope'.", "model_not_found"),
        ["e408"] = _ => Error(408, "Timed out."),
        ["e409"] = _ => Error(409, "Conflict."),
        ["e413"] = _ => Error(413, "The body is larger than 32 MiB."),
        ["e422"] = _ => Error(422, "'temperature' must be 0 to 2."),
        ["e422-detail"] = _ => new Reply("""{"detail": [{"type": "extra", "loc": ["body"], "msg": "Unexpected keys"}]}""", 422),
        ["e429"] = _ => Full with { Headers = [("Retry-After", "1")] },
        ["e429-0"] = _ => Full with { Headers = [("Retry-After", "0")] },
        ["e429-ms"] = _ => Full with { Headers = [("retry-after-ms", "25")] },
        ["e429-date"] = _ => Full with
        {
            Headers = [("Retry-After", DateTime.UtcNow.AddSeconds(2).ToString("R", CultureInfo.InvariantCulture))],
        },
        ["e429-none"] = _ => Full,
        ["e429-long"] = _ => Full with { Headers = [("Retry-After", "120")] },
        ["e429-no"] = _ => Error(429, "The quota is spent.", "insufficient_quota", ("x-should-retry", "false"), ("Retry-After", "1")),
        ["e429-once"] = request => request.Number == 0 ? Full with { Headers = [("Retry-After", "1")] } : Ok,
        ["e500"] = _ => Error(500, "The model failed."),
        ["e500-no"] = _ => Error(500, "The picture is broken.", null, ("x-should-retry", "false")),
        ["e500-once"] = request => request.Number == 0 ? Error(500, "The model failed.") : Ok,
        ["e500-plain"] = _ => new Reply("Internal Server Error", 500),
        ["e502-html"] = _ => new Reply("<html><body>Bad Gateway</body></html>", 502, ("Content-Type", "text/html")),
        ["e503"] = _ => Error(503, "Loading.", null, ("Retry-After", "1")),
        ["redirect"] = _ => new Reply("", 307, ("Location", "http://198.51.100.1/v1/chat/completions")),
        ["wrong-json"] = _ => new Reply("{\"id\": \"chatcmpl-0001\", \"choices\": ["),
        ["html-200"] = _ => new Reply("<html>hello</html>", 200, ("Content-Type", "text/html")),
        ["empty-200"] = _ => new Reply(""),
        ["array-200"] = _ => new Reply("[]"),
        ["deep-200"] = _ => new Reply(new string('[', 30_000)),
        ["error-200"] = _ => Error(200, "The model failed."),
        ["cut-body"] = _ => Ok with { Cut = true },
        ["no-answer"] = _ => Ok with { HangUp = true },
        ["slow"] = _ => Ok with { Delay = TimeSpan.FromSeconds(20) },
        ["large"] = _ => Plain(new string('a', ChatClient.LongestAnswer)),
        ["large-error"] = _ => new Reply(new string('a', 10 * ChatClient.LongestAnswer), 500),
        ["endless"] = _ => new Reply("          ") { Endless = true },
        ["stream"] = _ => new Reply("data: {\"choices\": []}\n\n", 200, ("Content-Type", "text/event-stream")),
        ["filtered"] = _ => Error(400, "The response was filtered.", "content_filter"),
    };

    // An unstreamed question meets none of these: they behave as `ok`.
    private static readonly string[] Streams =
        ["stream-cut", "stream-ends", "stream-no-done", "stream-error", "stream-bad", "stream-slow", "stream-comments", "plain-for-stream"];

    [Theory]
    [InlineData("ok", 1)]
    [InlineData("e429-once", 2)]
    [InlineData("e500-once", 2)]
    public async Task An_answer_is_read_after_what_passes(string behaviour, int requests)
    {
        var (reply, sent) = await Ask(behaviour);
        Assert.Equal((Text, null, requests), (reply.Text, reply.Fault, sent.Count));
        Assert.Equal((90, 14), (reply.Usage!.Prompt, reply.Usage.Completion));
    }

    [Fact]
    public async Task No_stream_is_asked_for_so_the_faults_of_streams_are_never_met()
    {
        foreach (var name in Streams)
        {
            using var server = new HostileServer(request => request.Body.Contains("\"stream\"", StringComparison.Ordinal)
                ? new Reply($"data: {name}") { Cut = true } : Ok);
            Assert.Equal(Text, (await Ask(server, Quick)).Text);
        }
    }

    [Theory]
    [InlineData("e400", 1, "400 (Only data: addresses are read, not remote pictures)")]
    [InlineData("e400-plain", 1, "400 (bad request)")]
    [InlineData("e403", 1, "403 (Not allowed)")]
    [InlineData("e408", Tries, "408 (Timed out), after 3 tries")]
    [InlineData("e409", Tries, "409 (Conflict), after 3 tries")]
    [InlineData("e413", 1, "413 (The body is larger than 32 MiB)")]
    [InlineData("e422", 1, "422 ('temperature' must be 0 to 2)")]
    [InlineData("e422-detail", 1, "422 (Unexpected keys)")]
    [InlineData("e429", Tries, "429 (The queue is full), after 3 tries")]
    [InlineData("e429-0", Tries, "429 (The queue is full), after 3 tries")]
    [InlineData("e429-ms", Tries, "429 (The queue is full), after 3 tries")]
    [InlineData("e429-date", Tries, "429 (The queue is full), after 3 tries")]
    [InlineData("e429-none", Tries, "429 (The queue is full), after 3 tries")]
    [InlineData("e429-long", Tries, "429 (The queue is full), after 3 tries")]
    [InlineData("e500", Tries, "500 (The model failed), after 3 tries")]
    [InlineData("e500-no", 1, "500 (The picture is broken)")]
    [InlineData("e500-plain", Tries, "500 (Internal Server Error), after 3 tries")]
    [InlineData("e502-html", Tries, "502 (an HTML page), after 3 tries")]
    [InlineData("e503", Tries, "503 (Loading), after 3 tries")]
    [InlineData("wrong-json", Tries, "answer is no JSON, after 3 tries")]
    [InlineData("html-200", Tries, "an HTML page instead of JSON, after 3 tries")]
    [InlineData("empty-200", Tries, "answer is empty, after 3 tries")]
    [InlineData("array-200", Tries, "answer is no JSON object, after 3 tries")]
    [InlineData("deep-200", Tries, "nested deeper than 64, after 3 tries")]
    [InlineData("error-200", Tries, "an error under status 200 (The model failed), after 3 tries")]
    [InlineData("cut-body", Tries, "closed the connection in the middle of its answer, after 3 tries")]
    [InlineData("no-answer", Tries, "closed the connection without an answer, after 3 tries")]
    [InlineData("slow", Tries, "no whole answer within 0.2 s (ask.timeout), after 3 tries")]
    [InlineData("large", 1, "longer than 64 KiB")]
    [InlineData("large-error", Tries, "500, after 3 tries")]
    [InlineData("endless", 1, "longer than 64 KiB")]
    [InlineData("stream", Tries, "a stream, which was not asked for, after 3 tries")]
    public async Task What_is_no_answer_is_asked_again_where_that_may_help_and_then_given_up(string behaviour, int requests, string fault)
    {
        var (reply, sent) = await Ask(behaviour, behaviour == "slow" ? Quick with { Timeout = 0.2 } : Quick);
        Assert.Equal("", reply.Text);
        Assert.StartsWith("the server", reply.Fault, StringComparison.Ordinal);
        Assert.EndsWith(fault, reply.Fault, StringComparison.Ordinal);
        Assert.Equal(requests, sent.Count);
    }

    [Theory]
    [InlineData("e401", "PFMVG_ASK_KEY")]
    [InlineData("e404", "There is no model 'nope'")]
    [InlineData("e429-no", "The quota is spent")]
    [InlineData("redirect", "not followed")]
    public async Task What_every_other_request_would_meet_ends_the_asking_at_once(string behaviour, string words)
    {
        using var server = new HostileServer(Behaviours[behaviour]);
        var stop = await Assert.ThrowsAsync<InputException>(() => Ask(server, Quick));
        Assert.Contains(words, stop.Message, StringComparison.Ordinal);
        Assert.Contains(server.Url, stop.Message, StringComparison.Ordinal);
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_said_at_once()
    {
        string url;
        using (var gone = new HostileServer(_ => Ok)) url = gone.Url;
        using var client = new ChatClient(ServerAddress.Parse(url, allowRemote: false), Quick with { Retries = 50, Wait = 60 }, null);
        foreach (var attempt in (Func<Task>[])[() => client.Reach(TestContext.Current.CancellationToken),
            () => client.Ask([1], "", new CounterRandom(0, "w"), TestContext.Current.CancellationToken)])
            Assert.Contains("no server is listening there", (await Assert.ThrowsAsync<InputException>(attempt)).Message,
                StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_filter_stops_is_a_refusal() => Assert.True((await Ask("filtered")).Reply.Refused);

    [Fact]
    public async Task The_key_goes_to_the_server_and_nowhere_else_and_phrases_are_not_repeated()
    {
        const string Key = "sk-0123456789", Phrase = "mass of Mr Miller";
        using var server = new HostileServer(_ => Error(500, $"Key {Key} and prompt '{Phrase.ToUpperInvariant()}' are wrong."));
        using var client = new ChatClient(ServerAddress.Parse(server.Url, allowRemote: false), Quick, $" {Key}\n");
        var reply = await client.Ask([1], Phrase, new CounterRandom(0, "wait"), TestContext.Current.CancellationToken);
        Assert.Equal("the server answered 500 (Key KEY and prompt 'PHRASE' are wrong), after 3 tries", reply.Fault);
        Assert.All(server.Requests, request => Assert.Equal($"Bearer {Key}", request.Headers["authorization"]));
        var wrong = Assert.Throws<InputException>(() => new ChatClient(ServerAddress.Parse(server.Url, false), Quick, "sk-\u00e4 secret"));
        Assert.Contains("PFMVG_ASK_KEY", wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Few_headers_are_sent_and_none_about_the_user()
    {
        var (_, sent) = await Ask("ok");
        Assert.Equal(["content-length", "content-type", "host"], sent[0].Headers.Keys.Order());
        Assert.StartsWith("POST /v1/chat/completions ", sent[0].Line, StringComparison.Ordinal);
    }

    private static async Task<(ChatReply Reply, List<Request> Sent)> Ask(string behaviour, AskSettings? settings = null)
    {
        using var server = new HostileServer(Behaviours[behaviour]);
        return (await Ask(server, settings ?? Quick), [.. server.Requests]);
    }

    private static async Task<ChatReply> Ask(HostileServer server, AskSettings settings)
    {
        using var client = new ChatClient(ServerAddress.Parse(server.Url, allowRemote: false), settings, null);
        return await client.Ask(ChatRequest.Write("m", [1, 2, 3], "Where?", settings), "Where?", new CounterRandom(0, "wait"),
            TestContext.Current.CancellationToken);
    }
}
