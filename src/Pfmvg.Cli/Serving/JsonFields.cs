using System.Buffers;
using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Pfmvg.Cli.Serving;

/// <summary>Reads the fields of a JSON body; what cannot be meant is refused by the field's name.</summary>
internal static class JsonFields
{
    private const string ByAddress = "pictures are not fetched from addresses; send the picture itself, as data:image/png;base64,...";

    /// <summary>A body as JSON, whatever its Content-Type says: curl calls it a form unless told otherwise.</summary>
    /// <exception cref="ApiError">It is none.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        if (body.Length == 0) throw new ApiError(400, "The request has no body; send JSON.");
        var document = JsonText.Parse(body, out var fault)
            ?? throw new ApiError(400, $"The body is no JSON to use: {fault!.Where}{(fault.Where.Length > 0 ? ": " : "it ")}{fault.What}.");
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw new ApiError(400, "The body is JSON but no object; send {\"...\": ...}.");
    }

    public static string? Text(this JsonElement parent, string name) => parent.Member(name)?.Text(name, name);

    /// <summary>An element that is a text.</summary>
    public static string Text(this JsonElement value, string param, string name) =>
        value.TextOrNull() ?? throw ApiError.Wrong(param, $"'{name}' must be a text.");

    public static bool Flag(this JsonElement parent, string name) => parent.Member(name) switch
    {
        null => false,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => throw ApiError.Wrong(name, "must be true or false."),
    };

    public static double? Number(this JsonElement parent, string name, double least, double most)
    {
        if (parent.Member(name) is not { } value) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= least && number <= most
            ? number : throw ApiError.Wrong(name, FormattableString.Invariant($"must be a number from {least} to {most}."));
    }

    public static long? Whole(this JsonElement parent, string name, long least, long most = long.MaxValue)
    {
        if (parent.Member(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number)
        {
            if (value.TryGetInt64(out var whole) && whole >= least && whole <= most) return whole;
            if (value.TryGetDouble(out var number) && number == Math.Floor(number) && number >= least && number <= most)
                return (long)Math.Min(number, 1e15); // such as 40.0
        }

        throw ApiError.Wrong(name, $"must be a whole number of at least {least}.");
    }

    /// <summary>The bytes of a picture that is written as a data URI or as base64.</summary>
    /// <param name="value">The element.</param>
    /// <param name="param">Its field, for errors.</param>
    public static byte[] Picture(this JsonElement value, string param)
    {
        if (value.ValueKind != JsonValueKind.String) throw ApiError.Wrong(param, "must be a text, data:image/png;base64,...");
        var raw = JsonMarshal.GetRawUtf8Value(value)[1..^1]; // a text of megabytes is not to become one of twice as many
        if (raw.Contains((byte)'\\')) raw = Encoding.UTF8.GetBytes(value.Text(param, param));
        if (raw.Length >= 5 && Ascii.EqualsIgnoreCase(raw[..5], "data:"))
        {
            var comma = raw.IndexOf((byte)',');
            if (comma < 0) throw ApiError.Wrong(param, "the data URI has no comma; write data:image/png;base64,...");
            if (!Ascii.EqualsIgnoreCase(raw[..comma][^Math.Min(comma, 7)..], ";base64"))
                throw ApiError.Wrong(param, "the data URI must be in base64; write data:image/png;base64,...");
            raw = raw[(comma + 1)..];
        }
        else if (raw.Length == 0 || raw[..Math.Min(raw.Length, 64)].Contains((byte)':'))
        {
            throw ApiError.Wrong(param, ByAddress);
        }

        var bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(raw.Length)];
        return Base64.DecodeFromUtf8(raw, bytes, out _, out var written) == OperationStatus.Done && written > 0
            ? bytes.AsSpan(0, written).ToArray()
            : throw ApiError.Wrong(param, "the picture is no valid base64.");
    }
}
