using Pfmvg.Cli.Output;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Process;

/// <summary>Runs a command's work on all the processes that were started together.</summary>
internal static class Job
{
    // Long enough for rank 0 to write a checkpoint; where none is written, the others come at once or not at all.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2), WithoutCheckpoint = TimeSpan.FromSeconds(5);

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
        Session? session = null;
        return Run(world =>
        {
            interrupt.Token.ThrowIfCancellationRequested();
            var configuration = read();
            session = new Session(configuration, world, display, needsBase?.Invoke(configuration) ?? true, interrupt.Token)
            {
                SignalsReachAll = interrupt.ReachesAll,
            };
            return work(session);
        }, interrupt, () => session is { IsSaving: true } ? Patience : WithoutCheckpoint);
    }

    /// <summary>
    /// Runs the work and returns its exit code. When one rank fails, its message is printed and the whole job ends at once. When the
    /// ranks have agreed to stop after an interrupt, they leave together.
    /// </summary>
    /// <param name="work">The work; returns the exit code.</param>
    /// <param name="interrupt">Hears the signals; null where the first one ends the process.</param>
    /// <param name="patience">How long an interrupted rank waits for the others.</param>
    public static int Run(Func<ICommunicator, int> work, Interrupt? interrupt = null, Func<TimeSpan>? patience = null)
    {
        var world = Communicator.Start();
        try
        {
            if (world.Size > 1 && interrupt is not null)
            {
                var ranks = world.Gather(Interrupt.Self);
                interrupt.HandOnTo(world.FromRankZero(() => ranks));
            }

            var code = work(world);
            world.Dispose();
            return code;
        }
        catch (OperationCanceledException) when (world.Size > 1)
        {
            world.Leave(ExitCode.Interrupted, patience?.Invoke() ?? WithoutCheckpoint);
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
