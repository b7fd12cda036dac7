using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Pfmvg.Data;

/// <summary>Does work ahead of its consumer on threads of its own, and hands the results out in order.</summary>
public static class LoadAhead
{
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
        var active = workers;
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
                while (true)
                {
                    room.Wait(stop.Token);
                    TItem item;
                    var result = new TaskCompletionSource<TResult>();
                    lock (gate)
                    {
                        try
                        {
                            if (stop.IsCancellationRequested || !source.MoveNext()) break;
                            item = source.Current;
                        }
                        catch (Exception e)
                        {
                            result.SetException(e);
                            ready.Add(result.Task);
                            break;
                        }

                        ready.Add(result.Task);
                    }

                    try
                    {
                        result.SetResult(work(item, buffer));
                    }
                    catch (Exception e)
                    {
                        result.SetException(e);
                    }
                }
            }
            catch (OperationCanceledException)
            {
                // The consumer has gone.
            }

            if (Interlocked.Decrement(ref active) == 0) ready.CompleteAdding();
        }
    }
}
