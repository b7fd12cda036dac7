using Pfmvg.Planning;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Planning;

public sealed class MemoryForecastTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public MemoryForecastTests() => Write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 5 kB\n");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_a_limit_it_is_the_machines_memory() =>
        Assert.Equal((16_384_000_000, "this machine"), MemoryForecast.Limit(_folder.Path));

    [Theory]
    [InlineData("0::/slurm/job_1/step_0", "sys/fs/cgroup/slurm/job_1/memory.max")]
    [InlineData("0::/", "sys/fs/cgroup/memory.max")]
    [InlineData("0::/docker/abc", "sys/fs/cgroup/memory.max")]
    [InlineData("5:cpu:/x\n9:memory:/slurm/uid_0/job_1", "sys/fs/cgroup/memory/slurm/uid_0/memory.limit_in_bytes")]
    [InlineData("9:hugetlb,memory:/docker/abc", "sys/fs/cgroup/memory/memory.limit_in_bytes")]
    public void The_limit_of_any_folder_above_the_process_counts_in_both_versions(string groups, string file)
    {
        Write("proc/self/cgroup", groups + "\n");
        Write("sys/fs/cgroup/slurm/job_1/step_0/memory.max", "max\n");
        Write("sys/fs/cgroup/memory/slurm/uid_0/job_1/memory.limit_in_bytes", "9223372036854771712\n"); // none
        Write(file, "4000000000\n");
        Assert.Equal((4_000_000_000, $"the container or job ({Path.Combine(_folder.Path, file)})"), MemoryForecast.Limit(_folder.Path));
    }

    [Fact]
    public void More_than_there_is_is_said_with_both_figures_and_what_needs_less()
    {
        Assert.Null(MemoryForecast.Sentence(2, 10, 10, "x"));
        var said = MemoryForecast.Sentence(2, 48_000_000_000, 24_000_000_000, "the GPU");
        Assert.Contains("stage 2 needs about 48.0 GB by 'pfmvg plan', but the GPU has 24.0 GB", said, StringComparison.Ordinal);
        Assert.Contains("stage2.batch_size", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(48, 80, 80, null)]
    [InlineData(48, 48, 80, null)]
    [InlineData(48, 47, 80, "but only 47.0 GB of the GPU's 80.0 GB are free (other programs hold 33.0 GB)")]
    [InlineData(81, 80, 80, "but the GPU has 80.0 GB")]
    [InlineData(81, 3, 80, "but the GPU has 80.0 GB")]
    public void What_other_programs_hold_of_a_gpu_is_not_there_for_a_training(int needed, int free, int total, string? says)
    {
        const long Gigabyte = 1_000_000_000;
        var said = MemoryForecast.OnGpu(1, needed * Gigabyte, free * Gigabyte, total * Gigabyte);
        Assert.Equal(says is null, said is null);
        if (says is null) return;
        Assert.Contains($"stage 1 needs about {needed}.0 GB by 'pfmvg plan', {says}", said, StringComparison.Ordinal);
        Assert.EndsWith("model.language.quantized: true.", said, StringComparison.Ordinal);
    }

    private void Write(string path, string text)
    {
        var full = Path.Combine(_folder.Path, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }
}
