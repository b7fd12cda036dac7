using System.Reflection;

namespace Pfmvg.Cli.Serving;

/// <summary>The files of the page, which the build puts into the program.</summary>
internal static class StaticPage
{
    private const string Prefix = "page/";

    private static readonly Dictionary<string, string> Names = Assembly.GetExecutingAssembly().GetManifestResourceNames()
        .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).ToDictionary(name => "/" + name[Prefix.Length..]);

    /// <summary>What browsers may do with the page: nothing that leaves this server.</summary>
    public const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        + "connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
        + "frame-ancestors 'none'";

    /// <summary>A file and its type; null where there is none of that path.</summary>
    public static (byte[] Content, string Type)? Find(string path)
    {
        if (path == "/") path = "/index.html";
        return Names.TryGetValue(path, out var name) ? (Resource(name), TypeOf(Path.GetExtension(path))) : null;
    }

    /// <summary>An embedded file.</summary>
    public static byte[] Resource(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }

    private static string TypeOf(string extension) => extension switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" or ".mjs" => "text/javascript; charset=utf-8",
        ".json" => "application/json",
        ".webmanifest" => "application/manifest+json",
        ".svg" => "image/svg+xml",
        ".png" => "image/png",
        ".jpg" => "image/jpeg",
        ".woff2" => "font/woff2",
        _ => "application/octet-stream",
    };
}
