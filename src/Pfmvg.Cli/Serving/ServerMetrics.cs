using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Pfmvg.Serving;

namespace Pfmvg.Cli.Serving;

/// <summary>Counters for Prometheus. They hold numbers alone, nothing of what was asked.</summary>
internal sealed class ServerMetrics(AnswerQueue queue, PictureShelf shelf)
{
    private static readonly double[] Bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly ConcurrentDictionary<(string Path, int Status), long> _requests = new();
    private readonly long[] _buckets = new long[Bounds.Length + 1];
    private readonly Lock _gate = new();
    private double _seconds;
    private long _running, _retries;

    /// <summary>A request came; its client says how often it has tried before.</summary>
    public void Began(bool isRetry)
    {
        Interlocked.Increment(ref _running);
        if (isRetry) Interlocked.Increment(ref _retries);
    }

    /// <summary>A request is over.</summary>
    /// <param name="path">One of the known paths, or "other": nobody fills the table with names.</param>
    /// <param name="status">HTTP status; 499 when the client went away.</param>
    /// <param name="elapsed">From its head to the end of the answer.</param>
    public void Ended(string path, int status, TimeSpan elapsed)
    {
        Interlocked.Decrement(ref _running);
        _requests.AddOrUpdate((path, status), 1, (_, count) => count + 1);
        var seconds = elapsed.TotalSeconds;
        var bucket = Array.FindIndex(Bounds, bound => seconds <= bound);
        lock (_gate)
        {
            _buckets[bucket < 0 ? Bounds.Length : bucket]++;
            _seconds += seconds;
        }
    }

    /// <summary>All of them, in Prometheus's text format.</summary>
    public string Text()
    {
        var text = new StringBuilder();
        Head("pfmvg_requests_total", "counter", "Requests by path and status.");
        foreach (var ((path, status), count) in _requests.OrderBy(entry => entry.Key))
            text.Append(CultureInfo.InvariantCulture, $"pfmvg_requests_total{{path=\"{path}\",status=\"{status}\"}} {count}\n");
        Value("pfmvg_requests_running", "gauge", "Requests that are being served.", Interlocked.Read(ref _running));
        Value("pfmvg_retries_total", "counter", "Requests that a client sent again.", Interlocked.Read(ref _retries));
        Value("pfmvg_questions_waiting", "gauge", "Questions that wait for the model.", queue.Waiting);
        Value("pfmvg_questions_capacity", "gauge", "Questions that may wait.", queue.Capacity);
        Value("pfmvg_questions_answered_total", "counter", "Questions that the model was asked.", queue.Answered);
        Value("pfmvg_batches_total", "counter", "Batches in which it was asked.", queue.Batches);
        Value("pfmvg_pictures_ready_total", "counter", "Pictures that were found in memory.", shelf.Hits);
        Value("pfmvg_pictures_decoded_total", "counter", "Pictures that were decoded.", shelf.Misses);
        Value("process_resident_memory_bytes", "gauge", "Resident memory.", ProcessMemory.Resident);
        Head("pfmvg_request_seconds", "histogram", "Seconds from a request's head to the end of its answer.");
        lock (_gate)
        {
            long sum = 0;
            for (var i = 0; i <= Bounds.Length; i++)
                text.Append(CultureInfo.InvariantCulture,
                    $"pfmvg_request_seconds_bucket{{le=\"{(i < Bounds.Length ? $"{Bounds[i]}" : "+Inf")}\"}} {sum += _buckets[i]}\n");
            text.Append(CultureInfo.InvariantCulture, $"pfmvg_request_seconds_sum {_seconds}\npfmvg_request_seconds_count {sum}\n");
        }

        return text.ToString();

        void Head(string name, string type, string help) => text.Append($"# HELP {name} {help}\n# TYPE {name} {type}\n");

        void Value(string name, string type, string help, long value)
        {
            Head(name, type, help);
            text.Append(CultureInfo.InvariantCulture, $"{name} {value}\n");
        }
    }
}
