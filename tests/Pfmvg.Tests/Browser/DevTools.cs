using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Pfmvg.Tests.Browser;

/// <summary>One socket of Chromium's DevTools protocol: of the browser or of a page. One caller at a time.</summary>
internal sealed class DevTools : IDisposable
{
    private readonly ClientWebSocket _socket = new();
    private readonly CancellationTokenSource _timeout;
    private readonly Action<string, JsonNode> _heard;
    private int _lastId;

    private DevTools(Action<string, JsonNode> heard, TimeSpan patience) => (_heard, _timeout) = (heard, new(patience));

    /// <summary>Ends all waiting, so that a test that hangs fails.</summary>
    public CancellationToken Patience => _timeout.Token;

    /// <param name="address">Where the socket is.</param>
    /// <param name="heard">Called with the name and parameters of each event, while an answer is waited for.</param>
    /// <param name="patience">How long the socket may be needed: a page by its test, the browser by all of them.</param>
    public static async Task<DevTools> Connect(Uri address, Action<string, JsonNode> heard, TimeSpan patience)
    {
        var tools = new DevTools(heard, patience);
        await tools._socket.ConnectAsync(address, tools.Patience);
        return tools;
    }

    /// <summary>Calls a method of the protocol and returns its result.</summary>
    public async Task<JsonNode> Send(string method, JsonObject? parameters = null)
    {
        var id = ++_lastId;
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters ?? [] }.ToJsonString();
        await _socket.SendAsync(Encoding.UTF8.GetBytes(message), WebSocketMessageType.Text, endOfMessage: true, Patience);
        while (true)
        {
            var received = await Receive();
            if (received["id"]?.GetValue<int>() == id)
                return received["result"] ?? throw new InvalidOperationException($"{method}: {received["error"]?.ToJsonString()}");
            if (received["method"] is { } name) _heard(name.ToString(), received["params"]!);
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        _timeout.Dispose();
    }

    private async Task<JsonNode> Receive()
    {
        using var message = new MemoryStream();
        var buffer = new byte[1 << 16];
        WebSocketReceiveResult part;
        do
        {
            part = await _socket.ReceiveAsync(buffer, Patience);
            message.Write(buffer, 0, part.Count);
        }
        while (!part.EndOfMessage);
        return JsonNode.Parse(message.ToArray())!;
    }
}
