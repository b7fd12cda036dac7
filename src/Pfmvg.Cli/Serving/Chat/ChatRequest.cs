using System.Text.Json;

namespace Pfmvg.Cli.Serving.Chat;

/// <summary>A request to `/v1/chat/completions`: one picture, one text, and how to answer.</summary>
/// <remarks>
/// What a client relies on and this model cannot do is refused in words. Fields that change no answer are let pass: every client has its
/// own.
/// </remarks>
internal sealed record ChatRequest
{
    public required byte[] Picture { get; init; }

    /// <summary>The phrase, or an instruction that begins with its task.</summary>
    public required string Text { get; init; }

    public required AskedManner Manner { get; init; }

    public bool Stream { get; init; }

    /// <summary>Whether a stream ends with the number of tokens.</summary>
    public bool StreamUsage { get; init; }

    /// <summary>The form in which the boxes are wanted as JSON; null for the model's own text.</summary>
    public JsonAnswer? Form { get; init; }

    /// <summary>Reads a body.</summary>
    /// <exception cref="ApiError">It is wrong, or asks for what this server does not do.</exception>
    public static ChatRequest Read(JsonElement body)
    {
        RefuseWhatIsNotDone(body);
        var (picture, text) = ReadMessages(body);
        var (few, many) = (body.Whole("max_tokens", 1), body.Whole("max_completion_tokens", 1));
        if (few is not null && many is not null && few != many)
            throw ApiError.Wrong("max_completion_tokens", "differs from max_tokens, which means the same; send one of them.");
        return new ChatRequest
        {
            Picture = picture,
            Text = text,
            Manner = new AskedManner
            {
                Constrained = AskedManner.ReadConstraint(body),
                MaxTokens = few ?? many,
                Temperature = body.Number("temperature", 0, 100),
                TopP = body.Number("top_p", double.Epsilon, 1),
                Seed = body.Whole("seed", long.MinValue),
                Stops = ReadStops(body),
            },
            Stream = body.Flag("stream"),
            StreamUsage = body.Member("stream_options")?.Flag("include_usage") == true,
            Form = JsonAnswer.Read(body),
        };
    }

    private static void RefuseWhatIsNotDone(JsonElement body)
    {
        if (body.Whole("n", 1) > 1) throw ApiError.Wrong("n", "this server gives one answer to a question; ask again for another.");
        if (body.Flag("logprobs") || body.Whole("top_logprobs", 0) > 0)
            throw ApiError.Wrong("logprobs", "this server gives no probabilities of tokens; each box has a confidence instead.");
        foreach (var penalty in (string[])["frequency_penalty", "presence_penalty"])
            if (body.Number(penalty, -2, 2) is not (null or 0))
                throw ApiError.Wrong(penalty, "this server has no such penalty; leave it out.");
        if (body.Member("logit_bias") is { ValueKind: JsonValueKind.Object } bias && bias.EnumerateObject().Any())
            throw ApiError.Wrong("logit_bias", "this server has none; leave it out, or use constrain.");
        if (body.Member("tool_choice") is { } choice && choice is not { ValueKind: JsonValueKind.String }
            || body.Member("tool_choice") is { } word && word.GetString() == "required")
            throw ApiError.Wrong("tool_choice", "this model calls no tools; leave it out.");
    }

    private static List<string> ReadStops(JsonElement body) => body.Member("stop") switch
    {
        null => [],
        { ValueKind: JsonValueKind.String } stop => NotEmpty([stop.Text("stop", "stop")]),
        { ValueKind: JsonValueKind.Array } stops when stops.GetArrayLength() <= 16 =>
            NotEmpty([.. stops.EnumerateArray().Select(stop => stop.Text("stop", "stop"))]),
        _ => throw ApiError.Wrong("stop", "must be a text or a list of at most 16 texts."),
    };

    private static List<string> NotEmpty(List<string> stops) =>
        stops.Contains("") ? throw ApiError.Wrong("stop", "an empty text would end every answer.") : stops;

    /// <summary>The last text and the last picture of a user. Every question stands alone: what was said before is not read.</summary>
    private static (byte[] Picture, string Text) ReadMessages(JsonElement body)
    {
        const string Param = "messages";
        if (body.Member(Param) is not { ValueKind: JsonValueKind.Array } messages || messages.GetArrayLength() == 0)
            throw ApiError.Wrong(Param, "must be a list with at least one message.");
        (string? text, JsonElement? picture) = (null, null);
        foreach (var message in messages.EnumerateArray())
        {
            if (message.ValueKind != JsonValueKind.Object) throw ApiError.Wrong(Param, "a message is no object.");
            var role = message.Text("role");
            if (role is not ("user" or "system" or "developer" or "assistant" or "tool"))
                throw ApiError.Wrong(Param, "a message has no role; write user, system, developer or assistant.");
            if (role != "user") continue;
            var (words, pictures) = ReadContent(message);
            if (words.Length > 0) text = words;
            if (pictures.Count > 1)
                throw ApiError.Wrong(Param, "a message holds several pictures, and a phrase is found in one; send one.");
            if (pictures.Count == 1) picture = pictures[0];
        }

        if (text is null) throw ApiError.Wrong(Param, "no user says what to find; add a part of type text.");
        return picture is { } found ? (found.Picture(Param), text)
            : throw ApiError.Wrong(Param, "there is no picture; add a part of type image_url with data:image/png;base64,... in it.");
    }

    private static (string Text, List<JsonElement> Pictures) ReadContent(JsonElement message)
    {
        const string Param = "messages";
        if (message.Member("content") is not { } content) return ("", []);
        if (content.ValueKind == JsonValueKind.String) return (content.Text(Param, "content").Trim(), []);
        if (content.ValueKind != JsonValueKind.Array) throw ApiError.Wrong(Param, "'content' must be a text or a list of parts.");
        List<string> words = [];
        List<JsonElement> pictures = [];
        foreach (var part in content.EnumerateArray())
        {
            switch (part.ValueKind == JsonValueKind.Object ? part.Text("type") : null)
            {
                case "text" or "input_text" when part.Text("text") is { } text:
                    words.Add(text.Trim());
                    break;
                case "image_url" or "input_image" when part.Member("image_url") is { } image:
                    pictures.Add(image.ValueKind != JsonValueKind.Object ? image
                        : image.Member("url") ?? throw ApiError.Wrong(Param, "image_url has no url."));
                    break;
                default:
                    throw ApiError.Wrong(Param, "a part is neither {\"type\": \"text\", \"text\": ...} nor "
                        + "{\"type\": \"image_url\", \"image_url\": {\"url\": ...}}.");
            }
        }

        return (string.Join(' ', words.Where(word => word.Length > 0)), pictures);
    }
}
