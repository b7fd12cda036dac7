using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Pfmvg.Imaging;

namespace Pfmvg;

/// <summary>Does work ahead of its consumer on threads of its own, and hands the results out in order.</summary>
internal static class LoadAhead
{
    /// <summary>As the other overload, with a worker on every core and room for a thousand small results.</summary>
    internal static IEnumerable<TResult> InOrder<TItem, TResult>(
        IEnumerable<TItem> items, Func<TItem, DecodeBuffer, TResult> work, CancellationToken cancel) =>
        InOrder(items, work, Environment.ProcessorCount, 1000, cancel);

    /// <summary>
    /// Results in the order of the items, whatever the number of workers. At most <paramref name="ahead"/> items are taken
    /// before their results are wanted, which bounds the memory. An exception of the work is thrown in its place in the
    /// order; when the consumer stops early, the workers finish what they have begun and end.
    /// </summary>
    /// <param name="items">Taken one by one, on whichever worker's thread, never by two at a time.</param>
    /// <param name="work">Called on a worker's thread with memory that is that worker's own.</param>
    /// <param name="workers">Threads; at least 1.</param>
    /// <param name="ahead">Results that may wait; at least 1.</param>
    /// <param name="cancel">Ends the waiting of the consumer.</param>
    public static IEnumerable<TResult> InOrder<TItem, TResult>(
        IEnumerable<TItem> items, Func<TItem, DecodeBuffer, TResult> work, int workers, int ahead, CancellationToken cancel = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ahead, 1);
        using var source = items.GetEnumerator();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var room = new SemaphoreSlim(ahead);
        using var ready = new BlockingCollection<Task<TResult>>(); // in order; room bounds it
        var gate = new Lock();
        var threads = Enumerable.Range(0, workers).Select(i => new Thread(Work) { IsBackground = true, Name = $"load ahead {i}" }).ToList();
        foreach (var thread in threads) thread.Start();
        try
        {
            foreach (var result in ready.GetConsumingEnumerable(cancel))
            {
                TResult value;
                try
                {
                    result.Wait(cancel);
                    value = result.Result;
                }
                catch (AggregateException e)
                {
                    ExceptionDispatchInfo.Throw(e.InnerException!);
                    throw;
                }

                room.Release();
                yield return value;
            }
        }
        finally
        {
            stop.Cancel();
            foreach (var thread in threads) thread.Join();
        }

        void Work()
        {
            var buffer = new DecodeBuffer();
            try
            {
                while (Next() is { } next)
                {
                    try
                    {
                        next.Result.SetResult(work(next.Item, buffer));
                    }
                    catch (Exception e)
                    {
                        next.Result.SetException(e);
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // The items are at their end, or the consumer has gone.
            }
        }

        // The next item and where its result goes; the results stand in the order in which the items were taken.
        (TItem Item, TaskCompletionSource<TResult> Result)? Next()
        {
            room.Wait(stop.Token);
            lock (gate)
            {
                if (stop.IsCancellationRequested) return null;
                var result = new TaskCompletionSource<TResult>();
                try
                {
                    if (source.MoveNext())
                    {
                        ready.Add(result.Task, CancellationToken.None);
                        return (source.Current, result);
                    }
                }
                catch (Exception e)
                {
                    result.SetException(e);
                    ready.Add(result.Task, CancellationToken.None);
                }

                ready.CompleteAdding();
                stop.Cancel(); // for those that wait for room
                return null;
            }
        }
    }
}
