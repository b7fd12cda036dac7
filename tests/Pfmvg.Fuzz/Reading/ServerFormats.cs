using System.Text;
using Microsoft.AspNetCore.Http;
using Pfmvg.Asking;
using Pfmvg.Cli.Serving;
using Pfmvg.Fuzz.Mutating;

namespace Pfmvg.Fuzz.Reading;

/// <summary>What clients send to `pfmvg serve`, and what a server answers that is asked.</summary>
internal static class ServerFormats
{
    private const string Boundary = "----fuzz";

    public static Format Requests(string folder)
    {
        var chat = new Way(Path.Combine(folder, "chat.json"), path => Told(() =>
        {
            using var json = JsonFields.Parse(File.ReadAllBytes(path));
            _ = Cli.Serving.Chat.ChatRequest.Read(json.RootElement);
        }));
        var form = new Way(Path.Combine(folder, "form.txt"), path => Told(() =>
        {
            var request = new DefaultHttpContext().Request;
            request.ContentType = $"multipart/form-data; boundary={Boundary}";
            _ = FormBody.Read(request, File.ReadAllBytes(path)).GetAwaiter().GetResult().Texts("phrase").ToList();
        }));
        const string Message = """
            {"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "left"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}]}], "max_tokens": 40, "temperature": 0.5,
                 "top_p": 0.9,
             "seed": 3, "stop": ["x"], "stream": true, "stream_options": {"include_usage": true}, "n": 1,
             "response_format": {"type": "json_schema",
             "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"boxes": {"type": "array", "items": {"type": "object",
             "properties": {"x1": {"type": "number"}, "confidence": {"type": "number"}, "phrase": {"type": "string", "enum": ["a"]}},
             "required": ["x1"]}}}}}}}
            """;
        var parts = string.Concat(new[] { "image\"; filename=\"a.png", "phrase", "phrases", "constrain" }.Select(name =>
            $"--{Boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nleft lung\r\n")) + $"--{Boundary}--\r\n";
        return new([new Seed(Encoding.UTF8.GetBytes(Message), chat), new Seed(Encoding.UTF8.GetBytes(parts), form)],
            Json.Tree, Json.Tree, Words.Lines);
    }

    public static Format Replies(string folder)
    {
        var way = new Way(Path.Combine(folder, "reply.json"), path =>
        {
            var body = File.ReadAllBytes(path);
            _ = ChatReply.Read(body);
            _ = ServerWords.Of(body);
            _ = ServerWords.Code(body);
        });
        string[] replies =
        [
            """
            {"choices": [{"message": {"role": "assistant", "content": "<think>x</think>{<1><2><3><4>}", "boxes": [{"confidence": 0.5}]},
             "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
            """,
            """{"choices": [{"message": {"content": [{"type": "text", "text": "No"}], "refusal": "no"}, "finish_reason": "length"}]}""",
            """{"error": {"message": "too long", "code": "context_length_exceeded"}}""", """{"detail": [{"msg": "field required"}]}""",
            "<html><body>502</body></html>",
        ];
        return new([.. replies.Select(text => new Seed(Encoding.UTF8.GetBytes(text), way))], Json.Tree);
    }

    /// <summary>The server's own refusals are refusals as all others.</summary>
    private static void Told(Action read)
    {
        try
        {
            read();
        }
        catch (ApiError wrong)
        {
            throw new InputException(wrong.Message, wrong);
        }
    }
}
