using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Pfmvg.Serving;

namespace Pfmvg.Cli.Serving.Chat;

/// <summary>
/// An answer in server-sent events. It ends with [DONE], or with an error event: a clean end would pass for a whole answer.
/// </summary>
internal sealed class ChatStream(HttpContext context, ChatFrame frame, TimeSpan pulse)
{
    private readonly StringBuilder _sent = new();

    /// <summary>Sends the answer as it grows, then its boxes.</summary>
    public async Task Send(Question question, JsonAnswer? form, TextGrowth? growth, AnswerDesk desk)
    {
        var response = context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
        try
        {
            await Chunk(json =>
            {
                json.WriteString("role", "assistant");
                json.WriteString("content", "");
            });
            await Grow(question, growth);
            await Finish(question, await desk.Answer(question, context), form);
        }
        catch (Exception failure) when (!context.RequestAborted.IsCancellationRequested)
        {
            await Event(Encoding.UTF8.GetString(ApiJson.Error(Server.Explain(failure))));
            if (failure is not (ApiError or InputException)) throw;
        }
    }

    /// <summary>Sends what is known, one step behind: the last piece comes with the boxes, where every client reads them.</summary>
    private async Task Grow(Question question, TextGrowth? growth)
    {
        string? before = null;
        while (!question.Answer.IsCompleted)
        {
            using var wait = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            var text = growth?.Reader.WaitToReadAsync(wait.Token).AsTask();
            var silence = Task.Delay(pulse, wait.Token);
            var first = await Task.WhenAny(text is null ? [question.Answer, silence] : [question.Answer, text, silence]);
            if (first == silence) await Write(": the answer is not ready yet\n\n");
            if (first == text && growth!.Reader.TryRead(out var known))
            {
                if (before is not null) await Piece(before);
                before = known;
            }

            await wait.CancelAsync();
        }
    }

    private async Task Piece(string text)
    {
        var ready = text.TrimStart();
        // A letter of which not all bytes are there, and white space that may turn out to be the end.
        ready = ready.TrimEnd('\uFFFD', ' ', '\n', '\r', '\t');
        if (ready.Length <= _sent.Length || !ready.StartsWith(_sent.ToString(), StringComparison.Ordinal)) return;
        var piece = ready[_sent.Length..];
        _sent.Append(piece);
        await Chunk(json => json.WriteString("content", piece));
    }

    private async Task Finish(Question question, ServedAnswer answer, JsonAnswer? form)
    {
        var content = ChatFrame.Content(answer, form);
        if (!content.StartsWith(_sent.ToString(), StringComparison.Ordinal))
            throw new ApiError(500, "The model took back what it had said; ask again without stream.", null, "taken_back");
        await Chunk(json =>
        {
            json.WriteString("content", content[_sent.Length..]);
            ChatFrame.WriteFindings(json, answer);
        });
        await Chunk(_ => { }, ChatFrame.FinishReason(answer), json => ChatFrame.WriteFindings(json, answer));
        if (frame.StreamUsage)
            await Event(Encoding.UTF8.GetString(ApiJson.Bytes(json =>
            {
                frame.WriteHead(json, "chat.completion.chunk");
                json.WriteStartArray("choices");
                json.WriteEndArray();
                ChatFrame.WriteUsage(json, question, answer);
            })));
        await Event("[DONE]");
    }

    private Task Chunk(Action<Utf8JsonWriter> delta, string? finish = null, Action<Utf8JsonWriter>? top = null) =>
        Event(Encoding.UTF8.GetString(ApiJson.Bytes(json =>
        {
            frame.WriteHead(json, "chat.completion.chunk");
            json.WriteStartArray("choices");
            json.WriteStartObject();
            json.WriteNumber("index", 0);
            json.WriteStartObject("delta");
            delta(json);
            json.WriteEndObject();
            json.WriteNull("logprobs");
            json.WriteString("finish_reason", finish);
            json.WriteEndObject();
            json.WriteEndArray();
            top?.Invoke(json);
        })));

    private Task Event(string data) => Write($"data: {data}\n\n");

    private async Task Write(string text)
    {
        await context.Response.WriteAsync(text, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }
}
