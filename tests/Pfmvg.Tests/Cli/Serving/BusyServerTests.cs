using System.Net.Sockets;
using System.Text.Json.Nodes;
using Pfmvg.Cli.Serving;
using Pfmvg.Serving;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>Places, deadlines, clients that leave, failures in the middle, and the end.</summary>
public sealed class BusyServerTests(ServedWorkspace workspace) : IClassFixture<ServedWorkspace>
{
    private static readonly byte[] Picture = ServedWorkspace.Png(20, 20);

    private static readonly string Chat = TestServer.Chat(ServedWorkspace.Uri(Picture), "edema").ToJsonString();

    private static string Streamed
    {
        get
        {
            var body = TestServer.Chat(ServedWorkspace.Uri(Picture), "edema");
            body["stream"] = true;
            return body.ToJsonString();
        }
    }

    /// <summary>Stands before the model: questions wait there until it is opened.</summary>
    private sealed class Door(ServedModel model) : IDisposable
    {
        private readonly ManualResetEventSlim _open = new();
        private readonly SemaphoreSlim _reached = new(0);

        public void Open() => _open.Set();

        /// <summary>Ends when a batch stands before the door.</summary>
        public Task<bool> Reached() => _reached.WaitAsync(TimeSpan.FromSeconds(30));

        public IReadOnlyList<ServedAnswer> Answer(IReadOnlyList<Question> questions, CancellationToken cancel)
        {
            _reached.Release();
            _open.Wait(cancel);
            return model.Answer(questions, cancel);
        }

        public void Dispose()
        {
            _open.Dispose();
            _reached.Dispose();
        }
    }

    [Fact]
    public async Task Who_comes_when_all_places_are_taken_is_told_when_to_come_again()
    {
        using var door = new Door(workspace.Model);
        await using var server = await TestServer.Start(workspace.Model, new ServerOptions { Queue = 2 }, door.Answer);
        var first = server.Ground(Picture, "one");
        await door.Reached();
        var waiting = server.Ground(Picture, "two", "three");
        await server.Until("pfmvg_questions_waiting", 2);
        foreach (var refused in (Task<Reply>[])[server.Ground(Picture, "four"), server.Post("/v1/chat/completions", Chat),
            server.Post("/v1/chat/completions", Streamed)])
        {
            var reply = await refused;
            Assert.True(reply.Status == 429, $"{reply}");
            Assert.InRange(int.Parse(Assert.Single(reply.Headers.GetValues("Retry-After"))), 1, 60);
            Assert.Contains("All 2 places are taken", reply.Error, StringComparison.Ordinal);
        }

        door.Open();
        Assert.Equal((200, 200), ((await first).Status, (await waiting).Status));
        Assert.Equal(200, (await server.Ground(Picture, "four")).Status);
    }

    [Fact]
    public async Task A_client_that_goes_away_frees_its_place()
    {
        using var door = new Door(workspace.Model);
        await using var server = await TestServer.Start(workspace.Model, new ServerOptions { Queue = 1 }, door.Answer);
        using var leave = new CancellationTokenSource();
        var running = server.GroundUntil(Picture, ["one"], leave.Token);
        await door.Reached();
        var waiting = server.GroundUntil(Picture, ["two"], leave.Token);
        await server.Until("pfmvg_questions_waiting", 1);
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await server.Until("pfmvg_questions_waiting", 0);
        await server.Until("pfmvg_requests_running", 1); // this look
        door.Open();
        Assert.Equal(200, (await server.Ground(Picture, "three")).Status);
    }

    [Fact]
    public async Task An_answer_that_does_not_come_in_time_is_an_error_that_may_be_tried_again()
    {
        using var door = new Door(workspace.Model);
        var options = new ServerOptions { Deadline = TimeSpan.FromSeconds(0.3) };
        await using var server = await TestServer.Start(workspace.Model, options, door.Answer);
        var reply = await server.Ground(Picture, "edema");
        Assert.True(reply.Status == 503, $"{reply}");
        Assert.InRange(int.Parse(Assert.Single(reply.Headers.GetValues("Retry-After"))), 1, 60);
        var stream = await server.Post("/v1/chat/completions", Streamed);
        Assert.Equal(200, stream.Status); // it had begun
        Assert.Equal("deadline", (string?)JsonNode.Parse(stream.Events[^1])!["error"]!["code"]);
        door.Open();
    }

    [Fact]
    public async Task A_stream_that_fails_ends_with_an_error_event()
    {
        await using var server = await TestServer.Start(workspace.Model, answer: (questions, _) =>
        {
            foreach (var text in (string[])["{<1", "{<10", "{<10><2"]) questions[0].Grown!(text);
            throw new InvalidOperationException("edema in the left lung");
        });
        var reply = await server.Post("/v1/chat/completions", Streamed);
        Assert.Equal("failure", (string?)JsonNode.Parse(reply.Events[^1])!["error"]!["code"]);
        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("lung", reply.Text, StringComparison.Ordinal);
        Assert.All(reply.Events.SkipLast(1), data => Assert.Null(JsonNode.Parse(data)!["choices"]![0]!["finish_reason"]));
    }

    [Fact]
    public async Task A_failure_that_a_retry_would_meet_again_says_so_and_tells_nothing_of_the_request()
    {
        await using var server = await TestServer.Start(workspace.Model,
            answer: (_, _) => throw new InvalidOperationException("edema in the left lung"));
        var reply = await server.Post("/v1/chat/completions", Chat);
        Assert.True(reply.Status == 500, $"{reply}");
        Assert.Equal("false", Assert.Single(reply.Headers.GetValues("X-Should-Retry")));
        var told = Assert.Single(server.Told);
        Assert.Contains(nameof(InvalidOperationException), told, StringComparison.Ordinal);
        Assert.DoesNotContain("lung", told + reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_grows_and_is_the_plain_answer_in_the_end()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var plain = (await server.Post("/v1/chat/completions", Chat)).Json["choices"]![0]!["message"]!;
        var stream = await server.Post("/v1/chat/completions", Streamed);
        var deltas = stream.Events.SkipLast(1).Select(data => JsonNode.Parse(data)!["choices"]![0]!["delta"]!).ToList();
        Assert.Equal((string?)plain["content"], string.Concat(deltas.Select(delta => (string?)delta["content"])));
        Assert.Equal(plain["boxes"]!.ToJsonString(), deltas.Single(delta => delta["boxes"] is not null)["boxes"]!.ToJsonString());
    }

    [Fact]
    public async Task A_silent_stream_shows_that_it_lives()
    {
        using var door = new Door(workspace.Model);
        var options = new ServerOptions { Pulse = TimeSpan.FromSeconds(0.05) };
        await using var server = await TestServer.Start(workspace.Model, options, door.Answer);
        var stream = server.Post("/v1/chat/completions", Streamed);
        await door.Reached();
        await Task.Delay(300, TestContext.Current.CancellationToken); // several pulses
        door.Open();
        Assert.Contains("\n\n: the answer is not ready yet\n\n", (await stream).Text, StringComparison.Ordinal);
        Assert.Equal("[DONE]", (await stream).Events[^1]);
    }

    [Fact]
    public async Task Clients_of_a_load_get_an_answer_for_every_question()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.In("a.png"), Picture);
        await using var server = await TestServer.Start(workspace.Model);
        var load = new LoadGenerator(
            server.Address.OriginalString, [(folder.In("a.png"), "one"), (folder.In("a.png"), "two")], unseen: true);
        var seen = await load.Ask(3, TimeSpan.FromSeconds(0.5), TestContext.Current.CancellationToken);
        Assert.True(seen is { Answered: > 0, Refused: 0, Failed: 0 }, $"{seen}");
        Assert.Equal((seen.Answered, seen.Latencies.Count), (await server.Metric("pfmvg_questions_answered_total"), (int)seen.Answered));
        Assert.True(await server.Metric("pfmvg_pictures_decoded_total") >= seen.Answered / 2); // a new one in each turn
        Assert.True(seen.Within(0.5) <= seen.Within(1));
    }

    [Fact]
    public async Task A_stop_ends_the_text_and_its_boxes()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var body = JsonNode.Parse(Chat)!;
        body["stop"] = new JsonArray("nowhere", ">");
        var choice = (await server.Post("/v1/chat/completions", body.ToJsonString())).Json["choices"]![0]!;
        Assert.Matches(@"^\{<\d+$", (string)choice["message"]!["content"]!);
        Assert.Empty(choice["message"]!["boxes"]!.AsArray());
        Assert.Equal("cut off", (string?)choice["message"]!["flaw"]);
    }

    [Fact]
    public async Task A_temperature_draws_and_a_seed_draws_again()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var body = JsonNode.Parse(Chat)!;
        body["temperature"] = 5;
        var drawn = new HashSet<string>();
        for (var i = 0; i < 6; i++) drawn.Add(await Text());
        Assert.True(drawn.Count > 1);
        body["seed"] = 7;
        Assert.Equal(await Text(), await Text());

        async Task<string> Text() =>
            (string)(await server.Post("/v1/chat/completions", body.ToJsonString())).Json["choices"]![0]!["message"]!["content"]!;
    }

    [Fact]
    public async Task An_ending_server_answers_what_it_has_begun()
    {
        using var door = new Door(workspace.Model);
        await using var server = await TestServer.Start(workspace.Model, answer: door.Answer);
        var (plain, stream) = (server.Post("/v1/chat/completions", Chat), server.Post("/v1/chat/completions", Streamed));
        await server.Until("pfmvg_requests_running", 3); // this look, too
        var end = server.Stop();
        await door.Reached();
        Assert.False(end.IsCompleted);
        door.Open();
        Assert.Equal(200, (await plain).Status);
        Assert.Equal("[DONE]", (await stream).Events[^1]);
        await end;
        await Assert.ThrowsAsync<SocketException>(() => server.Raw("GET /healthz HTTP/1.1\r\n\r\n"));
    }
}
