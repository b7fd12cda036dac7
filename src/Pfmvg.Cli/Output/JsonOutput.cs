using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pfmvg.Cli.Output;

/// <summary>The forms of JSON that commands print and write; keys and enumerations are in snake_case.</summary>
internal static class JsonOutput
{
    /// <summary>One line.</summary>
    public static JsonSerializerOptions Line { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>Indented.</summary>
    public static JsonSerializerOptions Indented { get; } = new(Line) { WriteIndented = true };

    /// <summary>Indented, with every letter and sign as it is instead of escaped.</summary>
    public static JsonSerializerOptions Readable { get; } = new(Indented) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
