using Pfmvg.Distributed;

namespace Pfmvg.Cli.Process;

/// <summary>Runs a command's work on all the processes that were started together.</summary>
internal static class Job
{
    // Long enough for rank 0 to write a checkpoint.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

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
            var failure = Failure.Of(exception);
            world.Abort(failure.Code, failure.Text);
            throw;
        }
    }
}
