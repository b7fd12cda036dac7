using System.Text.Encodings.Web;
using System.Text.Json;
using Pfmvg.Configuration;

namespace Pfmvg.Asking;

/// <summary>The body of a request: a picture, a question, and few fields more, since servers refuse those that they do not know.</summary>
internal static class ChatRequest
{
    // Base64 has plus signs, which the default writes in six characters.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write(string model, byte[] png, string question, AskSettings settings)
    {
        using var stream = new MemoryStream(png.Length / 3 * 4 + question.Length + 1024);
        using (var json = new Utf8JsonWriter(stream, Plain))
        {
            json.WriteStartObject();
            json.WriteString("model", model);
            json.WriteStartArray("messages");
            json.WriteStartObject();
            json.WriteString("role", "user");
            json.WriteStartArray("content");
            json.WriteStartObject();
            json.WriteString("type", "image_url");
            json.WriteStartObject("image_url");
            json.WriteString("url", $"data:image/png;base64,{Convert.ToBase64String(png)}");
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteStartObject();
            json.WriteString("type", "text");
            json.WriteString("text", question);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteNumber(settings.LimitField == TokenLimitField.MaxTokens ? "max_tokens" : "max_completion_tokens", settings.MaxTokens);
            if (settings.Temperature >= 0) json.WriteNumber("temperature", settings.Temperature);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }
}
