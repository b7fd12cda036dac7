using System.Globalization;
using Serilog;
using Serilog.Core;

namespace Pfmvg.Runs.Records;

/// <summary>
/// The text log of a run folder: what the user was told, with the time, and how the run failed, with all details. No phrase,
/// report, answer or patient identifier belongs in a message.
/// </summary>
/// <param name="path">The file, which is opened when the run folder is ready.</param>
/// <param name="tell">Shows a message to the user.</param>
internal sealed class TextLog(string path, Action<string> tell) : IDisposable
{
    private const int LargestFile = 64 << 20;

    private List<string>? _early = [];

    private readonly Lazy<Logger> _file = new(() => new LoggerConfiguration()
        .WriteTo.File(
            path, formatProvider: CultureInfo.InvariantCulture, fileSizeLimitBytes: LargestFile, rollOnFileSizeLimit: true,
            retainedFileCountLimit: 2,
            outputTemplate: "{Timestamp:yyyy-MM-dd HH:mm:ss.fff zzz} {Level:u3} {Message:lj}{NewLine}{Exception}")
        .CreateLogger());

    /// <summary>Tells the user and writes it down.</summary>
    public void Tell(string text)
    {
        tell(text);
        text = ForeignText.Message(text);
        if (_early is not null) _early.Add(text);
        else _file.Value.Information("{Text}", text);
    }

    /// <summary>Opens the file, now that the run folder is this run's, and writes down what was told before.</summary>
    public void Open()
    {
        foreach (var text in _early ?? []) _file.Value.Information("{Text}", text);
        _early = null;
    }

    /// <summary>Writes down how the run failed; the user gets one sentence from elsewhere.</summary>
    public void Note(Exception failure)
    {
        if (_early is not null) return; // it failed before it was a run
        if (failure is InputException or OperationCanceledException) _file.Value.Error("{Text}", failure.Message);
        else _file.Value.Error("{Text}", ForeignText.Message($"{failure}"));
    }

    public void Dispose()
    {
        if (_file.IsValueCreated) _file.Value.Dispose();
    }
}
