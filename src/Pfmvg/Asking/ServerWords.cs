using System.Text;
using System.Text.Json;

namespace Pfmvg.Asking;

/// <summary>What a server says about an error, in one line that fits into a message.</summary>
internal static class ServerWords
{
    private const int Longest = 200;

    /// <summary>The words of an error body, in brackets after a space; empty where there are none that help.</summary>
    public static string Of(ReadOnlyMemory<byte> body)
    {
        using var document = JsonText.Parse(body, out _);
        if (document is not null) return OfError(document.RootElement) ?? Quoted(document.RootElement.StringOf("message"));
        var text = Encoding.UTF8.GetString(body.Span).TrimStart();
        return text.StartsWith('<') ? " (an HTML page)" : text.StartsWith('{') ? "" : Quoted(text.Split('\n')[0]);
    }

    /// <summary>The same of a JSON object; null when it is no error.</summary>
    public static string? OfError(JsonElement root)
    {
        if (root.Member("error") is { } error)
            return Quoted(error.ValueKind == JsonValueKind.String ? error.GetString() : error.StringOf("message"));
        return root.Member("detail") switch
        {
            { ValueKind: JsonValueKind.String } detail => Quoted(detail.GetString()),
            { ValueKind: JsonValueKind.Array } list => Quoted(string.Join("; ", list.EnumerateArray().Take(3)
                .Select(item => item.StringOf("msg")))),
            null => null,
            _ => "",
        };
    }

    /// <summary>A code by which a server tells a spent quota or a filter from other errors; null where it has none.</summary>
    public static string? Code(ReadOnlyMemory<byte> body)
    {
        using var document = JsonText.Parse(body, out _);
        return document?.RootElement.Member("error")?.StringOf("code");
    }

    private static string Quoted(string? words)
    {
        if (string.IsNullOrWhiteSpace(words)) return "";
        var line = string.Concat(words.Take(Longest).Select(c => char.IsControl(c) ? ' ' : c)).Trim();
        return $" ({line.TrimEnd('.')}{(words.Length > Longest ? "..." : "")})";
    }
}
