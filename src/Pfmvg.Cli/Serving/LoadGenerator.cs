using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Pfmvg.Cli.Serving;

/// <summary>What clients saw of a server for a while.</summary>
/// <param name="Answered">Requests that were answered.</param>
/// <param name="Refused">Requests that were sent away because no place was free; their client asked again.</param>
/// <param name="Failed">Requests with any other end.</param>
/// <param name="Seconds">How long the clients asked.</param>
/// <param name="Latencies">Seconds of each answered request, ascending.</param>
internal sealed record LoadReading(long Answered, long Refused, long Failed, double Seconds, IReadOnlyList<double> Latencies)
{
    /// <summary>Answers per second.</summary>
    public double Rate => Answered / Seconds;

    /// <summary>The time within which this share of the requests was answered.</summary>
    public double Within(double share) => Latencies.Count == 0 ? 0 : Latencies[(int)Math.Ceiling(share * Latencies.Count) - 1];
}

/// <summary>Clients that each ask one phrase after the other.</summary>
/// <param name="address">The server.</param>
/// <param name="questions">Pictures and phrases, asked in turn.</param>
/// <param name="unseen">Makes every picture a new one to the server each time that its turn comes, by a few bytes behind its end.</param>
internal sealed class LoadGenerator(string address, IReadOnlyList<(string Picture, string Phrase)> questions, bool unseen)
{
    private readonly Dictionary<string, byte[]> _pictures =
        questions.Select(question => question.Picture).Distinct().ToDictionary(path => path, File.ReadAllBytes);
    private long _next = -1;

    /// <summary>Asks for a while.</summary>
    public async Task<LoadReading> Ask(int clients, TimeSpan time, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        var results = await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(() => Client(clock, time, cancel), cancel)));
        return new LoadReading(results.Sum(r => (long)r.Latencies.Count), results.Sum(r => r.Refused), results.Sum(r => r.Failed),
            clock.Elapsed.TotalSeconds, [.. results.SelectMany(r => r.Latencies).Order()]);
    }

    private async Task<(List<double> Latencies, long Refused, long Failed)> Client(Stopwatch clock, TimeSpan time, CancellationToken cancel)
    {
        using var http = new HttpClient();
        List<double> latencies = [];
        var (refused, failed) = (0L, 0L);
        while (clock.Elapsed < time)
        {
            var number = Interlocked.Increment(ref _next);
            var (picture, phrase) = questions[(int)(number % questions.Count)];
            var began = Stopwatch.GetTimestamp();
            using var form = Form(_pictures[picture], phrase, number / questions.Count);
            using var answer = await http.PostAsync($"{address}/v1/ground", form, cancel);
            await answer.Content.ReadAsByteArrayAsync(cancel);
            if (answer.IsSuccessStatusCode) latencies.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
            else if (answer.StatusCode == HttpStatusCode.TooManyRequests)
            {
                refused++;
                await Task.Delay(answer.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(1), cancel);
            }
            else failed++;
        }

        return (latencies, refused, failed);
    }

    private MultipartFormDataContent Form(byte[] picture, string phrase, long turn)
    {
        var file = new ByteArrayContent(unseen ? [.. picture, .. BitConverter.GetBytes(turn)] : picture);
        file.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        return new MultipartFormDataContent
        {
            { file, "image", "picture" },
            { new ByteArrayContent(Encoding.UTF8.GetBytes(phrase)), "phrase" },
        };
    }
}
