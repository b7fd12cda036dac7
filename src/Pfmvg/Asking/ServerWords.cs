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
        try
        {
            using var document = JsonDocument.Parse(body);
            return OfError(document.RootElement) ?? Quoted(ChatReply.TextOf(document.RootElement, "message"));
        }
        catch (JsonException)
        {
            var text = Encoding.UTF8.GetString(body.Span).TrimStart();
            return text.StartsWith('<') ? " (an HTML page)" : Quoted(text.Split('\n')[0]);
        }
        catch (InvalidOperationException) // half of a surrogate pair
        {
            return "";
        }
    }

    /// <summary>The same of a JSON object; null when it is no error.</summary>
    public static string? OfError(JsonElement root)
    {
        if (ChatReply.Member(root, "error") is { } error)
            return Quoted(error.ValueKind == JsonValueKind.String ? error.GetString() : ChatReply.TextOf(error, "message"));
        return ChatReply.Member(root, "detail") switch
        {
            { ValueKind: JsonValueKind.String } detail => Quoted(detail.GetString()),
            { ValueKind: JsonValueKind.Array } list => Quoted(string.Join("; ", list.EnumerateArray().Take(3)
                .Select(item => ChatReply.TextOf(item, "msg")))),
            null => null,
            _ => "",
        };
    }

    /// <summary>A code by which a server tells a spent quota or a filter from other errors; null where it has none.</summary>
    public static string? Code(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return ChatReply.Member(document.RootElement, "error") is { } error ? ChatReply.TextOf(error, "code") : null;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string Quoted(string? words)
    {
        if (string.IsNullOrWhiteSpace(words)) return "";
        var line = string.Concat(words.Take(Longest).Select(c => char.IsControl(c) ? ' ' : c)).Trim();
        return $" ({line.TrimEnd('.')}{(words.Length > Longest ? "..." : "")})";
    }
}
