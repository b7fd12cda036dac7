using System.Text.Json;
using Pfmvg.Asking;
using Pfmvg.Configuration;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Text;

namespace Pfmvg.Tests.Asking;

/// <summary>What is sent: to whom, which picture, which words; and how long is waited.</summary>
public class AskedPictureTests
{
    [Theory]
    [InlineData(1), InlineData(3)]
    public void A_picture_that_keeps_its_size_keeps_its_pixels(int channels)
    {
        var picture = Picture(37, 23, channels);
        var sent = AskedPicture.Of(picture, new AskSettings());
        Assert.Null(sent.Frame);
        var back = ImageFile.Decode(sent.Png, "sent.png");
        Assert.Equal((37, 23, channels), (back.Width, back.Height, back.Channels));
        Assert.Equal(picture.Pixels, back.Pixels);
    }

    [Theory]
    [InlineData(2544, 3056, 1024, 1, 852, 1024)]
    [InlineData(3056, 2544, 1024, 1, 1024, 852)]
    [InlineData(1024, 3, 512, 1, 512, 2)]
    [InlineData(9000, 1, 1000, 1, 1000, 1)]
    [InlineData(800, 600, 1024, 1, 800, 600)]
    [InlineData(2544, 3056, 0, 1, 2544, 3056)]
    [InlineData(2544, 3056, 1024, 28, 840, 1008)]
    [InlineData(800, 600, 1024, 28, 812, 588)]
    [InlineData(10, 500, 1024, 28, 28, 504)]
    [InlineData(500, 500, 20, 28, 28, 28)]
    public void Sides_keep_their_proportion_within_the_limit_and_are_multiples(
        int width, int height, int longest, int multiple, int sentWidth, int sentHeight) => Assert.Equal((sentWidth, sentHeight),
            AskedPicture.SizeOf(width, height, new AskSettings { LongestSide = longest, Multiple = multiple }));

    [Fact]
    public void A_box_in_pixels_of_what_was_sent_is_the_same_part_of_the_original()
    {
        var sent = AskedPicture.Of(Picture(301, 199, 1), new AskSettings { LongestSide = 100, Multiple = 7 });
        var frame = ImageFile.Decode(sent.Png, "sent.png");
        Assert.Equal((98, 63), (frame.Width, frame.Height));
        var box = new Coordinates(null, BoxLayout.Xyxy) { Frame = sent.Frame }.ToPixels([49, 0, 98, 63], 301, 199);
        Assert.Equal(new Box(150.5, 0, 301, 199), box);
    }

    [Fact]
    public void A_request_holds_the_picture_and_the_question_and_few_fields()
    {
        var png = AskedPicture.Of(Picture(9, 9, 1), new AskSettings()).Png;
        var plain = Body(new AskSettings());
        Assert.Equal(["model", "messages", "max_tokens", "temperature"], plain.EnumerateObject().Select(field => field.Name));
        Assert.Equal(["model", "messages", "max_completion_tokens"], Body(new AskSettings
        {
            LimitField = TokenLimitField.MaxCompletionTokens, Temperature = -1,
        }).EnumerateObject().Select(field => field.Name));
        var content = plain.GetProperty("messages")[0].GetProperty("content");
        Assert.Equal($"data:image/png;base64,{Convert.ToBase64String(png)}",
            content[0].GetProperty("image_url").GetProperty("url").GetString());
        Assert.Equal("wo ist \"é\" + <x>?", content[1].GetProperty("text").GetString());

        JsonElement Body(AskSettings settings) =>
            JsonDocument.Parse(ChatRequest.Write("org/m:1", png, "wo ist \"é\" + <x>?", settings)).RootElement;
    }

    [Theory]
    [InlineData("ours", "[refer] give me the location of left effusion 3 5 cm")]
    [InlineData("Box of {phrase}, please: {phrase}", "Box of Left effusion: 3.5 cm, please: Left effusion: 3.5 cm")]
    public void Our_own_prompt_is_our_evaluations_and_any_other_has_the_phrase_as_it_is(string prompt, string asked) =>
        Assert.Equal(asked, AskPrompt.Text(prompt, "Left effusion: 3.5 cm", normalize: true));

    [Theory, InlineData("qwen"), InlineData("internvl"), InlineData("free")]
    public void A_prompt_with_a_name_holds_the_phrase_once(string prompt)
    {
        var parts = AskPrompt.Wording(prompt).Split(InstructionPool.Placeholder);
        Assert.Equal(2, parts.Length);
        Assert.Equal(string.Join("Left effusion", parts), AskPrompt.Text(prompt, "Left effusion", normalize: true));
        Assert.Equal(prompt, ConfigurationFile.Parse("", "none", [$"ask.prompt={prompt}"]).Ask!.Prompt);
    }

    [Theory]
    [InlineData("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", true)]
    [InlineData("http://localhost:8000", "http://localhost:8000/v1", true)]
    [InlineData("http://[::1]:8000/", "http://[::1]:8000/v1", true)]
    [InlineData("http://127.9.9.9/api/v3/chat/completions", "http://127.9.9.9/api/v3", true)]
    [InlineData("https://api.example.org/v1/", "https://api.example.org/v1", false)]
    [InlineData("http://10.0.0.7:8000", "http://10.0.0.7:8000/v1", false)]
    [InlineData("http://127.0.0.1.example.org/v1", "http://127.0.0.1.example.org/v1", false)]
    [InlineData("http://localhost.example.org/v1", "http://localhost.example.org/v1", false)]
    [InlineData("http://0.0.0.0:1/v1", "http://0.0.0.0:1/v1", false)]
    public void An_address_is_on_this_machine_or_needs_leave(string text, string shown, bool isLoopback)
    {
        var address = ServerAddress.Parse(text, allowRemote: true);
        Assert.Equal((shown, isLoopback, shown + "/chat/completions"),
            (address.ToString(), address.IsLoopback, address.Endpoint.AbsoluteUri));
        if (isLoopback) Assert.Equal(address, ServerAddress.Parse(text, allowRemote: false));
        else
            Assert.Contains("--allow-remote", Assert.Throws<InputException>(() => ServerAddress.Parse(text, allowRemote: false)).Message,
                StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1:8000"), InlineData("ftp://127.0.0.1/v1"), InlineData("/v1"), InlineData("")]
    [InlineData("http://me:secret@127.0.0.1/v1"), InlineData("http://127.0.0.1/v1?key=secret"), InlineData("http://127.0.0.1/v1#secret")]
    public void What_is_no_base_address_is_refused_without_repeating_secrets(string text) => Assert.DoesNotContain("secret",
        Assert.Throws<InputException>(() => ServerAddress.Parse(text, allowRemote: true)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("Retry-After", "7", 7.0)]
    [InlineData("Retry-After", "1.5", 1.5)]
    [InlineData("Retry-After", "Thu, 01 Jan 2026 00:00:30 GMT", 30.0)]
    [InlineData("Retry-After", "Wed, 31 Dec 2025 23:59:30 GMT", null)]
    [InlineData("Retry-After", "0", null)]
    [InlineData("Retry-After", "soon", null)]
    [InlineData("Retry-After", "-5", null)]
    [InlineData("Retry-After", "1e300", null)]
    [InlineData("retry-after-ms", "250", 0.25)]
    [InlineData("retry-after-ms", "NaN", null)]
    [InlineData("X-Other", "7", null)]
    public void A_server_says_how_long_it_wants_to_be_left_alone(string name, string value, double? seconds)
    {
        using var response = new HttpResponseMessage();
        response.Headers.TryAddWithoutValidation(name, value);
        Assert.Equal(seconds, RetryWait.Asked(response.Headers, new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))?.TotalSeconds);
    }

    [Fact]
    public void Waits_double_and_none_is_longer_than_the_longest()
    {
        var settings = new AskSettings { Wait = 1, LongestWait = 60 };
        for (var attempt = 0; attempt < 12; attempt++)
        {
            var wait = RetryWait.Of(null, attempt, settings, new CounterRandom(3, "wait", attempt)).TotalSeconds;
            Assert.InRange(wait, Math.Min(60, 0.75 * Math.Pow(2, attempt)), Math.Min(60, 1.25 * Math.Pow(2, attempt)));
        }

        Assert.Equal(60, RetryWait.Of(TimeSpan.FromHours(2), 0, settings, new CounterRandom(3, "wait")).TotalSeconds);
        Assert.Equal(2, RetryWait.Of(TimeSpan.FromSeconds(2), 9, settings, new CounterRandom(3, "wait")).TotalSeconds);
    }

    private static DecodedImage Picture(int width, int height, int channels)
    {
        var random = new CounterRandom(5, "pixels");
        var pixels = Enumerable.Range(0, width * height * channels).Select(_ => (byte)random.Next(256));
        return new DecodedImage(width, height, channels, [.. pixels]);
    }
}
