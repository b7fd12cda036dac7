using System.Globalization;
using System.Runtime.InteropServices;
using Pfmvg.Cli.Output;

namespace Pfmvg.Cli.Process;

/// <summary>
/// Turns the first SIGINT, SIGTERM (Slurm's pre-emption), SIGUSR1 (its early warning) or SIGHUP (a closed terminal) into a cancelled
/// token, so that the work can end in order. A second SIGINT ends the process at once.
/// </summary>
internal sealed partial class Interrupt : IDisposable
{
    private const PosixSignal UserSignal1 = (PosixSignal)10; // by number: .NET has no name for it

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;
    private volatile bool _ended;

    /// <summary>Starts to listen.</summary>
    /// <param name="advice">Printed at the first signal: what happens now.</param>
    public Interrupt(string advice)
    {
        List<PosixSignal> signals = [PosixSignal.SIGINT, PosixSignal.SIGTERM, UserSignal1];
        if (!IgnoresHangup()) signals.Add(PosixSignal.SIGHUP);
        _registrations = [.. signals.Select(signal => PosixSignalRegistration.Create(signal, Handle))];

        void Handle(PosixSignalContext context)
        {
            context.Cancel = true; // do not end the process
            if (_ended || _source.IsCancellationRequested)
            {
                if (context.Signal == PosixSignal.SIGINT) EndAtOnce(ExitCode.Interrupted);
                return;
            }

            Terminal.Standard.Message($"interrupted: {advice} Interrupt again (Ctrl-C) to leave at once.");
            _source.Cancel();
        }
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>
    /// Says that the work is done and the process about to end. The signals are still handled: when another rank received one first,
    /// a signal that arrives now must not turn an orderly end into a crash. A SIGINT still ends the process at once.
    /// </summary>
    public void Dispose()
    {
        _ended = true;
        GC.KeepAlive(_registrations);
    }

    // Under nohup the work is to outlive its terminal.
    private static bool IgnoresHangup()
    {
        const string Key = "SigIgn:";
        var line = File.Exists("/proc/self/status")
            ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal)) : null;
        return line is not null && ulong.TryParse(line[Key.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture,
            out var ignored) && (ignored & 1) != 0;
    }

    // Environment.Exit would wait for other threads, which may be deep in native code.
    [LibraryImport("libc", EntryPoint = "_exit")] private static partial void EndAtOnce(int code);
}
