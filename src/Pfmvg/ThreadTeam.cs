using System.Diagnostics;

namespace Pfmvg;

/// <summary>
/// Threads for pieces of work that follow each other within microseconds, as the products of decoding do. They stay awake for a moment
/// before they sleep; threads of the pool sleep at once, and to wake them takes as long as a small product.
/// </summary>
internal static class ThreadTeam
{
    private static readonly long Awake = Stopwatch.Frequency / 30000; // 0.03 ms
    private static readonly object Gate = new();
    private static readonly Lock Caller = new();
    private static Round? _round; // the work under way, or the last
    private static int _helpers, _sleeping;

    /// <summary>Does every piece once, in any order, on this thread and helpers; returns when all are done.</summary>
    /// <param name="threads">Threads to use, this one included.</param>
    /// <param name="pieces">Number of pieces.</param>
    /// <param name="work">Does a piece; must not throw. A caller that finds the helpers at work does all pieces itself.</param>
    public static void Run(int threads, long pieces, Action<long> work)
    {
        var round = new Round(work, pieces, Math.Max(0, (int)Math.Min(threads, pieces) - 1));
        var free = round.Helpers > 0 && Caller.TryEnter();
        try
        {
            if (free) Call(round);
            round.Work();
            if (free) round.WaitForOthers();
            round.Release();
        }
        finally
        {
            if (free) Caller.Exit();
        }
    }

    private static void Call(Round round)
    {
        for (; _helpers < round.Helpers; _helpers++)
            new Thread(Help) { IsBackground = true, Name = $"team {_helpers + 1}" }.Start(_helpers);
        Interlocked.Exchange(ref _round, round); // a full fence: a helper either sees this round or is seen asleep
        if (Volatile.Read(ref _sleeping) == 0) return;
        lock (Gate) Monitor.PulseAll(Gate);
    }

    private static void Help(object? number)
    {
        Round? last = null;
        while (true)
        {
            var since = Stopwatch.GetTimestamp();
            while (Volatile.Read(ref _round) == last && Stopwatch.GetTimestamp() - since < Awake) Thread.SpinWait(20);
            if (Volatile.Read(ref _round) == last)
            {
                lock (Gate)
                {
                    Interlocked.Increment(ref _sleeping);
                    while (Volatile.Read(ref _round) == last) Monitor.Wait(Gate);
                    Interlocked.Decrement(ref _sleeping);
                }
            }

            last = Volatile.Read(ref _round)!;
            if ((int)number! < last.Helpers) last.Help();
        }
    }

    private sealed class Round(Action<long> work, long pieces, int helpers)
    {
        private Action<long>? _work = work;
        private long _next;
        private int _inside;

        public int Helpers => helpers;

        public void Work()
        {
            for (long piece; (piece = Interlocked.Increment(ref _next) - 1) < pieces;) _work!(piece);
        }

        // A helper that comes too late finds no piece left, so that no one has to wait for it.
        public void Help()
        {
            Interlocked.Increment(ref _inside);
            Work();
            Interlocked.Decrement(ref _inside);
        }

        public void WaitForOthers()
        {
            while (Volatile.Read(ref _inside) > 0) Thread.SpinWait(1);
        }

        // The helpers remember their last round: what the work captured must not live as long. All pieces are taken by now.
        public void Release() => _work = null;
    }
}
