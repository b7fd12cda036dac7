using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Pfmvg.Tests.Support;

/// <summary>A server on a free port that answers as a test wants, wrongly above all. It closes each connection after one answer.</summary>
internal sealed class HostileServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Func<Request, Reply> _answer;
    private readonly Lock _gate = new();
    private int _now;

    /// <param name="answer">Called for each request, also for several at a time.</param>
    public HostileServer(Func<Request, Reply> answer)
    {
        _answer = answer;
        _listener.Start();
        Url = $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/v1";
        _ = Accept();
    }

    /// <summary>A request as it came.</summary>
    /// <param name="Number">How many requests came before it.</param>
    /// <param name="Line">Its first line.</param>
    /// <param name="Headers">Names in lower case.</param>
    /// <param name="Body">The body.</param>
    public sealed record Request(int Number, string Line, IReadOnlyDictionary<string, string> Headers, string Body)
    {
        /// <summary>The text part of the question.</summary>
        public string Question => Content[1].GetProperty("text").GetString()!;

        /// <summary>The picture's address.</summary>
        public string Picture => Content[0].GetProperty("image_url").GetProperty("url").GetString()!;

        private JsonElement Content =>
            JsonDocument.Parse(Body).RootElement.GetProperty("messages")[0].GetProperty("content");
    }

    /// <summary>What is sent back.</summary>
    public sealed record Reply(string Body, int Status = 200, params (string Name, string Value)[] Headers)
    {
        /// <summary>Close the connection in the middle of the body.</summary>
        public bool Cut { get; init; }

        /// <summary>Close the connection instead of answering.</summary>
        public bool HangUp { get; init; }

        /// <summary>Go on with the body for ever, without saying how long it is.</summary>
        public bool Endless { get; init; }

        /// <summary>Wait so long before the answer.</summary>
        public TimeSpan Delay { get; init; }
    }

    /// <summary>The base address.</summary>
    public string Url { get; }

    /// <summary>All posts so far; a question for the list of models is none.</summary>
    public ConcurrentQueue<Request> Requests { get; } = [];

    /// <summary>The most requests that were under way together.</summary>
    public int MostAtOnce { get; private set; }

    /// <summary>An answer with a text, and with whatever else belongs to it.</summary>
    public static Reply Plain(string? text, string finish = "stop", string? refusal = null) => new(JsonSerializer.Serialize(new
    {
        id = "chatcmpl-1",
        model = "m",
        choices = new[] { new { index = 0, message = new { role = "assistant", content = text, refusal }, finish_reason = finish } },
        usage = new { prompt_tokens = 90, completion_tokens = 14, total_tokens = 104 },
    }));

    /// <summary>An error as OpenAI's servers word it.</summary>
    public static Reply Error(int status, string message, string? code = null, params (string, string)[] headers) =>
        new(JsonSerializer.Serialize(new { error = new { message, type = "an_error", param = (string?)null, code } }), status, headers);

    public void Dispose()
    {
        _end.Cancel();
        _listener.Stop();
        _end.Dispose();
    }

    private async Task Accept()
    {
        try
        {
            while (true) _ = Serve(await _listener.AcceptTcpClientAsync(_end.Token));
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task Serve(TcpClient client)
    {
        using var connection = client;
        try
        {
            var stream = client.GetStream();
            if (await Read(stream) is not { } request) return;
            lock (_gate) MostAtOnce = Math.Max(MostAtOnce, ++_now);
            try
            {
                if (request.Line.StartsWith("GET ", StringComparison.Ordinal))
                {
                    await Write(stream, new Reply("""{"object":"list","data":[]}"""));
                    return;
                }

                lock (_gate) Requests.Enqueue(request = request with { Number = Requests.Count }); // two at once have two numbers
                await Write(stream, _answer(request));
            }
            finally
            {
                lock (_gate) _now--;
            }
        }
        catch (Exception gone) when (gone is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
        }
    }

    private async Task Write(NetworkStream stream, Reply reply)
    {
        if (reply.Delay > TimeSpan.Zero) await Task.Delay(reply.Delay, _end.Token);
        if (reply.HangUp) return;
        var body = Encoding.UTF8.GetBytes(reply.Body);
        var head = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {reply.Status} Status\r\n"));
        if (!reply.Headers.Any(header => header.Name == "Content-Type")) head.Append("Content-Type: application/json\r\n");
        foreach (var (name, value) in reply.Headers) head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        if (!reply.Endless) head.Append(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n");
        head.Append("Connection: close\r\n\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head.ToString()), _end.Token);
        await stream.WriteAsync(reply.Cut ? body.AsMemory(0, body.Length / 2) : body, _end.Token);
        while (reply.Endless) await stream.WriteAsync(body, _end.Token);
    }

    private async Task<Request?> Read(NetworkStream stream)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[1 << 16];
        int end;
        while ((end = bytes.GetBuffer().AsSpan(0, (int)bytes.Length).IndexOf("\r\n\r\n"u8)) < 0)
        {
            var read = await stream.ReadAsync(buffer, _end.Token);
            if (read == 0) return null;
            bytes.Write(buffer, 0, read);
        }

        var lines = Encoding.ASCII.GetString(bytes.GetBuffer(), 0, end).Split("\r\n");
        var headers = lines.Skip(1).Select(line => line.Split(": ", 2)).ToDictionary(pair => pair[0].ToLowerInvariant(), pair => pair[1]);
        var length = headers.TryGetValue("content-length", out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : 0;
        while (bytes.Length < end + 4 + length)
        {
            var read = await stream.ReadAsync(buffer, _end.Token);
            if (read == 0) return null;
            bytes.Write(buffer, 0, read);
        }

        return new Request(Requests.Count, lines[0], headers, Encoding.UTF8.GetString(bytes.GetBuffer(), end + 4, length));
    }
}
