using System.Net;

namespace Pfmvg.Asking;

/// <summary>Where a server is asked.</summary>
/// <param name="Endpoint">Where requests are posted.</param>
/// <param name="IsLoopback">Whether nothing leaves this machine.</param>
internal sealed record ServerAddress(Uri Endpoint, bool IsLoopback)
{
    private const string Path = "/chat/completions", Example = "for example http://127.0.0.1:8000/v1";

    /// <summary>Where it lists its models, if it does.</summary>
    public Uri Models => new($"{this}/models");

    /// <summary>Reads a base address; `/v1` may be left out where nothing stands in its place.</summary>
    /// <param name="text">What the user wrote.</param>
    /// <param name="allowRemote">Whether pictures may leave this machine.</param>
    /// <exception cref="InputException">It is no address, holds what belongs elsewhere, or is on another machine.</exception>
    public static ServerAddress Parse(string text, bool allowRemote)
    {
        // Neither a password nor a key that stands in an address is repeated in a message.
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0)
            throw new InputException($"--ask is no address of a server; write its base address, {Example}.");
        var origin = uri.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
        if (uri.UserInfo.Length > 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0)
            throw new InputException($"--ask {origin}: write the base address alone, without a user, '?' or '#'; a key belongs into the "
                + "environment variable that ask.key_variable names.");
        var isLoopback = uri.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || IPAddress.TryParse(uri.Host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address);
        if (!isLoopback && !allowRemote)
            throw new InputException($"--ask {origin}: the server is not on this machine, so pictures and phrases would leave it; add "
                + "--allow-remote if they may.");
        var path = uri.AbsolutePath.TrimEnd('/');
        if (path.EndsWith(Path, StringComparison.Ordinal)) path = path[..^Path.Length];
        return new ServerAddress(new Uri($"{origin}{(path.Length == 0 ? "/v1" : path)}{Path}"), isLoopback);
    }

    /// <summary>The base address.</summary>
    public override string ToString() => Endpoint.AbsoluteUri[..^Path.Length];
}
