using Pfmvg.Cli.Process;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

public class GpuSetupTests
{
    [Theory]
    [InlineData(0, null, 4, "0")]
    [InlineData(3, null, 4, "3")]
    [InlineData(5, null, 4, "1")]        // more processes than GPUs share them
    [InlineData(1, "4,6", 8, "6")]       // the launcher's choice counts, not the machine's number
    [InlineData(1, " 4, 6 ", 8, "6")]
    [InlineData(1, "GPU-a,GPU-b", 8, "GPU-b")]
    [InlineData(2, "5", 8, null)]        // Slurm has chosen for each task
    [InlineData(0, "", 8, null)]         // GPUs are hidden on purpose
    [InlineData(0, null, 1, null)]
    [InlineData(0, null, 0, null)]
    public void A_process_sees_the_GPU_of_its_local_rank(int localRank, string? visible, int installed, string? own) =>
        Assert.Equal(own, GpuSetup.OwnDevice(localRank, visible, installed));

    [Fact, Trait("Category", "Mpi")]
    public void Ranks_that_start_together_see_different_GPUs()
    {
        var result = Shell.RunMpi(["-x", "CUDA_VISIBLE_DEVICES=4,7", "-n", "2", "dotnet", Shell.Pfmvg, "doctor"]);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Matches(@"rank 0: .*sees GPU 4\b", result.Output);
        Assert.Matches(@"rank 1: .*sees GPU 7\b", result.Output);
    }
}
