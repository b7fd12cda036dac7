using Pfmvg.Cli.Output;

namespace Pfmvg.Tests.Cli;

public class TerminalTests
{
    [Theory]
    [InlineData("RO\u001b[31mCO", @"RO\u001b[31mCO")]
    [InlineData("a\u202eb\u2066c\u0085", @"a\u202eb\u2066c\u0085")]
    [InlineData("Ärzte, 左\n\tnext", "Ärzte, 左\n\tnext")]
    public void Characters_that_a_terminal_obeys_are_written_out_and_all_others_stay(string text, string shown) =>
        Assert.Equal(shown, Terminal.Visible(text));
}
