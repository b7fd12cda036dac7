using System.Text.Encodings.Web;
using System.Text.Json;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>How the evaluation writes JSON.</summary>
internal static class JsonOutput
{
    /// <summary>One line; texts stay readable.</summary>
    public static JsonWriterOptions Line { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Many indented lines; texts stay readable.</summary>
    public static JsonWriterOptions Indented { get; } = Line with { Indented = true };

    /// <summary>Writes boxes as lists of left, top, right and bottom.</summary>
    /// <param name="json">Where to write.</param>
    /// <param name="name">The property's name.</param>
    /// <param name="boxes">The boxes.</param>
    /// <param name="round">What is written of each number; null writes it as it is.</param>
    public static void WriteBoxes(
        this Utf8JsonWriter json, string name, IEnumerable<Box> boxes, Func<double, double>? round = null)
    {
        json.WriteStartArray(name);
        foreach (var box in boxes)
        {
            json.WriteStartArray();
            foreach (var edge in (ReadOnlySpan<double>)[box.Left, box.Top, box.Right, box.Bottom])
                json.WriteNumberValue(round is null ? edge : round(edge));
            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    /// <summary>Writes a number unrounded, or null where there is none.</summary>
    public static void WriteNumberOrNull(this Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number && double.IsFinite(number)) json.WriteNumber(name, number);
        else json.WriteNull(name);
    }

    /// <summary>Writes confidences with six decimals.</summary>
    public static void WriteConfidence(this Utf8JsonWriter json, IEnumerable<double> confidence)
    {
        json.WriteStartArray("confidence");
        foreach (var value in confidence) json.WriteNumberValue(Math.Round(value, 6));
        json.WriteEndArray();
    }
}
