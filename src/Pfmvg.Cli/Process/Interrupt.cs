using System.Globalization;
using System.Runtime.InteropServices;
using Pfmvg.Cli.Output;

namespace Pfmvg.Cli.Process;

/// <summary>
/// Turns the first SIGINT, SIGTERM (Slurm's pre-emption), SIGUSR1 (its early warning) or SIGHUP (a closed terminal) into a cancelled
/// token, so that the work can end in order. A second SIGINT ends the process at once. Where nothing would be lost, so does the first
/// signal after a moment of grace, since native code and long loops hear no token.
/// </summary>
internal sealed partial class Interrupt : IDisposable
{
    /// <summary>How long work without anything to save may take to end in order: it removes its own files then.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(500);

    private const PosixSignal UserSignal1 = (PosixSignal)10; // by number: .NET has no name for it

    private static readonly TimeSpan LongestLeave = TimeSpan.FromSeconds(10);

    private static PosixSignalRegistration[] _registrations = [];
    private static volatile bool _leaving;
    private static Interrupt? _current;

    private readonly string _advice;
    private readonly CancellationTokenSource _source = new();
    private volatile bool _ended, _losesNothing;
    private IReadOnlyList<int> _peers = [];

    /// <summary>Starts to listen.</summary>
    /// <param name="advice">Printed at the first signal: what happens now.</param>
    /// <param name="losesNothing">The process may end while it works, after <see cref="Grace"/>.</param>
    public Interrupt(string advice, bool losesNothing = false)
    {
        (_advice, _losesNothing) = (advice, losesNothing);
        Volatile.Write(ref _current, this);
        Listen();
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Every rank of the job hears a signal that one of them gets.</summary>
    public bool ReachesAll { get; private set; } = true;

    /// <summary>
    /// Listens for commands that save nothing and wait for nothing: a signal ends them at once, with the exit code of an interrupt. A
    /// command that has more to do makes an <see cref="Interrupt"/> of its own.
    /// </summary>
    public static void Listen()
    {
        if (_registrations.Length > 0) return;
        List<PosixSignal> signals = [PosixSignal.SIGINT, PosixSignal.SIGTERM, UserSignal1];
        if (!IgnoresHangup()) signals.Add(PosixSignal.SIGHUP);
        _registrations = [.. signals.Select(signal => PosixSignalRegistration.Create(signal, Handle))];

        static void Handle(PosixSignalContext context)
        {
            context.Cancel = true; // do not end the process
            if (Volatile.Read(ref _current) is { } current) current.Hear(context.Signal);
            else EndNow();
        }
    }

    /// <summary>From here on the process may end while it works: all that it worked out is on the disk.</summary>
    /// <exception cref="OperationCanceledException">A signal has come already.</exception>
    public static void LoseNothing()
    {
        if (Volatile.Read(ref _current) is not { } current) return;
        current._losesNothing = true;
        current.Token.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// Hands the first signal on to the other ranks on this machine, so that none of them waits for one that has left.
    /// </summary>
    /// <param name="ranks">Machine and process of every rank, as <see cref="Self"/> tells them.</param>
    public void HandOnTo(IReadOnlyList<string> ranks)
    {
        var others = ranks.Where(rank => rank != Self).Select(rank => rank.Split(' ')).ToList();
        // A number may be another program's where ranks have process numbers of their own, as in containers.
        _peers = [.. others.Where(rank => rank[0] == Environment.MachineName)
            .Select(rank => int.Parse(rank[1], CultureInfo.InvariantCulture))
            .Where(process => CommandOf($"{process}") is { Length: > 0 } command && command == CommandOf("self"))];
        ReachesAll = _peers.Count == others.Count;
    }

    /// <summary>This process, for <see cref="HandOnTo"/>.</summary>
    public static string Self => $"{Environment.MachineName} {Environment.ProcessId}";

    /// <summary>
    /// Says that the work is done and the process about to end. The signals are still handled: when another rank received one first,
    /// a signal that arrives now must not turn an orderly end into a crash. A SIGINT still ends the process at once.
    /// </summary>
    public void Dispose() => _ended = true;

    private void Hear(PosixSignal signal)
    {
        if (_ended || _source.IsCancellationRequested)
        {
            if (signal == PosixSignal.SIGINT) EndAtOnce(ExitCode.Interrupted);
            return;
        }

        Terminal.Standard.Message($"interrupted: {_advice} Interrupt again (Ctrl-C) to leave at once.");
        _source.Cancel();
        foreach (var process in _peers) _ = Send(process, (int)UserSignal1);
        // A thread of its own: those of the pool may all be at work.
        new Thread(EndAfterGrace) { IsBackground = true, Priority = ThreadPriority.AboveNormal }.Start();
    }

    // Asked again and again: the work may come to where nothing is lost after the signal.
    private void EndAfterGrace()
    {
        for (var waited = TimeSpan.Zero; !_ended; waited += Grace / 5)
        {
            if (_losesNothing && waited >= Grace) EndNow();
            Thread.Sleep(Grace / 5);
        }
    }

    /// <summary>What fails while the process is being ended by a signal is of no interest: its files are removed under its hands.</summary>
    public static void WaitIfLeaving()
    {
        if (_leaving) Thread.Sleep(LongestLeave);
    }

    private static void EndNow()
    {
        _leaving = true;
        var said = new Thread(() => Terminal.Standard.Message("interrupted")) { IsBackground = true };
        said.Start();
        said.Join(Grace); // a pipe that nobody reads must not hold it up
        Leftovers.RemoveAll();
        EndAtOnce(ExitCode.Interrupted);
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

    private static string? CommandOf(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // Environment.Exit would wait for other threads, which may be deep in native code.
    [LibraryImport("libc", EntryPoint = "_exit")] private static partial void EndAtOnce(int code);

    [LibraryImport("libc", EntryPoint = "kill")] private static partial int Send(int process, int signal);
}
