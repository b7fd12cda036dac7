using System.Diagnostics;

namespace Pfmvg.Tests.Support;

/// <summary>
/// A program that a test started and that may run for ever. It ends, with all that it started itself, when it is disposed of, so also
/// when the test fails, and at the latest with the run of the tests. Signals have their usual effect on it, whatever the tests themselves
/// were told to ignore: what is started under nohup, or in the background of a script, would pass that on.
/// </summary>
internal sealed class StartedProcess : Process
{
    private static readonly HashSet<StartedProcess> Running = [];

    static StartedProcess() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        StartedProcess[] left;
        lock (Running) left = [.. Running];
        foreach (var process in left) process.End();
    };

    private StartedProcess(string program, IEnumerable<string> arguments)
    {
        const string Usual = "--default-signal=HUP,INT,QUIT,USR1,TERM"; // env takes the program's place, and has its number
        StartInfo = new ProcessStartInfo("env", [Usual, program, .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
    }

    /// <summary>Starts a program; what it says is there to be read.</summary>
    public static StartedProcess Heard(string program, params IEnumerable<string> arguments)
    {
        var process = new StartedProcess(program, arguments);
        lock (Running) Running.Add(process);
        process.Start();
        return process;
    }

    /// <summary>Starts a program; what it says is thrown away.</summary>
    public static StartedProcess Unheard(string program, params IEnumerable<string> arguments)
    {
        var process = Heard(program, arguments);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) End();
        base.Dispose(disposing);
    }

    private void End()
    {
        lock (Running)
            if (!Running.Remove(this)) return;
        try
        {
            Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended, or never began.
        }
    }
}
