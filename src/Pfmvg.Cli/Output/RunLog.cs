using System.Globalization;
using Serilog;
using Serilog.Core;

namespace Pfmvg.Cli.Output;

/// <summary>
/// The messages of a run, on the console and, with the time, in the text log of its folder. The file also gets the details of a
/// failure. Messages must not contain a phrase, a report, an answer or a patient's identifier.
/// </summary>
/// <param name="file">The text log. The first message opens it: by then the run folder is ready.</param>
internal sealed class RunLog(string file) : IDisposable
{
    private readonly Lazy<Logger> _file = new(() => new LoggerConfiguration()
        .WriteTo.File(
            file,
            formatProvider: CultureInfo.InvariantCulture,
            fileSizeLimitBytes: 64 << 20,
            rollOnFileSizeLimit: true,
            retainedFileCountLimit: 2,
            outputTemplate: "{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} {Level:u3} {Message:lj}{NewLine}{Exception}")
        .CreateLogger());

    /// <summary>Prints a message and logs it.</summary>
    public void Tell(string text)
    {
        Terminal.Standard.Message(text);
        _file.Value.Information("{Text}", text);
    }

    /// <summary>Logs how the run failed. The console gets its sentence from <see cref="Process.Failure"/>.</summary>
    public void Note(Exception failure)
    {
        if (!_file.IsValueCreated) return; // it failed before the run began
        if (failure is InputException or OperationCanceledException) _file.Value.Error("{Text}", failure.Message);
        else _file.Value.Error(failure, "{Text}", failure.Message);
    }

    public void Dispose()
    {
        if (_file.IsValueCreated) _file.Value.Dispose();
    }
}
