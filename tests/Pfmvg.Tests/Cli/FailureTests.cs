using System.Runtime.InteropServices;
using Pfmvg.Cli.Process;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Cli;

public sealed class FailureTests
{
    [Fact]
    public void Memory_that_is_full_is_told_with_what_needs_less()
    {
        var refused = Assert.ThrowsAny<ExternalException>(() => empty([1L << 50], ScalarType.Float32));
        var failure = Failure.From(refused);
        Assert.Equal(ExitCode.Failure, failure.Code);
        Assert.StartsWith("error: the memory of the machine is full", failure.Text, StringComparison.Ordinal);
        Assert.Contains("pfmvg plan", failure.Text, StringComparison.Ordinal);
        Assert.Equal(2, failure.Text.Split('\n').Length);
    }

    [Fact]
    public void A_full_GPU_is_named_as_such()
    {
        var failure = Failure.From(new FromLibtorch(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 39.39 GiB.\nException raised from malloc"));
        Assert.StartsWith("error: the memory of the GPU is full (CUDA out of memory. Tried to allocate 2.00 GiB", failure.Text,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_GPU_there_is_no_figure_of_its_memory()
    {
        if (cuda.is_available()) Assert.NotNull(GpuMemory.Note());
        else Assert.Null(GpuMemory.Note());
        Assert.Equal(cuda.is_available(), GpuMemory.Peak is not null);
    }

    private sealed class FromLibtorch(string message) : ExternalException(message);
}
