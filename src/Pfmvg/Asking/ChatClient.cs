using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Pfmvg.Configuration;
using Pfmvg.Text;

namespace Pfmvg.Asking;

/// <summary>
/// Sends requests to one server. It trusts nothing that comes back: an answer is bounded in time and length, redirects are not followed,
/// nothing is unpacked, no cookie is kept. Safe for several threads.
/// </summary>
internal sealed class ChatClient : IDisposable
{
    /// <summary>The longest body that is read, in bytes.</summary>
    public const int LongestAnswer = PhraseLimit.AnswerBytes;

    private readonly ServerAddress _server;
    private readonly AskSettings _settings;
    private readonly string? _key;
    private readonly HttpClient _http;
    private readonly Lock _gate = new();
    private DateTimeOffset _quietUntil; // a server that is overrun wants no request at all, not only the same one later
    private volatile bool _reached;
    private long _requests;

    /// <param name="server">Where it is.</param>
    /// <param name="settings">Deadline and retries.</param>
    /// <param name="key">Sent as a bearer token; null sends none.</param>
    /// <exception cref="InputException">The key cannot be one.</exception>
    public ChatClient(ServerAddress server, AskSettings settings, string? key)
    {
        (_server, _settings, _key) = (server, settings, key?.Trim() is { Length: > 0 } some ? some : null);
        if (_key?.Any(c => c is <= ' ' or > '~') == true)
            throw new InputException($"{settings.KeyVariable}: the key in this environment variable has characters that no key has; set it "
                + "again.");
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false, // it could lead to another machine
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None, // a small answer could become an endless one
            ActivityHeadersPropagator = null,
            UseProxy = !server.IsLoopback,
            MaxConnectionsPerServer = settings.Concurrency,
            ConnectTimeout = TimeSpan.FromSeconds(15),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectCallback = server.IsLoopback ? ConnectHere : null,
        }) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Requests sent so far.</summary>
    public long Requests => Interlocked.Read(ref _requests);

    /// <summary>Sends a request until there is an answer, or no hope of one.</summary>
    /// <param name="body">The request.</param>
    /// <param name="phrase">The phrase in it: a server may repeat it, but messages do not.</param>
    /// <param name="random">Spreads the waits.</param>
    /// <param name="cancel">Stops waiting.</param>
    /// <exception cref="InputException">The server would answer no other request either: no server, a wrong key, no such model.</exception>
    public async Task<ChatReply> Ask(byte[] body, string phrase, CounterRandom random, CancellationToken cancel)
    {
        for (var attempt = 0; ; attempt++)
        {
            await Quiet(cancel);
            using var request = new HttpRequestMessage(HttpMethod.Post, _server.Endpoint) { Content = new ByteArrayContent(body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            Interlocked.Increment(ref _requests);
            var reply = await Send(request, (response, content) => Judge(response, content, words => Hide(words, phrase)), cancel);
            if (reply.Fault is null) return reply;
            if (!reply.Again || attempt == _settings.Retries)
                return attempt == 0 ? reply : reply with { Fault = $"{reply.Fault}, after {attempt + 1} tries" };
            var wait = RetryWait.Of(reply.Wait, attempt, _settings, random);
            if (reply.Wait is not null)
                lock (_gate) _quietUntil = DateTimeOffset.UtcNow + wait > _quietUntil ? DateTimeOffset.UtcNow + wait : _quietUntil;
            await Task.Delay(wait, cancel);
        }
    }

    /// <summary>Makes sure that a server is there, without sending it anything of the data.</summary>
    /// <exception cref="InputException">There is none, or it refuses the key.</exception>
    public async Task Reach(CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, _server.Models);
        var reply = await Send(request, (response, content) => response.StatusCode == HttpStatusCode.Unauthorized
            ? Judge(response, content, words => Hide(words, "")) : ChatReply.Failed("there is a server"), cancel);
        if (!_reached) throw Hopeless($"{reply.Fault}; see whether it is up, or correct the address");
    }

    public void Dispose() => _http.Dispose();

    private async Task Quiet(CancellationToken cancel)
    {
        while (true)
        {
            TimeSpan left;
            lock (_gate) left = _quietUntil - DateTimeOffset.UtcNow;
            if (left <= TimeSpan.Zero) return;
            await Task.Delay(left, cancel);
        }
    }

    private async Task<ChatReply> Send(
        HttpRequestMessage request, Func<HttpResponseMessage, byte[]?, ChatReply> judge, CancellationToken cancel)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(TimeSpan.FromSeconds(_settings.Timeout));
        try
        {
            if (_key is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _key);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
            _reached = true;
            return judge(response, await Read(response, deadline.Token));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return ChatReply.Failed(string.Create(CultureInfo.InvariantCulture,
                $"the server gave no whole answer within {_settings.Timeout} s (ask.timeout)"));
        }
        catch (HttpRequestException failure)
        {
            var (what, isLost) = failure.HttpRequestError switch
            {
                HttpRequestError.NameResolutionError => ("the server's name is not known", true),
                HttpRequestError.ConnectionError or HttpRequestError.ProxyTunnelError => ("no server is listening there", true),
                HttpRequestError.SecureConnectionError => ("no secure connection can be made: see its certificate, and whether it is https",
                    true),
                HttpRequestError.ResponseEnded => ("the server closed the connection without an answer", false),
                _ => ("the connection to the server failed", false),
            };
            return isLost && !_reached
                ? throw new InputException($"--ask {_server}: {what}; start the server, or correct the address.")
                : ChatReply.Failed(what);
        }
        catch (IOException)
        {
            return ChatReply.Failed("the server closed the connection in the middle of its answer");
        }
    }

    /// <summary>What an answer means for this request and the others.</summary>
    /// <param name="response">Status and headers.</param>
    /// <param name="body">The body; null when it is too long.</param>
    /// <param name="hide">Takes out of the server's words what no message may hold.</param>
    /// <exception cref="InputException">The server would answer no other request either.</exception>
    private ChatReply Judge(HttpResponseMessage response, byte[]? body, Func<string, string> hide)
    {
        var status = (int)response.StatusCode;
        if (status is >= 200 and < 300)
        {
            if (body is null)
                return ChatReply.Failed($"the server's answer is longer than {LongestAnswer >> 10} KiB", again: false); // as the next one
            var reply = ChatReply.Read(body);
            return reply.Fault is null ? reply : reply with { Fault = hide(reply.Fault) };
        }

        var (words, code) = (hide(ServerWords.Of(body ?? [])), ServerWords.Code(body ?? []));
        if (status is >= 300 and < 400)
            throw Hopeless($"the server answered {status} and points to another address, which is not followed; write the right one");
        if (status == 401) throw Hopeless($"the server answered 401{words}; set {_settings.KeyVariable} to the key for it");
        if (status == 402 || code == "insufficient_quota") throw Hopeless($"the server answered {status}{words}; see the account there");
        if (status is 404 or 405) throw Hopeless($"the server answered {status}{words}; correct the address, or the model's name");
        if (code is "content_filter" or "content_policy_violation") return ChatReply.Declined(words.Trim(' ', '(', ')'));
        var again = status is 408 or 409 or 425 or 429 or >= 500
            && !(response.Headers.TryGetValues("x-should-retry", out var values) && values.Contains("false"));
        return ChatReply.Failed($"the server answered {status}{words}", again, RetryWait.Asked(response.Headers, DateTimeOffset.UtcNow));
    }

    private InputException Hopeless(string what) => new($"--ask {_server}: {what}.");

    private string Hide(string words, string phrase)
    {
        if (_key is not null) words = words.Replace(_key, "KEY", StringComparison.Ordinal);
        return phrase.Length > 0 ? words.Replace(phrase, "PHRASE", StringComparison.OrdinalIgnoreCase) : words;
    }

    private static async Task<byte[]?> Read(HttpResponseMessage response, CancellationToken cancel)
    {
        if (response.Content.Headers.ContentLength > LongestAnswer) return null;
        using var stream = await response.Content.ReadAsStreamAsync(cancel);
        var buffer = new byte[LongestAnswer + 1];
        var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancel);
        return length > LongestAnswer ? null : buffer[..length];
    }

    /// <summary>Connects to this machine, even where its name leads elsewhere.</summary>
    private static async ValueTask<Stream> ConnectHere(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancel);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync([.. addresses.Where(IPAddress.IsLoopback)], context.DnsEndPoint.Port, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
