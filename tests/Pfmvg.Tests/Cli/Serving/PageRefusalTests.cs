using System.Text;
using Pfmvg.Cli.Serving;
using Pfmvg.Serving;
using Pfmvg.Tests.Browser;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>What the page says, and where, when there is nothing to show.</summary>
public sealed class PageRefusalTests(ServedWorkspace workspace, BrowserFixture browser) : IClassFixture<ServedWorkspace>
{
    private Task<AskingPage> Open(ServerOptions? options = null, AnswerQueue.Answerer? answer = null) =>
        AskingPage.Open(browser, workspace.Model, options, answer);

    private static Task Until(AskingPage asked, string selector, string text) =>
        asked.Page.Until($"document.querySelector('{selector}').innerText.includes('{text}')");

    [Fact]
    public async Task What_is_wrong_stands_in_one_sentence_where_it_belongs_and_goes_when_it_is_mended()
    {
        await using var asked = await Open(new ServerOptions { MostBytes = 1 << 20, MostPixels = 1_000_000 });
        await asked.Page.Click("#go");
        Assert.Equal("There is no picture yet; choose, drop or paste one.", await asked.Text("#ask-error"));
        await asked.Page.ChooseFile("#file", asked.Write(Encoding.UTF8.GetBytes("a letter"), "letter.txt"));
        await Until(asked, "#picture-error", ".");
        Assert.Equal(((await asked.Server.Ground(Encoding.UTF8.GetBytes("a letter"), "block")).Error)["image: ".Length..],
            await asked.Text("#picture-error"), ignoreCase: true);
        await asked.Page.ChooseFile("#file", asked.Write(AskingPage.Block(2000, 1000)));
        await Until(asked, "#picture-error", "this server takes 1,000,000 in all");
        await asked.Page.ChooseFile("#file", asked.Write(new byte[3 << 20], "large.dcm"));
        await Until(asked, "#picture-error", "1 MiB");
        Assert.Equal("", await asked.Text("#facts"));

        await asked.Give(AskingPage.Block(30, 20));
        Assert.Equal("", await asked.Text("#picture-error"));
        await asked.Page.Click("#go");
        Assert.Equal("There is no phrase yet; write what to find.", await asked.Text("#ask-error"));
        await asked.Ask("?!");
        Assert.Equal("The phrase has no letter and no digit, so there is nothing to look for; write what to find.",
            await asked.Text("#ask-error"));
        await asked.Ask("block");
        Assert.Equal("", await asked.Text("#ask-error"));
        Assert.Single(await asked.Boxes());
    }

    [Fact]
    public async Task A_full_server_is_told_with_the_seconds_to_wait_and_a_question_can_be_taken_back()
    {
        using var open = new ManualResetEventSlim();
        using var reached = new SemaphoreSlim(0); // a batch is being answered
        await using var asked = await Open(new ServerOptions { Queue = 1 }, (questions, cancel) =>
        {
            reached.Release();
            open.Wait(cancel);
            return AskingPage.Scripted(questions, cancel);
        });
        await asked.Give(AskingPage.Block(30, 20));
        await asked.Page.Evaluate("document.querySelector('#phrases input').value = 'block'");
        await asked.Page.Click("#go");
        Assert.True(await reached.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        await asked.Page.Until("!document.querySelector('#stop').hidden");
        await asked.Page.Click("#stop");
        await asked.Page.Until("document.querySelector('#go').ariaDisabled !== 'true'");
        Assert.Equal("", await asked.Text("#ask-error"));

        var first = asked.Server.Ground(AskingPage.Block(30, 20), "block");
        Assert.True(await reached.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        var second = asked.Server.Ground(AskingPage.Block(30, 20), "corner");
        await asked.Server.Until("pfmvg_questions_waiting", 1);
        await asked.Ask("block");
        Assert.Matches(@"^All 1 places are taken by questions that wait; ask again in \d+ seconds?\.$", await asked.Text("#ask-error"));
        open.Set();
        Assert.Equal((200, 200), ((await first).Status, (await second).Status));
    }

    [Fact]
    public async Task A_server_with_a_key_is_asked_once_the_key_is_given()
    {
        const string Key = "0123456789abcdef-page";
        await using var asked = await Open(new ServerOptions { Key = Key });
        await asked.Page.Until("!document.querySelector('#key-row').hidden");
        Assert.Contains("key", await asked.Text("#ask-error"), StringComparison.Ordinal);
        Assert.Equal("key", await asked.Page.Text("document.activeElement.id"));
        await asked.Page.Type(Key);
        await asked.Page.Press("Tab");
        await asked.Page.Until("document.querySelectorAll('#examples button').length > 0");
        await asked.Give(AskingPage.Block(30, 20));
        await asked.Ask("block");
        Assert.Single(await asked.Boxes());
        Assert.Equal("", await asked.Text("#ask-error"));
    }
}
