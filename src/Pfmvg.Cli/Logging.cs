using System.Globalization;
using Serilog;
using Serilog.Core;
using Serilog.Events;

namespace Pfmvg.Cli;

/// <summary>Sets up the log: messages on the console and, with times, in a file of the run folder.</summary>
/// <remarks>
/// From the level Information up no message holds a phrase, a report, an answer or a patient's or study's identifier;
/// Debug, which `--verbose` turns on, may.
/// </remarks>
internal static class Logging
{
    /// <summary>Opens the log; dispose of it at the end.</summary>
    /// <param name="file">Text log to append to; null for the console alone.</param>
    /// <param name="verbose">Debug messages, too.</param>
    /// <param name="rank">Rank of this process; only rank 0 says more than warnings.</param>
    public static Logger Open(string? file = null, bool verbose = false, int rank = 0)
    {
        var log = new LoggerConfiguration()
            .MinimumLevel.Is(rank > 0 ? LogEventLevel.Warning : verbose ? LogEventLevel.Debug : LogEventLevel.Information)
            .WriteTo.Sink(new TerminalSink(rank));
        if (file is not null)
        {
            log = log.WriteTo.File(
                file, formatProvider: CultureInfo.InvariantCulture, fileSizeLimitBytes: 64 << 20, rollOnFileSizeLimit: true, retainedFileCountLimit: 2,
                outputTemplate: "{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} {Level:u3} {Message:lj}{NewLine}{Exception}");
        }

        return log.CreateLogger();
    }

    private sealed class TerminalSink(int rank) : ILogEventSink
    {
        public void Emit(LogEvent logEvent)
        {
            var text = logEvent.RenderMessage(CultureInfo.InvariantCulture);
            var from = rank > 0 ? $"rank {rank}: " : "";
            Terminal.Standard.Message(from + logEvent.Level switch
            {
                LogEventLevel.Information => text,
                LogEventLevel.Warning => $"warning: {text}",
                LogEventLevel.Error or LogEventLevel.Fatal => $"error: {text}",
                _ => $"debug: {text}",
            });
        }
    }
}
