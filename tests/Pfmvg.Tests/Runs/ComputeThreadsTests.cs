using Pfmvg.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

public sealed class ComputeThreadsTests
{
    [Theory]
    [InlineData("1", 1)]
    [InlineData(" 3 ", 3)]
    [InlineData("4,2", 4)]
    [InlineData("0", null)]
    [InlineData("-1", null)]
    [InlineData("many", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void The_variable_means_its_outermost_number(string? text, int? threads) => Assert.Equal(threads, ComputeThreads.Wanted(text));

    [Fact]
    public void The_variable_is_followed()
    {
        var result = Shell.Run("env", ["OMP_NUM_THREADS=1", "dotnet", Shell.Pfmvg, "doctor"]);
        var line = result.Output.Split('\n').First(line => line.StartsWith("threads", StringComparison.Ordinal));
        Assert.Equal("1", line["threads".Length..].Trim());
    }
}
