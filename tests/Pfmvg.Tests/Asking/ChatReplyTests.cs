using System.Text;
using Pfmvg.Asking;

namespace Pfmvg.Tests.Asking;

/// <summary>Answers of servers, complete and odd.</summary>
public class ChatReplyTests
{
    private const string Box = "{<12><20><45><60>}";

    [Theory]
    [InlineData("""{"choices": [{"message": {"content": "{<12><20><45><60>}"}, "finish_reason": "stop"}]}""")]
    [InlineData("""
        {"id": 7, "model": null, "x": {}, "usage": null, "error": null, "choices": [{"index": 9, "finish_reason": "deadline",
        "message": {"role": null, "content": " {<12><20><45><60>}\n", "audio": 1}}, 5]}
        """)]
    [InlineData("""
        {"choices": [{"finish_reason": "stop", "message": {"content":
        [{"type": "text", "text": "{<12><20>"}, {"type": "x"}, {"type": "text", "text": "<45><60>}"}]}}]}
        """)]
    [InlineData("""
        {"choices": [{"finish_reason": "length", "message": {"content": ["{<12><20><45><60>}"], "refusal": ""}}],
        "usage": {"prompt_tokens": "many"}}
        """)]
    [InlineData("""
        {"choices": [{"finish_reason": "stop", "message": {"content":
        "<think>{<1><1><2><2>} or {<3>...</think>\n{<12><20><45><60>}"}}]}
        """)]
    [InlineData("""
        {"choices": [{"finish_reason": "stop", "message": {"content": "{<12><20><45><60>}", "refusal": "I should not, but"}}]}
        """)]
    public void An_answer_needs_a_text_and_an_end_and_nothing_else(string body)
    {
        var reply = Read(body);
        Assert.Equal((Box, null, false), (reply.Text, reply.Fault, reply.Refused));
        Assert.Null(reply.Usage);
        Assert.Null(reply.Confidence);
        Assert.Equal(body.Contains("\"length\"", StringComparison.Ordinal), reply.AtLimit);
    }

    [Theory]
    [InlineData("""{}""", "no choices")]
    [InlineData("""{"choices": null}""", "no choices")]
    [InlineData("""{"choices": []}""", "no choices")]
    [InlineData("""{"choices": {"message": {}}}""", "no choices")]
    [InlineData("""{"choices": [null]}""", "no message")]
    [InlineData("""{"choices": [{"text": "x", "finish_reason": "stop"}]}""", "no message")]
    [InlineData("""{"choices": [{"message": {"content": "{<12><20><45><60>}"}}]}""", "no finish_reason")]
    [InlineData("""{"choices": [{"message": {"content": "{<12><20><45><60>}"}, "finish_reason": null}]}""", "no finish_reason")]
    [InlineData("""{"choices": [{"message": {"content": "\ud800"}, "finish_reason": "stop"}]}""",
        "not valid text (half of a surrogate pair)")]
    [InlineData("""{"error": {"message": "It failed."}, "choices": [{"message": {"content": "x"}}]}""", "(It failed)")]
    [InlineData("""{"error": "It failed"}""", "(It failed)")]
    [InlineData("""{"detail": "It failed"}""", "(It failed)")]
    [InlineData("""{"error": {"message": "\ud800"}}""", "not valid text (half of a surrogate pair)")]
    public void What_is_no_answer_may_become_one(string body, string words)
    {
        var reply = Read(body);
        Assert.EndsWith(words, reply.Fault, StringComparison.Ordinal);
        Assert.True(reply.Again);
        Assert.Equal("", reply.Text);
    }

    [Theory]
    [InlineData("null", "\"I can't assist with that.\"", "stop", "I can't assist with that.")]
    [InlineData("null", "null", "content_filter", "")]
    [InlineData("\"I\\u2019m sorry, but I can\\u2019t provide a diagnosis from medical images.\"", "null", "stop", null)]
    [InlineData("\"As an AI, I do not look at radiographs.\"", "null", "stop", null)]
    [InlineData("\"I'm sorry, I am unable to analyze medical images.\"", "null", "stop", null)]
    [InlineData("\"I won't help with this.\"", "null", "length", null)]
    public void A_refusal_is_one_whoever_words_it(string content, string refusal, string finish, string? text)
    {
        var reply = Read("{\"choices\": [{\"message\": {\"content\": " + content + ", \"refusal\": " + refusal
            + "}, \"finish_reason\": \"" + finish + "\"}]}");
        Assert.True(reply.Refused);
        Assert.Null(reply.Fault);
        if (text is not null) Assert.Equal(text, reply.Text);
    }

    [Theory]
    [InlineData("There is no pneumothorax in this picture.")]
    [InlineData("I'm sorry, but no opacity is visible here.")]
    [InlineData("I cannot find this finding in the left lung.")]
    [InlineData("I cannot see an infiltrative process in this view.")]
    [InlineData("The opacity is in the right lower lung; it helps to look at the lateral view, which cannot be seen.")]
    [InlineData("I can't help noticing {<12><20><45><60>}")]
    [InlineData("")]
    public void Prose_is_no_refusal(string content) => Assert.False(Read(System.Text.Json.JsonSerializer.Serialize(new
    {
        choices = new[] { new { message = new { content }, finish_reason = "stop" } },
    })).Refused);

    [Theory]
    [InlineData("""[{"box": [1, 2, 3, 4], "confidence": 0.25}]""", new[] { 0.25 })]
    [InlineData("""[{"confidence": 1.5}]""", null)]
    [InlineData("""[{"confidence": "0.5"}]""", null)]
    [InlineData("""[{"confidence": 0.5}, {"confidence": 0.5}]""", null)]
    [InlineData("""[7]""", null)]
    [InlineData("""{}""", null)]
    public void Confidences_count_where_each_box_has_one(string boxes, double[]? confidences) => Assert.Equal(confidences,
        Read("{\"choices\": [{\"message\": {\"content\": \"" + Box + "\", \"boxes\": " + boxes + "}, \"finish_reason\": \"stop\"}]}")
            .Confidence);

    [Fact]
    public void Words_of_a_server_are_one_short_line() =>
        Assert.Equal($" ({new string('a', 100)} {new string('b', 99)}...)",
            ServerWords.Of(Encoding.UTF8.GetBytes("{\"detail\": \"" + new string('a', 100) + "\\n" + new string('b', 500) + "\"}")));

    private static ChatReply Read(string body) => ChatReply.Read(Encoding.UTF8.GetBytes(body));
}
