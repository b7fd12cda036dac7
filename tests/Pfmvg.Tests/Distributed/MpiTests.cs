using System.Diagnostics;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Distributed;

[Trait("Category", "Mpi")]
public class MpiTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Processes_started_together_sum_broadcast_and_gather(int processes)
    {
        // checks every kind of exchange itself
        var result = Shell.RunMpi(["-x", "TERM=xterm", "-n", $"{processes}", "dotnet", Shell.Pfmvg, "doctor"]);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Contains($"{processes} processes; 76.3 MiB summed", result.Output, StringComparison.Ordinal);
        Assert.All(Enumerable.Range(0, processes),
            rank => Assert.Contains($"rank {rank}: process", result.Output, StringComparison.Ordinal));
        Assert.DoesNotContain("FAILED", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', result.Output); // .NET greets a terminal, and mpirun pretends to be one
    }

    [Fact]
    public void One_rank_that_fails_ends_the_job_with_its_message_and_exit_code()
    {
        var clock = Stopwatch.StartNew();
        var result = Shell.RunMpi(["-n", "1", "dotnet", Shell.Pfmvg, "doctor", ":", "-n", "1", "dotnet", Shell.Pfmvg, "doctor", "--config",
            "/none.yaml"]);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("rank 1: error: The configuration /none.yaml does not exist.", result.Error, StringComparison.Ordinal);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void A_rank_that_is_killed_ends_the_job()
    {
        var clock = Stopwatch.StartNew();
        var result = Shell.RunMpi(["-n", "1", "dotnet", Shell.Pfmvg, "doctor", ":", "-n", "1", "sh", "-c", "sleep 2; kill -9 $$"]);
        Assert.NotEqual(0, result.ExitCode);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(30));
    }
}
