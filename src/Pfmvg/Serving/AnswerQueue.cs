using System.Diagnostics;

namespace Pfmvg.Serving;

/// <summary>
/// Questions that wait, and the one thread that answers them: those that wait together are answered together. The places are bounded, so
/// that whoever comes when all are taken is told at once, and a place is free as soon as nobody waits for its answer.
/// </summary>
internal sealed class AnswerQueue : IDisposable
{
    /// <summary>Answers questions of one manner; cancelled when nobody waits for any of them.</summary>
    public delegate IReadOnlyList<ServedAnswer> Answerer(IReadOnlyList<Question> questions, CancellationToken cancel);

    private const double LongestGathering = 0.1; // seconds

    private readonly object _gate = new();
    private readonly List<Question> _waiting = [];
    private readonly List<Question> _running = []; // those of them for which somebody waits
    private readonly Answerer _answer;
    private readonly Thread _thread;
    private readonly int _capacity, _batch;
    private CancellationTokenSource? _stop;        // of the batch that is being answered
    private bool _closed;
    private double _secondsPerQuestion = 0.1;
    private (long Until, int Questions) _gather;   // how long, and for how many

    /// <summary>Starts the thread.</summary>
    /// <param name="answer">Answers a batch, always on the same thread.</param>
    /// <param name="capacity">Questions that may wait.</param>
    /// <param name="batch">Questions that are answered together at most.</param>
    public AnswerQueue(Answerer answer, int capacity, int batch)
    {
        (_answer, _capacity, _batch) = (answer, capacity, batch);
        _thread = new Thread(Work) { IsBackground = true, Name = "answers" };
        _thread.Start();
    }

    /// <summary>Questions that may wait.</summary>
    public int Capacity => _capacity;

    /// <summary>Questions that wait for their turn now.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate) return _waiting.Count;
        }
    }

    /// <summary>Batches that were answered.</summary>
    public long Batches { get; private set; }

    /// <summary>Questions in them.</summary>
    public long Answered { get; private set; }

    /// <summary>About how long a question that comes now would wait for a place.</summary>
    public TimeSpan Wait
    {
        get
        {
            lock (_gate) return TimeSpan.FromSeconds(_secondsPerQuestion * (_waiting.Count + _running.Count));
        }
    }

    /// <summary>True when no question is accepted any more.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate) return _closed;
        }
    }

    /// <summary>Lets questions wait, all or none of them.</summary>
    /// <returns>False when there are too few places, or the queue is closed.</returns>
    public bool TryAdd(IReadOnlyList<Question> questions)
    {
        lock (_gate)
        {
            if (_closed || _waiting.Count + questions.Count > _capacity) return false;
            _waiting.AddRange(questions);
            Monitor.Pulse(_gate);
        }

        foreach (var question in questions) // outside: who has left already is withdrawn here and now
        {
            var left = question.Gone.UnsafeRegister(_ => Withdraw(question), null);
            question.Answer.ContinueWith(_ => left.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
        }

        return true;
    }

    /// <summary>Accepts no more questions. Those that wait are answered.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Closes the queue and waits until everything in it is answered.</summary>
    public void Dispose()
    {
        Close();
        _thread.Join();
    }

    private void Withdraw(Question question)
    {
        CancellationTokenSource? stop = null;
        lock (_gate)
        {
            _waiting.Remove(question);
            if (_running.Remove(question) && _running.Count == 0) stop = _stop;
            stop?.Cancel(); // nothing runs on it but a look before the next token
        }

        question.Cancel();
    }

    private void Work()
    {
        while (Take() is { } batch) Answer(batch);
    }

    /// <summary>The questions that are next: the one that waits longest, and others that can be answered with it.</summary>
    private List<Question>? Take()
    {
        lock (_gate)
        {
            while (_waiting.Count == 0)
            {
                if (_closed) return null;
                Monitor.Wait(_gate);
            }

            // Who was answered asks again at once. A moment's wait for them fills the batch: one of 16 takes little longer than one of 8.
            while (_waiting.Count < _gather.Questions && !_closed
                && Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), _gather.Until) is { Ticks: > 0 } left && Monitor.Wait(_gate, left))
            {
            }

            if (_waiting.Count == 0) return Take(); // all of them have gone meanwhile
            _gather = default;
            var first = _waiting[0];
            List<Question> batch = [.. _waiting.Where(question => question.Manner == first.Manner).Take(_batch)];
            _waiting.RemoveAll(batch.Contains);
            return batch;
        }
    }

    private void Count(int questions, TimeSpan elapsed)
    {
        lock (_gate)
        {
            var moment = Math.Min(elapsed.TotalSeconds / 4, LongestGathering);
            _gather = (Stopwatch.GetTimestamp() + (long)(moment * Stopwatch.Frequency), Math.Min(_batch, _waiting.Count + questions));
            (Batches, Answered) = (Batches + 1, Answered + questions);
            _secondsPerQuestion += (elapsed.TotalSeconds / questions - _secondsPerQuestion) / 8;
        }
    }

    private void Answer(List<Question> batch)
    {
        using var stop = new CancellationTokenSource();
        lock (_gate)
        {
            _running.Clear();
            _running.AddRange(batch.Where(question => !question.Gone.IsCancellationRequested));
            _stop = stop;
            if (_running.Count == 0) return;
        }

        try
        {
            var began = Stopwatch.GetTimestamp();
            var answers = _answer(batch, stop.Token);
            Count(batch.Count, Stopwatch.GetElapsedTime(began));
            foreach (var (question, answer) in batch.Zip(answers)) question.Resolve(answer);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Nobody waits.
        }
        catch (Exception) when (batch.Count > 1)
        {
            foreach (var question in batch) Answer([question]); // one of them is to blame, and is to be the only one that suffers
        }
        catch (Exception reason)
        {
            batch[0].Fail(reason);
        }
        finally
        {
            lock (_gate)
            {
                _running.Clear();
                _stop = null;
            }
        }
    }
}
