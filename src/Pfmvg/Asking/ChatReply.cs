using System.Text.Json;
using System.Text.RegularExpressions;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Text;

namespace Pfmvg.Asking;

/// <summary>What came of a request: the model's text, or why there is none.</summary>
internal sealed partial record ChatReply
{
    /// <summary>The model's text after what it thought aloud, or its refusal.</summary>
    public string Text { get; private init; } = "";

    /// <summary>The model, or a filter before it, declined to answer.</summary>
    public bool Refused { get; private init; }

    /// <summary>The answer ended at the longest that was allowed.</summary>
    public bool AtLimit { get; private init; }

    /// <summary>What the server counted; null where it says nothing.</summary>
    public TokenUsage? Usage { get; private init; }

    /// <summary>Confidence in 0..1 of each box in the text; null where the server gives none, as all but our own.</summary>
    public IReadOnlyList<double>? Confidence { get; private init; }

    /// <summary>Why there is no answer, as the end of a sentence; null for an answer.</summary>
    public string? Fault { get; init; }

    /// <summary>Whether the same request may succeed later.</summary>
    public bool Again { get; private init; }

    /// <summary>How long the server wants to be left alone; null where it says nothing.</summary>
    public TimeSpan? Wait { get; private init; }

    /// <summary>No answer.</summary>
    public static ChatReply Failed(string fault, bool again = true, TimeSpan? wait = null) =>
        new() { Fault = fault, Again = again, Wait = wait };

    /// <summary>A filter of the server declined.</summary>
    public static ChatReply Declined(string words) => new() { Text = words, Refused = true };

    /// <summary>Reads the body of an answer under status 200, whatever it holds.</summary>
    public static ChatReply Read(ReadOnlyMemory<byte> body)
    {
        using var document = JsonText.Parse(body, out var fault);
        return document is not null ? Read(document.RootElement) : Failed(body.Span.TrimStart(" \t\r\n"u8) switch
        {
            [] => "the server's answer is empty",
            [(byte)'<', ..] => "the server answered with an HTML page instead of JSON",
            var start when start.StartsWith("data:"u8) || start.StartsWith("event:"u8) =>
                "the server answered with a stream, which was not asked for",
            _ when fault!.What.StartsWith("no valid", StringComparison.Ordinal) => "the server's answer is no JSON",
            _ => $"the server's answer{(fault!.Where.Length > 0 ? $", {fault.Where}," : "")} {fault.What}",
        });
    }

    private static ChatReply Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object) return Failed("the server's answer is no JSON object");
        if (ServerWords.OfError(root) is { } error) return Failed($"the server answered an error under status 200{error}");
        if (root.Member("choices") is not { ValueKind: JsonValueKind.Array } choices || choices.GetArrayLength() == 0)
            return Failed("the server's answer has no choices");
        if (choices[0].Member("message") is not { ValueKind: JsonValueKind.Object } message)
            return Failed("the server's answer has no message");
        // An answer without it was cut, or comes from a program that answers something else.
        if (choices[0].StringOf("finish_reason") is not { Length: > 0 } reason) return Failed("the server's answer has no finish_reason");
        var said = Content(message);
        var end = said.LastIndexOf("</think>", StringComparison.Ordinal);
        if (end >= 0) said = said[(end + "</think>".Length)..];
        said = said.Trim();
        var refusal = message.StringOf("refusal") is { Length: > 0 } words ? words : null;
        var boxes = AnswerNotation.Of(said)?.Boxes(said).Count ?? 0;
        return new ChatReply
        {
            Text = said.Length > 0 ? said : refusal ?? "",
            Refused = boxes == 0 && (refusal is not null || reason == "content_filter" || Refusal().IsMatch(said)),
            AtLimit = reason == "length",
            Usage = root.Member("usage") is { } usage && Count(usage, "prompt_tokens") is { } prompt
                ? new TokenUsage(prompt, Count(usage, "completion_tokens") ?? 0) : null,
            Confidence = boxes > 0 ? Confidences(message, boxes) : null,
        };
    }

    /// <summary>The text of a message: a string, or parts of which some are text.</summary>
    private static string Content(JsonElement message) => message.Member("content") switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } parts => string.Concat(parts.EnumerateArray()
            .Select(part => part.ValueKind == JsonValueKind.String ? part.GetString() : part.StringOf("text"))),
        _ => "",
    };

    private static List<double>? Confidences(JsonElement message, int boxes)
    {
        if (message.Member("boxes") is not { ValueKind: JsonValueKind.Array } list || list.GetArrayLength() != boxes) return null;
        var all = list.EnumerateArray().Select(box => box.Member("confidence") is { ValueKind: JsonValueKind.Number } number
            && number.GetDouble() is >= 0 and <= 1 and var value ? value : double.NaN).ToList();
        return all.Exists(double.IsNaN) ? null : all;
    }

    private static long? Count(JsonElement usage, string name) =>
        usage.Member(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var count) && count >= 0 ? count : null;

    // Who says that nothing is to be seen does not refuse; who says what he cannot do for you does.
    [GeneratedRegex(@"\A[\s\S]{0,120}?(?:\bas an ai\b|"
        + @"(?:\bcannot|\bcan['’]?t|\bcan not|\bunable to|\bnot able to|\bwon['’]?t)\b.{0,30}?\b"
        + @"(?:assist|help|provide|offer|give|analy[sz]e|interpret|diagnos|comply|fulfil|perform))",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Refusal();
}
