using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Serving;
using Pfmvg.Text;

namespace Pfmvg.Cli.Serving.Chat;

/// <summary>`POST /v1/chat/completions`: a picture and a phrase, as OpenAI's clients send them.</summary>
internal sealed class ChatApi(AnswerDesk desk, RequestBody bodies, ServerOptions options)
{
    /// <summary>Answers a request.</summary>
    public async Task Handle(HttpContext context)
    {
        desk.RequirePlace();
        using var clock = desk.Clock(context);
        var (request, question, growth) = await Ask(context, clock.Token);
        var frame = new ChatFrame(desk.Model, request.StreamUsage);
        if (request.Stream)
        {
            await new ChatStream(context, frame, options.Pulse).Send(question, request.Form, growth, desk);
            return;
        }

        var answer = await desk.Answer(question, context);
        await Server.Send(context, 200, ApiJson.Bytes(json =>
        {
            frame.WriteHead(json, "chat.completion");
            json.WriteStartArray("choices");
            json.WriteStartObject();
            json.WriteNumber("index", 0);
            json.WriteStartObject("message");
            json.WriteString("role", "assistant");
            json.WriteString("content", ChatFrame.Content(answer, request.Form));
            json.WriteNull("refusal");
            ChatFrame.WriteFindings(json, answer);
            json.WriteEndObject();
            json.WriteNull("logprobs");
            json.WriteString("finish_reason", ChatFrame.FinishReason(answer));
            json.WriteEndObject();
            json.WriteEndArray();
            ChatFrame.WriteUsage(json, question, answer);
        }));
    }

    private async Task<(ChatRequest Request, Question Question, TextGrowth? Growth)> Ask(HttpContext context, CancellationToken clock)
    {
        ChatRequest request;
        using (var body = await bodies.Read(context))
        using (var json = JsonFields.Parse(body.Bytes)) request = ChatRequest.Read(json.RootElement);
        desk.RequireAskable(request.Text, "messages");
        _ = desk.Manner(request.Manner);
        // Only plain text grows: what is cut by a stop or put into a schema is known at its end.
        var growth = request is { Stream: true, Form: null, Manner.Stops.Count: 0 } ? new TextGrowth() : null;
        try
        {
            var picture = await desk.Picture(request.Picture, clock);
            var question = desk.Question(picture, request.Text, request.Manner, clock, growth is null ? null : growth.Tell);
            desk.Add([question]);
            return (request, question, growth);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            throw desk.Late();
        }
    }
}

/// <summary>What plain answers and the chunks of a stream have in common.</summary>
internal sealed class ChatFrame(string model, bool streamUsage)
{
    private readonly string _id = $"chatcmpl-{Guid.NewGuid():N}";
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    public bool StreamUsage => streamUsage;

    public void WriteHead(Utf8JsonWriter json, string kind)
    {
        json.WriteString("id", _id);
        json.WriteString("object", kind);
        json.WriteNumber("created", _created);
        json.WriteString("model", model);
        json.WriteNull("system_fingerprint");
    }

    public static string Content(ServedAnswer answer, JsonAnswer? form) => form?.Write(answer) ?? answer.Line.Prediction.Answer!;

    public static string FinishReason(ServedAnswer answer) => answer.Ended ? "stop" : "length";

    /// <summary>What the text says about the picture, in its own pixels.</summary>
    public static void WriteFindings(Utf8JsonWriter json, ServedAnswer answer)
    {
        var line = answer.Line;
        ApiJson.WriteBoxes(json, answer);
        ApiJson.WriteSize(json, line.Prediction.Width, line.Prediction.Height);
        if (line.Flaw == Flaw.None) json.WriteNull("flaw");
        else json.WriteString("flaw", ScoreGrid.Label(line.Flaw));
    }

    public static void WriteUsage(Utf8JsonWriter json, Question question, ServedAnswer answer)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", question.Prompt.Count);
        json.WriteNumber("completion_tokens", answer.Tokens);
        json.WriteNumber("total_tokens", question.Prompt.Count + answer.Tokens);
        json.WriteEndObject();
    }
}
