using System.ClientModel;
using System.Text;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Chat;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>The server as OpenAI's own .NET library sees it.</summary>
public sealed class OfficialClientTests(ServedWorkspace workspace) : IClassFixture<ServedWorkspace>
{
    private static readonly byte[] Picture = ServedWorkspace.Png(64, 48);

    private static UserChatMessage Ask(string text) => new(
        ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(Picture), "image/png"), ChatMessageContentPart.CreateTextPart(text));

    private static OpenAIClient Client(TestServer server) =>
        new(new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "/v1") });

    [Fact]
    public async Task It_lists_asks_and_streams()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var (client, cancel) = (Client(server), TestContext.Current.CancellationToken);
        Assert.Equal("pfmvg-served", Assert.Single((await client.GetOpenAIModelClient().GetModelsAsync(cancel)).Value).Id);
        var chat = client.GetChatClient("any");
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 60, Temperature = 0 };
        var plain = await chat.CompleteChatAsync(
            [new SystemChatMessage("Answer with a box."), Ask("[refer] where is the opacity?")], options, cancel);
        Assert.Equal((ChatFinishReason.Stop, "pfmvg-served"), (plain.Value.FinishReason, plain.Value.Model));
        var text = Assert.Single(plain.Value.Content).Text;
        Assert.Matches(@"^\{<\d+><\d+><\d+><\d+>\}", text);
        Assert.True(plain.Value.Usage.OutputTokenCount > 0);
        var box = JsonNode.Parse(plain.GetRawResponse().Content.ToString())!["choices"]![0]!["message"]!["boxes"]![0]!["box"]!.AsArray();
        Assert.Equal(text[..text.IndexOf('}')].Split('<', '>').Where(part => int.TryParse(part, out _)).Select(int.Parse)
            .Select((number, i) => Math.Round(number / 100.0 * (i % 2 == 0 ? 64 : 48), 2)), box.Select(edge => (double)edge!));

        var streamed = new StringBuilder();
        ChatFinishReason? reason = null;
        await foreach (var part in chat.CompleteChatStreamingAsync([Ask("[refer] where is the opacity?")], options, cancel))
        {
            foreach (var piece in part.ContentUpdate) streamed.Append(piece.Text);
            reason = part.FinishReason ?? reason;
        }

        Assert.Equal((text, ChatFinishReason.Stop), ($"{streamed}", reason));
    }

    [Fact]
    public async Task It_gets_boxes_by_a_schema()
    {
        await using var server = await TestServer.Start(workspace.Model);
        const string schema = """
            {"type": "object", "properties": {"boxes": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}}}
            """;
        var answer = await Client(server).GetChatClient("any").CompleteChatAsync([Ask("edema")], new ChatCompletionOptions
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("boxes", BinaryData.FromString(schema)),
        }, TestContext.Current.CancellationToken);
        Assert.Equal(4, JsonNode.Parse(answer.Value.Content[0].Text)!["boxes"]![0]!.AsArray().Count);
    }

    [Fact]
    public async Task It_shows_the_sentence_of_a_refusal_at_once()
    {
        await using var server = await TestServer.Start(workspace.Model);
        var refused = await Assert.ThrowsAsync<ClientResultException>(
            () => Client(server).GetChatClient("any").CompleteChatAsync([new UserChatMessage("no picture")]));
        Assert.Equal(400, refused.Status);
        Assert.Contains("messages: there is no picture", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, await server.Metric("pfmvg_retries_total"));
    }
}
