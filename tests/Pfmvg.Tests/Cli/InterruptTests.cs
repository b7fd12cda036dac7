using System.Runtime.InteropServices;
using Pfmvg.Cli.Process;

namespace Pfmvg.Tests.Cli;

public sealed partial class InterruptTests
{
    // SIGINT and SIGTERM would end the test run itself.
    [Fact]
    public void A_signal_asks_for_an_orderly_end()
    {
        const int UserSignal1 = 10;
        using var interrupt = new Interrupt("stopping after this step.");
        Assert.False(interrupt.Token.IsCancellationRequested);
        Assert.Equal(0, Kill(Environment.ProcessId, UserSignal1));
        Assert.True(interrupt.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(20)));
    }

    [LibraryImport("libc", EntryPoint = "kill")] private static partial int Kill(int process, int signal);
}
