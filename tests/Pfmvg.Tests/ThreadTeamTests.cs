using System.Runtime.CompilerServices;

namespace Pfmvg.Tests;

public sealed class ThreadTeamTests
{
    [Fact]
    public async Task Every_piece_is_done_once_before_the_call_returns()
    {
        // Several callers at once, pauses that let the helpers fall asleep, more and fewer pieces than threads.
        await Task.WhenAll(Enumerable.Range(0, 4).Select(caller => Task.Run(() =>
        {
            for (var round = 0; round < 3000; round++)
            {
                var done = new int[round % 7];
                ThreadTeam.Run(1 + round % 4, done.Length, piece => done[piece]++);
                Assert.All(done, times => Assert.Equal(1, times));
                if (round % 500 == caller) Thread.Sleep(2);
            }
        }, TestContext.Current.CancellationToken)));
    }

    [Fact]
    public void Nothing_that_the_work_captured_is_held_when_it_is_done()
    {
        var held = Sum(new int[100]);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.False(held.IsAlive);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference Sum(int[] captured)
        {
            ThreadTeam.Run(2, captured.Length, piece => captured[piece]++);
            Assert.All(captured, count => Assert.Equal(1, count));
            return new WeakReference(captured);
        }
    }
}
