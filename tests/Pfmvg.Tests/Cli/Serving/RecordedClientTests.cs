using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>
/// Requests that seven clients were recorded to send, sent again to the real server; its answers are checked by what each client accepts.
/// </summary>
public sealed class RecordedClientTests(ServedWorkspace workspace) : IClassFixture<ServedWorkspace>
{
    private static readonly string Folder = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Cli", "Serving", "clients");

    private static readonly byte[] Picture = ServedWorkspace.Png(40, 30);

    public static TheoryData<string, string> Recorded
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var file in Directory.GetFiles(Folder, "*.json").Order())
                if (Read(Path.GetFileName(file))["requests"] is JsonObject requests)
                    foreach (var (name, _) in requests) all.Add(Path.GetFileNameWithoutExtension(file), name);
            return all;
        }
    }

    [Theory, MemberData(nameof(Recorded))]
    public async Task Every_recorded_request_gets_what_its_client_needs(string client, string name)
    {
        var recorded = Read(client + ".json")["requests"]![name]!;
        var (path, body) = ((string)recorded["path"]!, recorded["body"] as JsonObject ?? (name == "gzip" ? Plain() : null));
        await using var server = await TestServer.Start(workspace.Model);
        var reply = await Send(server, recorded, body, name);
        if (path.StartsWith("/v1/models", StringComparison.Ordinal))
        {
            Assert.True(reply.Status == 200, $"{reply}");
            Assert.Equal("pfmvg-served", (string?)(path == "/v1/models" ? reply.Json["data"]![0]! : reply.Json)["id"]);
        }
        else if (path != "/v1/chat/completions")
        {
            Assert.True(reply.Status == 404, $"{reply}");
            Assert.NotEqual("", reply.Error);
        }
        else if (body!["n"] is not null)
        {
            Assert.True(reply.Status == 400, $"{reply}");
            Assert.StartsWith("n: ", reply.Error, StringComparison.Ordinal);
        }
        else if (!body.ToJsonString().Contains("data:image", StringComparison.Ordinal))
        {
            Assert.True(reply.Status == 400, $"{reply}");
            Assert.StartsWith("messages: there is no picture", reply.Error, StringComparison.Ordinal);
        }
        else if ((bool?)body["stream"] == true)
        {
            CheckStream(reply, body);
        }
        else
        {
            CheckPlain(reply, body);
        }

        static JsonObject Plain() => TestServer.Chat("data:image/png;base64,iVBORw0KGgoAAAAN...", "[refer] where is the opacity?");
    }

    /// <summary>Of every change that some client does not take, the checks here look that our answers do not have it.</summary>
    [Fact]
    public void The_checks_cover_whatever_a_client_was_seen_to_refuse()
    {
        Assert.Equal(
            ["choices empty", "content as parts", "no choices", "no message.role", "only choices"], Refused("accepted_plain.json"));
        Assert.Equal(["no final stop chunk", "no finish_reason key", "only choices"], Refused("accepted_streamed.json"));

        static IEnumerable<string> Refused(string file) => Read(file)["variants"]!.AsObject()
            .Where(variant => variant.Value!.AsObject().Any(seen => seen.Value!.GetValueKind() == JsonValueKind.String))
            .Select(variant => variant.Key).Order(StringComparer.Ordinal);
    }

    private static void CheckPlain(Reply reply, JsonObject asked)
    {
        Assert.True(reply.Status == 200, $"{reply}");
        RequireShape(Read("accepted_plain.json")["full"]!, reply.Json, "");
        var choice = Assert.Single(reply.Json["choices"]!.AsArray())!;
        Assert.Equal("assistant", (string?)choice["message"]!["role"]);
        Assert.Contains((string?)choice["finish_reason"], (string[])["stop", "length"]);
        Assert.Equal("pfmvg-served", (string?)reply.Json["model"]);
        CheckFindings(choice["message"]!, asked);
        CheckContent((string)choice["message"]!["content"]!, choice["message"]!, asked);
    }

    private static void CheckStream(Reply reply, JsonObject asked)
    {
        Assert.True(reply.Status == 200 && reply.Type == "text/event-stream", $"{reply}");
        Assert.Equal("[DONE]", reply.Events[^1]);
        var chunks = reply.Events.SkipLast(1).Select(data => JsonNode.Parse(data)!).ToList();
        var usage = chunks.Where(chunk => chunk["choices"]!.AsArray().Count == 0).ToList();
        Assert.Equal((bool?)asked["stream_options"]?["include_usage"] == true ? 1 : 0, usage.Count);
        foreach (var counted in usage) Assert.True((int)counted["usage"]!["completion_tokens"]! > 0);
        chunks = [.. chunks.Except(usage)];
        Assert.All(chunks, chunk =>
        {
            foreach (var field in (string[])["id", "object", "created", "model"]) Assert.NotNull(chunk[field]);
            Assert.Equal("chat.completion.chunk", (string?)chunk["object"]);
            Assert.True(chunk["choices"]![0]!.AsObject().ContainsKey("finish_reason"));
            Assert.NotNull(chunk["choices"]![0]!["delta"]);
        });
        Assert.Equal("assistant", (string?)Delta(chunks[0])["role"]);
        Assert.All(chunks.SkipLast(1), chunk => Assert.Null(chunk["choices"]![0]!["finish_reason"]));
        Assert.Contains((string?)chunks[^1]["choices"]![0]!["finish_reason"], (string[])["stop", "length"]);
        // Where a client that drops other places keeps them: in the last delta that has content, and at the top of the last chunk.
        var last = chunks.Last(chunk => !string.IsNullOrEmpty((string?)Delta(chunk)["content"]));
        CheckFindings(Delta(last), asked);
        CheckFindings(chunks[^1], asked);
        CheckContent(string.Concat(chunks.Select(chunk => (string?)Delta(chunk)["content"])), Delta(last), asked);

        static JsonNode Delta(JsonNode chunk) => chunk["choices"]![0]!["delta"]!;
    }

    private static void CheckFindings(JsonNode place, JsonObject asked)
    {
        var (width, height) = asked.ToJsonString().Contains("image/jpeg", StringComparison.Ordinal) ? (48, 32) : (40, 30);
        Assert.Equal([width, height], place["image_size"]!.AsArray().Select(side => (int)side!));
        var parts = asked["messages"]!.AsArray()[^1]!["content"]!.AsArray();
        var text = (string?)parts.Single(part => (string?)part!["type"] == "text")!["text"];
        Assert.NotEmpty(place["boxes"]!.AsArray());
        Assert.All(place["boxes"]!.AsArray(), box =>
        {
            Assert.Equal(text, (string?)box!["phrase"]);
            var edges = box["box"]!.AsArray().Select(edge => (double)edge!).ToArray();
            Assert.True(0 <= edges[0] && edges[0] < edges[2] && edges[2] <= width);
            Assert.True(0 <= edges[1] && edges[1] < edges[3] && edges[3] <= height);
            Assert.InRange((double)box["confidence"]!, 0, 1);
        });
    }

    private static void CheckContent(string content, JsonNode findings, JsonObject asked)
    {
        if (asked["response_format"] is null) Assert.Matches(@"^\{<\d+><\d+><\d+><\d+>\}", content);
        else
            Assert.Equal(findings["boxes"]!.AsArray().Select(box => box!["box"]!.ToJsonString()),
                JsonNode.Parse(content)!["boxes"]!.AsArray().Select(box => box!.ToJsonString()));
    }

    /// <summary>Every field of the answer that all clients took is there and of the same kind.</summary>
    private static void RequireShape(JsonNode full, JsonNode? ours, string place)
    {
        Assert.True(ours is not null, $"{place} is absent");
        Assert.Equal(full.GetValueKind(), ours.GetValueKind());
        if (full is JsonArray list && list.Count > 0) RequireShape(list[0]!, ours.AsArray()[0], $"{place}[0]");
        if (full is not JsonObject fields) return;
        foreach (var (name, value) in fields)
        {
            Assert.True(ours.AsObject().ContainsKey(name), $"{place}.{name} is absent");
            if (value is not null) RequireShape(value, ours[name], $"{place}.{name}");
        }
    }

    private static Task<Reply> Send(TestServer server, JsonNode recorded, JsonObject? body, string name)
    {
        var headers = recorded["headers"]!.AsObject().Where(header => header.Value is not null
                && header.Key is not ("content-length" or "content-type" or "transfer-encoding" or "connection" or "expect"))
            .Select(header => (header.Key, (string)header.Value!)).ToArray();
        HttpContent? content = null;
        if (body is not null)
        {
            var bytes = Encoding.UTF8.GetBytes(WithPictures(body.ToJsonString(), big: name == "big"));
            if (name == "gzip")
            {
                using var packed = new MemoryStream();
                using (var zip = new GZipStream(packed, CompressionLevel.Fastest)) zip.Write(bytes);
                (bytes, headers) = (packed.ToArray(), [.. headers, ("Content-Encoding", "gzip")]);
            }

            content = TestServer.Content(bytes, (string)recorded["headers"]!["content-type"]!);
            if (recorded["headers"]!["expect"] is not null) headers = [.. headers, ("Expect", "100-continue")];
            if (recorded["headers"]!["transfer-encoding"] is not null)
            {
                content.Headers.ContentLength = null;
                headers = [.. headers, ("Transfer-Encoding", "chunked")];
            }
        }

        return server.Send(new HttpMethod((string)recorded["method"]!), (string)recorded["path"]!, content, headers);
    }

    // The recordings hold the beginnings of pictures; here are whole ones. A picture may be followed by anything.
    private static string WithPictures(string json, bool big)
    {
        var png = big ? [.. Picture, .. new byte[3_000_000]] : Picture;
        foreach (var (type, picture) in new[] { ("image/png", png), ("image/jpeg", ServedWorkspace.Jpeg(48, 32)) })
            json = Regex.Replace(json, $"data:{type};base64,[^\"]*", ServedWorkspace.Uri(picture, type));
        return json;
    }

    private static JsonNode Read(string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, file)))!;
}
