namespace Pfmvg.Cli.Output;

/// <summary>
/// When long work says a line where no terminal shows it: at each tenth and at its end, and in any case when it has said nothing for half
/// a minute.
/// </summary>
/// <param name="clock">The time.</param>
/// <param name="tenths">False for work that is repeated often: only the time counts.</param>
internal sealed class ProgressLines(TimeProvider clock, bool tenths = true)
{
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(30);

    private (long Done, long All, DateTimeOffset Said) _last = (long.MaxValue, 0, default);

    /// <summary>Whether a line is due.</summary>
    /// <param name="done">Pieces of work that are done; fewer than before, or of another number in all, is other work.</param>
    /// <param name="all">Pieces in all.</param>
    public bool IsDue(long done, long all)
    {
        var now = clock.GetUtcNow();
        if (done < _last.Done || all != _last.All) _last = (0, all, now);
        var due = now - _last.Said >= LongestSilence
            || tenths && done > _last.Done && (done == all || 10 * done / all > 10 * _last.Done / all);
        if (due) _last = (done, all, now);
        return due;
    }
}
