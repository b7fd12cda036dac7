using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Serving;
using Pfmvg.Text;

namespace Pfmvg.Cli.Serving;

/// <summary>`POST /v1/ground`: one picture, any number of phrases, as a form with a file or as JSON.</summary>
internal sealed class GroundApi(AnswerDesk desk, RequestBody bodies)
{
    private sealed record Request(ReadOnlyMemory<byte> Picture, IReadOnlyList<string> Phrases, bool? Constrained);

    /// <summary>Answers a request.</summary>
    public async Task Handle(HttpContext context)
    {
        desk.RequirePlace();
        using var clock = desk.Clock(context);
        var (picture, questions) = await Ask(context, clock.Token);
        List<ServedAnswer> answers = [];
        foreach (var question in questions) answers.Add(await desk.Answer(question, context));
        await Server.Send(context, 200, ApiJson.Bytes(json =>
        {
            json.WriteString("model", desk.Model);
            ApiJson.WriteSize(json, picture.Width, picture.Height);
            if (picture.Dicom is { } rule) json.WriteString("dicom", rule);
            if (picture.Note is { } note) json.WriteString("note", note);
            json.WriteStartArray("answers");
            foreach (var answer in answers) Write(json, answer.Line);
            json.WriteEndArray();
        }));
    }

    private static void Write(Utf8JsonWriter json, AnswerLine line)
    {
        json.WriteStartObject();
        json.WriteString("phrase", line.Prediction.Phrase);
        json.WriteString("text", line.Prediction.Answer);
        json.WriteStartArray("boxes");
        foreach (var box in line.Boxes)
        {
            json.WriteStartArray();
            foreach (var edge in ApiJson.Edges(box)) json.WriteNumberValue(edge);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        // The answer is as sure as the least sure of its boxes.
        ApiJson.WriteConfidence(json, line.Confidence is { Count: > 0 } each ? each.Min() : null);
        json.WriteStartArray("confidences");
        foreach (var sure in line.Confidence ?? []) json.WriteNumberValue(Math.Round(sure, 6));
        json.WriteEndArray();
        if (line.Flaw == Flaw.None) json.WriteNull("flaw");
        else json.WriteString("flaw", ScoreGrid.Label(line.Flaw));
        json.WriteEndObject();
    }

    private async Task<(ServedPicture Picture, List<Question> Questions)> Ask(HttpContext context, CancellationToken clock)
    {
        using var body = await bodies.Read(context);
        var request = FormBody.IsForm(context.Request) ? await ReadForm(context, body.Bytes) : ReadJson(body.Bytes);
        if (request.Phrases.Count == 0) throw ApiError.Wrong("phrases", "there is none; say what to find.");
        if (request.Phrases.Count > desk.MostQuestions)
            throw ApiError.Wrong("phrases", $"there are {request.Phrases.Count}, and this server takes {desk.MostQuestions} at a time.");
        foreach (var phrase in request.Phrases) desk.RequireAskable(phrase, "phrases");
        var manner = new AskedManner { Constrained = request.Constrained };
        _ = desk.Manner(manner);
        try
        {
            var picture = await desk.Picture(request.Picture, clock);
            var questions = request.Phrases.Select(phrase => desk.Question(picture, phrase, manner, clock)).ToList();
            desk.Add(questions);
            return (picture, questions);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            throw desk.Late();
        }
    }

    private static Request ReadJson(ReadOnlyMemory<byte> body)
    {
        using var json = JsonFields.Parse(body);
        var root = json.RootElement;
        if (root.Member("image") is not { } image)
            throw ApiError.Wrong("image", "there is no picture; send {\"image\": \"data:image/png;base64,...\", \"phrases\": [...]}.");
        var phrases = (root.Member("phrases") ?? root.Member("phrase")) switch
        {
            { ValueKind: JsonValueKind.Array } list => list.EnumerateArray().Select(phrase => phrase.Text("phrases", "phrases")).ToList(),
            { } one => [one.Text("phrases", "phrases")],
            null => [],
        };
        return new Request(image.Picture("image"), phrases, AskedManner.ReadConstraint(root));
    }

    private static async Task<Request> ReadForm(HttpContext context, ReadOnlyMemory<byte> body)
    {
        var form = await FormBody.Read(context.Request, body);
        return new Request(form.File, [.. form.Texts("phrase"), .. form.Texts("phrases")],
            form.Texts("constrain").LastOrDefault() is { } word ? AskedManner.ReadConstraint(word) : null);
    }
}
