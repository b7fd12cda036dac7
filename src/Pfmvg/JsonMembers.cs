using System.Text.Json;

namespace Pfmvg;

/// <summary>Members of JSON values that may be anything.</summary>
internal static class JsonMembers
{
    /// <summary>A member of an object; null when there is none, or a JSON null.</summary>
    public static JsonElement? Member(this JsonElement value, string name) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null
            ? member : null;

    /// <summary>The text of a JSON string; null when the value is none.</summary>
    public static string? TextOrNull(this JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>A member that is a text; null when there is none.</summary>
    public static string? StringOf(this JsonElement value, string name) => value.Member(name)?.TextOrNull();

    /// <summary>A text, or a number as it is written; null when the value is neither.</summary>
    public static string? TextOrNumber(this JsonElement value) =>
        value.ValueKind == JsonValueKind.Number ? value.GetRawText() : value.TextOrNull();

    /// <summary>The text of the first of some members that is a text or a number.</summary>
    public static string? TextOf(this JsonElement value, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            if (value.Member(name)?.TextOrNumber() is { } text) return text;
        return null;
    }

    /// <summary>The items of a list; none when the value is no list.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement? value) =>
        value is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];
}
