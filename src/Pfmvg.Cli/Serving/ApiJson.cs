using System.Text.Encodings.Web;
using System.Text.Json;
using Pfmvg.Geometry;
using Pfmvg.Serving;

namespace Pfmvg.Cli.Serving;

/// <summary>What the answers of this server have in common.</summary>
internal static class ApiJson
{
    public static JsonWriterOptions Options { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Pixels as `pfmvg predict --json` rounds them.</summary>
    public static double Round(double edge) => Math.Round(edge, 2);

    public static double[] Edges(Box box) => [Round(box.Left), Round(box.Top), Round(box.Right), Round(box.Bottom)];

    /// <summary>The body of an answer.</summary>
    public static byte[] Bytes(Action<Utf8JsonWriter> write)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, Options))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return memory.ToArray();
    }

    /// <summary>An error as OpenAI's clients read it.</summary>
    public static byte[] Error(ApiError error) => Bytes(json =>
    {
        json.WriteStartObject("error");
        json.WriteString("message", error.Message);
        json.WriteString("type", error.Type);
        json.WriteString("param", error.Param);
        json.WriteString("code", error.Code);
        json.WriteEndObject();
    });

    /// <summary>Boxes of an answer with the phrase and a confidence each, in original pixels.</summary>
    public static void WriteBoxes(Utf8JsonWriter json, ServedAnswer answer) => WriteBoxes(json, answer.Line.Prediction.Phrase,
        answer.Line.Boxes.Select((box, i) => (box, answer.Line.Confidence?[i])));

    /// <inheritdoc cref="WriteBoxes(Utf8JsonWriter, ServedAnswer)"/>
    public static void WriteBoxes(Utf8JsonWriter json, string phrase, IEnumerable<(Box Box, double? Confidence)> boxes)
    {
        json.WriteStartArray("boxes");
        foreach (var (box, confidence) in boxes)
        {
            json.WriteStartObject();
            json.WriteString("phrase", phrase);
            json.WriteStartArray("box");
            foreach (var edge in Edges(box)) json.WriteNumberValue(edge);
            json.WriteEndArray();
            WriteConfidence(json, confidence);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void WriteConfidence(Utf8JsonWriter json, double? confidence)
    {
        if (confidence is { } sure) json.WriteNumber("confidence", Math.Round(sure, 6));
        else json.WriteNull("confidence");
    }

    public static void WriteSize(Utf8JsonWriter json, int width, int height)
    {
        json.WriteStartArray("image_size");
        json.WriteNumberValue(width);
        json.WriteNumberValue(height);
        json.WriteEndArray();
    }
}
