using Pfmvg.Distributed;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Distributed;

public class CommunicatorTests
{
    [Fact]
    public void A_process_on_its_own_is_the_whole_world()
    {
        using var world = new SingleProcess();
        Assert.Equal((0, 1, 0, 1), (world.Rank, world.Size, world.LocalRank, world.LocalSize));
        float[] values = [1, 2];
        world.AllReduceSum(values.AsSpan());
        Assert.Equal([1, 2], values);
        Assert.Equal(["text"], world.Gather("text"));
        Assert.Equal("text", world.Broadcast("text"));
        world.RequireSame("anything", "text");
    }

    [Fact]
    public void Several_processes_that_cannot_be_connected_are_refused_in_a_sentence()
    {
        // As srun without PMIx: it says that there are four, and nothing connects them.
        var result = Shell.Run("dotnet", [Shell.Pfmvg, "doctor"], environment: ("SLURM_STEP_NUM_TASKS", "4"));
        Assert.Equal(2, result.ExitCode);
        Assert.Matches("4 processes were started together, but .*(srun --mpi=pmix|install it)", result.Error);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }
}
