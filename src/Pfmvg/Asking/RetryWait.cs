using System.Globalization;
using System.Net.Http.Headers;
using Pfmvg.Configuration;

namespace Pfmvg.Asking;

/// <summary>How long to wait before a request is sent again.</summary>
internal static class RetryWait
{
    /// <summary>What a server asks for, by `retry-after-ms` or `Retry-After`; null where it says nothing that can be meant.</summary>
    public static TimeSpan? Asked(HttpResponseHeaders headers, DateTimeOffset now)
    {
        var wait = headers.TryGetValues("retry-after-ms", out var values)
            && double.TryParse(values.First(), NumberStyles.Float, CultureInfo.InvariantCulture, out var milliseconds) ? milliseconds / 1000
            : headers.RetryAfter is { } after ? after.Delta?.TotalSeconds ?? (after.Date - now)?.TotalSeconds
            : headers.TryGetValues("Retry-After", out values) // with a fraction, which the standard does not have
                && double.TryParse(values.First(), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) ? seconds : null;
        return wait is > 0 and < 1e9 and var some ? TimeSpan.FromSeconds(some) : null; // 0 would be no wait at all
    }

    /// <summary>The wait before a further try: what the server asks for, else twice as long each time; neither beyond the limit.</summary>
    /// <param name="asked">What the server asks for.</param>
    /// <param name="attempt">The try that failed, from 0.</param>
    /// <param name="settings">First and longest wait.</param>
    /// <param name="random">Spreads the tries of several requests.</param>
    public static TimeSpan Of(TimeSpan? asked, int attempt, AskSettings settings, CounterRandom random)
    {
        var seconds = asked?.TotalSeconds ?? settings.Wait * Math.Pow(2, attempt) * (0.75 + 0.5 * random.NextDouble());
        return TimeSpan.FromSeconds(Math.Min(seconds, settings.LongestWait));
    }
}
