using System.Text.Json;

namespace Pfmvg.Data.Sets;

/// <summary>A question and its answer.</summary>
internal sealed record OwnTurn(string Question, string Answer);

/// <summary>Questions and answers of a row, whatever its tool calls them.</summary>
internal static class OwnTurns
{
    /// <summary>The pairs, or why there are none: they must take turns, question first.</summary>
    public static (List<OwnTurn> Turns, string? Problem) Of(JsonElement row)
    {
        if (row.TextOf("output") is { } output && row.TextOf("instruction") is { } instruction)
        {
            var input = row.TextOf("input");
            return ([new OwnTurn(string.IsNullOrEmpty(input) ? instruction : $"{instruction}\n{input}", output)], null);
        }

        if (row.TextOf("query") is { } query && row.TextOf("response") is { } response)
            return ([new OwnTurn(query, response)], null);
        List<(string Role, string? Text)> messages = row.Member("prompt") is { } prompt
            && row.Member("completion") is { } completion
                ? [.. Messages(prompt, "user"), .. Messages(completion, "assistant")]
                : (row.Member("messages") ?? row.Member("conversations")) is { } list ? Messages(list, "") : [];
        messages.RemoveAll(message => message.Role == "system");
        if (messages.Count == 0) return ([], "it has no messages");
        var turns = new List<OwnTurn>();
        for (var i = 0; i < messages.Count; i += 2)
        {
            if (messages[i].Role != "user" || i + 1 == messages.Count || messages[i + 1].Role != "assistant")
                return ([], "questions (user) and answers (assistant) do not take turns");
            if (messages[i].Text is not { } question || string.IsNullOrWhiteSpace(messages[i + 1].Text))
                return ([], "a question or an answer is empty");
            turns.Add(new OwnTurn(question, messages[i + 1].Text!));
        }

        return (turns, null);
    }

    private static List<(string Role, string? Text)> Messages(JsonElement value, string role) =>
        value.TextOrNull() is { } text ? [(role, text)]
        : value.ValueKind != JsonValueKind.Array ? []
        : [.. value.EnumerateArray().Select(message => (Role(message.TextOf("role", "from")), Text(message)))];

    private static string Role(string? name) => name switch
    {
        "human" or "user" => "user",
        "gpt" or "assistant" => "assistant",
        _ => name ?? "",
    };

    private static string? Text(JsonElement message) => message.Member("content") is { ValueKind: JsonValueKind.Array } parts
        ? string.Concat(parts.EnumerateArray().Select(part =>
            part.TextOf("type") == "image" ? "<image>" : part.TextOf("text") ?? ""))
        : message.TextOf("content", "value");
}

/// <summary>The `objects` of a row of ms-swift, handed out in the order of their places in the text.</summary>
internal sealed class OwnObjects
{
    private readonly Queue<string> _references = [];
    private readonly Queue<Geometry.Box> _boxes = [];

    public OwnObjects(JsonElement objects)
    {
        var type = objects.TextOf("bbox_type");
        IsUnit = type == "norm1";
        if (objects.Member("ref") is { ValueKind: JsonValueKind.Array } names)
            foreach (var name in names.EnumerateArray()) _references.Enqueue(name.TextOrNull() ?? "");
        var boxes = objects.Member("bbox") is { ValueKind: JsonValueKind.Array } list
            ? list.EnumerateArray().Select(box => OwnRows.Boxes(box) is [var one] ? one : (Geometry.Box?)null).ToList() : null;
        foreach (var box in boxes ?? []) _boxes.Enqueue(box ?? default);
        Problem = boxes is null ? "objects has no list 'bbox'; a phrase without a box has an empty one"
            : boxes.Contains(null) ? "a box of objects.bbox has not four numbers"
            : type is null or "real" or "norm1" ? null : "objects.bbox_type is neither real nor norm1";
        (BoxCount, ReferenceCount) = (_boxes.Count, _references.Count);
    }

    public bool IsUnit { get; }

    public int BoxCount { get; }

    public int ReferenceCount { get; }

    public string? Problem { get; }

    public string NextReference() => _references.Dequeue();

    public IReadOnlyList<Geometry.Box> Next(int count) => [.. Enumerable.Range(0, count).Select(_ => _boxes.Dequeue())];
}
