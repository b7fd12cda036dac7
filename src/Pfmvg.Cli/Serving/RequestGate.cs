using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Pfmvg.Cli.Serving;

/// <summary>
/// Who may ask. A page of another site must not, even when its name was turned to this machine's address behind the browser's back: the
/// name is in the Host header, and the site in Origin. Others bring the key.
/// </summary>
internal sealed class RequestGate
{
    private const string Scheme = "Bearer ";

    private readonly byte[]? _key; // the hash, so that neither length nor content can be timed
    private readonly HashSet<string> _names;
    private readonly bool _anyAddress;

    public RequestGate(ServerOptions options)
    {
        _key = options.Key is { } key ? Hash(key) : null;
        _names = new(options.Hosts, StringComparer.OrdinalIgnoreCase) { "localhost" };
        _anyAddress = !options.IsLoopback;
        if (_anyAddress) _names.Add(Environment.MachineName);
    }

    /// <summary>Lets a request in.</summary>
    /// <param name="request">The request.</param>
    /// <param name="open">What a stranger may see: the page, which holds nothing, and the sign of life.</param>
    /// <exception cref="ApiError">It is refused.</exception>
    public void Check(HttpRequest request, bool open)
    {
        if (!IsOurs(request.Host.Host))
            throw new ApiError(403, "The Host header names another machine; call the server by its address or by localhost, or start it "
                + "with --host NAME.", null, "wrong_host");
        var origin = request.Headers.Origin;
        if (origin.Count > 0 && origin != $"{request.Scheme}://{request.Host.Value}")
            throw new ApiError(403, "Pages of other sites may not ask this server.", null, "cross_origin");
        if (open) return;
        if (request.Headers["Sec-Fetch-Site"].ToString() is "cross-site" or "same-site")
            throw new ApiError(403, "Pages of other sites may not ask this server.", null, "cross_origin");
        if (_key is null) return;
        var given = request.Headers.Authorization.ToString();
        if (!given.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            || !CryptographicOperations.FixedTimeEquals(Hash(given[Scheme.Length..].Trim()), _key))
            throw new ApiError(401, given.Length == 0 ? "This server wants its key: send 'Authorization: Bearer KEY'."
                : "The key in Authorization is not this server's.", null, "invalid_api_key");
    }

    // An address cannot be turned to another machine as a name can.
    private bool IsOurs(string host) => _names.Contains(host)
        || (IPAddress.TryParse(host, out var address) && (_anyAddress || IPAddress.IsLoopback(address)));

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
