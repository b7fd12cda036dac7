using System.Globalization;
using Serilog;
using Serilog.Core;

namespace Pfmvg.Cli.Output;

/// <summary>
/// What a run tells its user, on the console and, with the time, in the text log of its folder; how it failed goes into the file
/// with all details. No phrase, report, answer or patient's identifier belongs into a message.
/// </summary>
/// <param name="file">The text log. It is opened by the first message, when the run folder has been made ready.</param>
internal sealed class RunLog(string file) : IDisposable
{
    private readonly Lazy<Logger> _file = new(() => new LoggerConfiguration()
        .WriteTo.File(
            file, formatProvider: CultureInfo.InvariantCulture, fileSizeLimitBytes: 64 << 20, rollOnFileSizeLimit: true,
                retainedFileCountLimit: 2,
            outputTemplate: "{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} {Level:u3} {Message:lj}{NewLine}{Exception}")
        .CreateLogger());

    /// <summary>Tells the user.</summary>
    public void Tell(string text)
    {
        Terminal.Standard.Message(text);
        _file.Value.Information("{Text}", text);
    }

    /// <summary>Notes how the run failed, in the file alone: the console gets one sentence from elsewhere.</summary>
    public void Note(Exception failure)
    {
        if (!_file.IsValueCreated) return; // it failed before it was a run
        if (failure is InputException or OperationCanceledException) _file.Value.Error("{Text}", failure.Message);
        else _file.Value.Error(failure, "{Text}", failure.Message);
    }

    public void Dispose()
    {
        if (_file.IsValueCreated) _file.Value.Dispose();
    }
}
