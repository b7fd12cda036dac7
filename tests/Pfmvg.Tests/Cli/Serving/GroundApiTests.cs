using System.Text.Json;
using System.Text.Json.Nodes;
using Pfmvg.Cli.Serving;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;
using Pfmvg.Runs;
using Pfmvg.Tests.Imaging.Dicom;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli.Serving;

public sealed class GroundApiTests(ServedWorkspace workspace) : IClassFixture<ServedWorkspace>
{
    private static readonly string[] Phrases = ["left pleural effusion", "right, large", "enlarged heart"];

    private static byte[] Dicom(int rows, int columns) => DicomBytes.Picture(rows, columns).Window(300, 600)
        .Pixels([.. Enumerable.Range(0, rows * columns).Select(i => i * 37 % 700)]).File(DicomBytes.Explicit);

    public static TheoryData<string, byte[]> Pictures => new()
    {
        { "wide.png", ServedWorkspace.Png(400, 37) },
        { "tall.jpg", ServedWorkspace.Jpeg(60, 777) },
        { "tiny.png", ServedWorkspace.Png(3, 2) },
        { "huge.jpg", ServedWorkspace.Jpeg(3500, 2900) },
        { "twelve-bits.png", ServedWorkspace.Png(50, 40, depth: 16) },
        { "radiograph.dcm", Dicom(60, 90) },
    };

    [Theory, MemberData(nameof(Pictures))]
    public async Task Boxes_are_those_of_predict_to_the_pixel(string name, byte[] picture)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.In(name), picture);
        await using var server = await TestServer.Start(workspace.Model);
        var reply = await server.Ground(picture, Phrases);
        Assert.True(reply.Status == 200, $"{reply}");
        var answers = reply.Json["answers"]!.AsArray();
        foreach (var (phrase, answer) in Phrases.Zip(answers))
        {
            var predicted = JsonNode.Parse(AnswerLine.Read(Assert.Single(PredictionRun.Execute(
                new RecordedSession(workspace.Configuration).Session, [new PredictionCase("1", folder.In(name), phrase)], fromBase: true)))
                .ToJson())!;
            Assert.Equal((phrase, (string?)predicted["answer"]), ((string?)answer!["phrase"], (string?)answer["text"]));
            Assert.Equal(predicted["boxes"]!.ToJsonString(), answer["boxes"]!.ToJsonString());
            Assert.Equal([predicted["width"]!.ToJsonString(), predicted["height"]!.ToJsonString()],
                reply.Json["image_size"]!.AsArray().Select(side => side!.ToJsonString()));
            Assert.Equal((string?)predicted["dicom"], (string?)reply.Json["dicom"]);
            var sure = predicted["confidence"]!.AsArray().Select(one => (double)one!).ToList();
            Assert.Equal(sure.Count, answer["confidences"]!.AsArray().Count);
            Assert.All(sure.Zip(answer["confidences"]!.AsArray()), pair => Assert.Equal(pair.First, (double)pair.Second!, 1e-4));
            Assert.Equal(sure.Min(), (double)answer["confidence"]!, 1e-4);
            Assert.Null(answer["flaw"]);
        }
    }

    [Fact]
    public async Task A_form_and_JSON_are_answered_alike()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var picture = ServedWorkspace.Png(30, 50);
        var form = await server.Ground(picture, Phrases);
        var list = new JsonArray([.. Phrases.Select(phrase => JsonValue.Create(phrase))]);
        foreach (var image in (string[])[ServedWorkspace.Uri(picture), Convert.ToBase64String(picture)])
            Assert.Equal(form.Text, (await server.Post(
                "/v1/ground", new JsonObject { ["image"] = image, ["phrases"] = list.DeepClone() }.ToJsonString())).Text);
        // As some encoders write signs of base64.
        var json = JsonSerializer.Serialize(new { image = ServedWorkspace.Uri(picture), phrase = Phrases[0] });
        var escaped = await server.Post("/v1/ground", json.Replace("/", "\\/", StringComparison.Ordinal));
        Assert.Equal(form.Json["answers"]![0]!["text"]!.ToJsonString(), escaped.Json["answers"]![0]!["text"]!.ToJsonString());
        Assert.Equal(1, await server.Metric("pfmvg_pictures_decoded_total")); // once, whoever sends it how
    }

    [Fact]
    public async Task A_request_can_be_freed_from_boxes()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var image = ServedWorkspace.Uri(ServedWorkspace.Png(30, 50));
        foreach (var (word, holds) in new[] { ("none", false), ("boxes", true) })
        {
            var reply = await server.Post("/v1/ground", JsonSerializer.Serialize(new { image, phrases = Phrases, constrain = word }));
            Assert.All(reply.Json["answers"]!.AsArray(), answer =>
                Assert.Equal((holds, !holds), (answer!["boxes"]!.AsArray().Count > 0, answer["flaw"] is not null)));
        }
    }

    [Fact]
    public async Task A_DICOM_picture_comes_back_as_the_gray_that_the_model_is_shown()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var file = Dicom(31, 17);
        var reply = await server.Send(HttpMethod.Post, "/v1/picture", TestServer.Content(file, "application/dicom"), []);
        Assert.True(reply is { Status: 200, Type: "image/png" }, $"{reply}");
        Assert.Equal("17x31", Assert.Single(reply.Headers.GetValues("Image-Size")));
        Assert.Equal(ImageFile.Decode(file, "x").Pixels, ImageFile.Decode(reply.Body, "y").Pixels);
        var small = await server.Send(HttpMethod.Post, "/v1/picture?side=8", TestServer.Content(file, "application/dicom"), []);
        Assert.Equal("17x31", Assert.Single(small.Headers.GetValues("Image-Size")));
        var header = ImageFile.ReadHeader(small.Body, "z");
        Assert.Equal((4, 8), (header.Width, header.Height));
    }

    [Theory]
    [InlineData("""{"phrases": ["edema"]}""", "image: there is no picture")]
    [InlineData("""{"image": "http://example.com/x.png", "phrases": ["edema"]}""", "image: pictures are not fetched from addresses")]
    [InlineData("""{"image": "file:///etc/hostname", "phrases": ["edema"]}""", "image: pictures are not fetched from addresses")]
    [InlineData("""{"image": "data:image/png,abc", "phrases": ["edema"]}""", "image: the data URI must be in base64")]
    [InlineData("""{"image": "data:image/png;base64", "phrases": ["edema"]}""", "image: the data URI has no comma")]
    [InlineData("""{"image": "data:image/png;base64,A", "phrases": ["edema"]}""", "image: the picture is no valid base64")]
    [InlineData("""{"image": "AAAA", "phrases": ["edema"]}""", "image: the file is no JPEG, PNG")]
    [InlineData("""{"image": 3, "phrases": ["edema"]}""", "image: must be a text")]
    [InlineData("""{"image": "AAAA", "phrases": []}""", "phrases: there is none")]
    [InlineData("""{"image": "AAAA", "phrases": [7]}""", "phrases: 'phrases' must be a text")]
    [InlineData("""{"image": "AAAA", "phrases": ["\ud800"]}""",
        "The body is no JSON to use: phrases[0]: is not valid text (half of a surrogate pair).")]
    [InlineData("""{"image": "AAAA", "phrases": ["..."]}""", "phrases: the phrase has no letter and no digit")]
    [InlineData("""{"image": "AAAA", "phrases": ["edema"], "constrain": "polygons"}""", "constrain: must be")]
    [InlineData("""["image"]""", "The body is JSON but no object")]
    [InlineData("""{"image": """, "The body is no JSON")]
    [InlineData("", "The request has no body")]
    public async Task Wrong_input_is_one_sentence_about_its_field(string body, string expected)
    {
        await using var server = await TestServer.Start(workspace.Model);
        var reply = await server.Post("/v1/ground", body);
        Assert.True(reply.Status == 400, $"{reply}");
        Assert.StartsWith(expected, reply.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_phrases_than_there_are_places_are_refused()
    {
        await using var server = await TestServer.Start(workspace.Model, new ServerOptions { Queue = 2 });
        var reply = await server.Ground(ServedWorkspace.Png(9, 9), Phrases);
        Assert.True(reply.Status == 400, $"{reply}");
        Assert.StartsWith("phrases: there are 3, and this server takes 2", reply.Error, StringComparison.Ordinal);
    }
}
