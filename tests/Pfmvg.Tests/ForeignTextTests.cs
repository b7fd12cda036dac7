using Pfmvg.Cli.Output;
using Spectre.Console;

namespace Pfmvg.Tests;

public sealed class ForeignTextTests
{
    private const string Rich = "Ärzte, 左 🩻, نص, e\u0301\u200d";

    // Every character that can steer a terminal or turn a line, and some that cannot.
    private static readonly string Hostile = string.Concat(Enumerable.Range(0, 0x3000).Select(code => (char)code).Where(
        c => c is not ('\n' or '\t'))) + "\e[2J\e]0;title\a\u009b31m" + Rich;

    [Theory]
    [InlineData("RO\u001b[31mCO", @"RO\u001b[31mCO")]
    [InlineData("a\u202eb\u2066c\u0085", @"a\u202eb\u2066c\u0085")]
    [InlineData("a\rb\r\nc\u2028d", "a\\u000db\r\nc\\u2028d")]
    [InlineData(Rich + "\n\tnext", Rich + "\n\tnext")]
    public void Characters_that_a_terminal_obeys_are_written_out_and_all_others_stay(string text, string shown) =>
        Assert.Equal(shown, ForeignText.Escape(text));

    [Fact]
    public void What_is_shown_holds_nothing_that_is_obeyed_and_is_shown_the_same_again()
    {
        foreach (var show in (Func<string, string>[])[ForeignText.Escape, ForeignText.Quote, ForeignText.Message])
        {
            foreach (var piece in Hostile.Chunk(100)) // short enough to be shown whole, written out or not
            {
                var shown = show(new string(piece));
                Assert.DoesNotContain(shown, ForeignText.IsObeyed);
                Assert.Equal(shown, show(shown));
            }
        }

        Assert.All(Hostile.Where(ForeignText.IsObeyed), c =>
            Assert.Contains($"\\u{(int)c:x4}", ForeignText.Escape(Hostile), StringComparison.Ordinal));
    }

    [Fact]
    public void Text_of_any_length_is_quoted_in_one_bounded_line_with_its_beginning_and_its_end()
    {
        foreach (var piece in (string[])["x", "\n", "\e[2J", "🩻", "\r\n"])
        {
            var text = "begin" + string.Concat(Enumerable.Repeat(piece, 1 << 20)) + "end";
            var quoted = ForeignText.Quote(text);
            Assert.InRange(quoted.Length, 1, 6 * ForeignText.LongestQuote); // each written out as six
            Assert.DoesNotContain('\n', quoted);
            Assert.StartsWith("begin", quoted, StringComparison.Ordinal);
            Assert.EndsWith("end", quoted, StringComparison.Ordinal);
            Assert.DoesNotContain('\ufffd', System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(quoted)));
            Assert.InRange(ForeignText.Message(text).Length, 1, 6 * ForeignText.LongestLine * ForeignText.MostLines);
        }

        Assert.Equal(ForeignText.MostLines + 1, ForeignText.Message(string.Concat(Enumerable.Repeat("x\n", 100_000))).Split('\n').Length);
    }

    [Fact]
    public void A_name_cannot_add_a_line_to_the_sentence_that_refuses_it()
    {
        var name = "a\nerror: everything is lost\e[8m" + new string('x', 1 << 20);
        InputException[] all = [new($"{name}: is wrong; mend it."), new($"{name}: is wrong; mend it.", new IOException())];
        foreach (var refused in all)
        {
            Assert.Single(refused.Message.Split('\n'));
            Assert.DoesNotContain(refused.Message, ForeignText.IsObeyed);
            Assert.EndsWith(": is wrong; mend it.", refused.Message, StringComparison.Ordinal);
            Assert.InRange(refused.Message.Length, 1, 7000);
        }

        Assert.Equal("one\n  two", new InputException("one\n  two").Message); // lists of errors keep their lines
        var (count, share) = (7, 0.25);
        Assert.Equal($"{count,4}|{count,-4}|{share:f3}", new InputException($"{count,4}|{count,-4}|{share:f3}").Message);
    }

    [Fact]
    public void The_last_door_lets_nothing_through_however_it_is_written()
    {
        var text = new StringWriter();
        using (var door = new VisibleWriter(text))
        {
            foreach (var c in Hostile) door.Write(c);
            door.Write(Hostile);
            door.Write(Hostile.ToCharArray(), 0, Hostile.Length);
            door.Write(Hostile.AsSpan());
            door.WriteLine(Hostile);
            door.WriteLine((object)Hostile);
            door.Write("{0}", Hostile);
        }

        Assert.DoesNotContain(text.ToString(), c => ForeignText.IsObeyed(c) && c != '\n');
        Assert.Contains(Rich, text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Tables_show_names_without_what_is_obeyed_and_keep_their_colours()
    {
        var text = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.Yes, ColorSystem = ColorSystemSupport.Standard,
        });
        console.Profile.Width = 200;
        (console.Profile.Capabilities.Ansi, console.Profile.Capabilities.ColorSystem) = (true, ColorSystem.Standard);
        console.Pipeline.Attach(new VisibleDrawings());
        console.Write(new Table().AddColumn("[red]name[/]").AddRow(Markup.Escape("x\e[2J\u202ey\u0007")));
        var shown = text.ToString();
        Assert.Contains(@"x\u001b[2J\u202ey\u0007", shown, StringComparison.Ordinal);
        Assert.Contains("\e[91m", shown, StringComparison.Ordinal); // red
        Assert.DoesNotContain("\e[2J", shown, StringComparison.Ordinal);
    }
}
