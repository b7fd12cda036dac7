using Pfmvg.Cli.Output;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Process;

/// <summary>Runs a command's work on all the processes that were started together.</summary>
internal static class Job
{
    // Long enough for rank 0 to write a checkpoint.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Runs a command that computes, in a session on the console.</summary>
    /// <param name="read">Reads the configuration.</param>
    /// <param name="advice">Printed at the first interrupt: what happens now.</param>
    /// <param name="work">The work; returns the exit code.</param>
    /// <param name="needsBase">False where the base weights are no part of the model; null stands for true.</param>
    public static int Run(
        Func<PfmvgConfiguration> read, string advice, Func<Session, int> work, Func<PfmvgConfiguration, bool>? needsBase = null)
    {
        using var interrupt = new Interrupt(advice); // before the processes meet, which takes its time
        using var display = new TerminalDisplay();
        return Run(world =>
        {
            interrupt.Token.ThrowIfCancellationRequested();
            var configuration = read();
            return work(new Session(configuration, world, display, needsBase?.Invoke(configuration) ?? true, interrupt.Token));
        });
    }

    /// <summary>
    /// Runs the work and returns its exit code. When one rank fails, its message is printed and the whole job ends at once. When the
    /// ranks have agreed to stop after an interrupt, they leave together.
    /// </summary>
    public static int Run(Func<ICommunicator, int> work)
    {
        var world = Communicator.Start();
        try
        {
            var code = work(world);
            world.Dispose();
            return code;
        }
        catch (OperationCanceledException) when (world.Size > 1)
        {
            world.Leave(ExitCode.Interrupted, Patience);
            throw;
        }
        catch (Exception exception) when (world.Size > 1)
        {
            var failure = Failure.From(exception);
            world.Abort(failure.Code, failure.Text);
            throw;
        }
    }
}
