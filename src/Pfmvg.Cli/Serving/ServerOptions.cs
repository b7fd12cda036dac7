using System.Net;
using System.Net.Sockets;

namespace Pfmvg.Cli.Serving;

/// <summary>Where the server listens, to whom, and how much it takes.</summary>
internal sealed record ServerOptions
{
    /// <summary>The address; null is this machine alone.</summary>
    public IPAddress? Listen { get; init; }

    /// <summary>The port; 0 takes a free one.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>What clients must bring as `Authorization: Bearer KEY`; null takes everybody, which only loopback may.</summary>
    public string? Key { get; init; }

    /// <summary>Names by which the server may be called besides its addresses and the machine's name.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>Largest body of a request, unpacked.</summary>
    public long MostBytes { get; init; } = 64 << 20;

    /// <summary>Largest picture.</summary>
    public long MostPixels { get; init; } = 64_000_000;

    /// <summary>Questions that may wait.</summary>
    public int Queue { get; init; } = 64;

    /// <summary>Longest time until an answer.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Longest time until a request has been sent whole.</summary>
    public TimeSpan Sending { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Silence in a stream after which a comment line shows that the server is there.</summary>
    public TimeSpan Pulse { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether only this machine can connect.</summary>
    public bool IsLoopback => Listen is null || IPAddress.IsLoopback(Listen);

    /// <summary>Finds out whether the server can listen, before a model is loaded for it.</summary>
    /// <exception cref="InputException">It cannot.</exception>
    public void RequireFree()
    {
        try
        {
            using var probe = new TcpListener(Listen ?? IPAddress.Loopback, Port);
            probe.Start();
        }
        catch (SocketException failure)
        {
            throw Refusal(failure.SocketErrorCode);
        }
    }

    /// <summary>Why the server cannot listen.</summary>
    public InputException Refusal(SocketError error) => new(error switch
    {
        SocketError.AddressAlreadyInUse => $"--port {Port}: another program listens there; name a free one.",
        SocketError.AccessDenied => $"--port {Port}: this user may not listen there; name a port above 1023.",
        _ => $"--listen {Listen}: this machine cannot listen there; name an address of its own.",
    });
}
