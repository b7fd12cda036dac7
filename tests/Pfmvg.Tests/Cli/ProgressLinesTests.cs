using Pfmvg.Cli.Output;

namespace Pfmvg.Tests.Cli;

public sealed class ProgressLinesTests
{
    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }

    [Theory]
    [InlineData(73, 1)]
    [InlineData(73, 8)]
    [InlineData(5, 1)]
    [InlineData(100_000, 64)]
    public void Quick_work_says_a_line_at_each_tenth_and_at_its_end(int all, int batch)
    {
        var lines = new ProgressLines(new Clock());
        var said = Reports(all, batch).Where(done => lines.IsDue(done, all)).ToList();
        Assert.Equal(all, said[^1]);
        Assert.InRange(said.Count, Math.Min(5, (all + batch - 1) / batch), 10);
        Assert.Equal(said.Count, said.Select(done => 10 * done / all).Distinct().Count());
        // Work of the same size that begins anew says the same.
        Assert.Equal(said, Reports(all, batch).Where(done => lines.IsDue(done, all)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Slow_work_is_never_silent_for_long(bool tenths)
    {
        var clock = new Clock();
        var lines = new ProgressLines(clock, tenths);
        var last = clock.Now;
        foreach (var done in Reports(2000, 1))
        {
            clock.Now += TimeSpan.FromSeconds(9);
            if (lines.IsDue(done, 2000)) last = clock.Now;
            Assert.InRange(clock.Now - last, TimeSpan.Zero, TimeSpan.FromSeconds(30 + 9));
        }
    }

    [Fact]
    public void Work_that_is_repeated_often_says_nothing_while_it_is_quick()
    {
        var lines = new ProgressLines(new Clock(), tenths: false);
        Assert.DoesNotContain(Enumerable.Range(0, 20).SelectMany(_ => Reports(73, 8)), done => lines.IsDue(done, 73));
    }

    private static IEnumerable<int> Reports(int all, int batch) =>
        Enumerable.Range(1, (all + batch - 1) / batch).Select(number => Math.Min(all, number * batch));
}
