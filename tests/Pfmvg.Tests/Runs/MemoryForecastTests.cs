using Pfmvg.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

public sealed class MemoryForecastTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public MemoryForecastTests() => Write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 5 kB\n");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_a_limit_it_is_the_machines_memory() =>
        Assert.Equal((16_384_000_000, "this machine"), MachineMemory.Limit(_folder.Path));

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
        Assert.Equal((4_000_000_000, $"the container or job ({Path.Combine(_folder.Path, file)})"), MachineMemory.Limit(_folder.Path));
    }

    [Fact]
    public void What_is_available_is_the_machines_where_nothing_limits_it()
    {
        Assert.Equal(0, MachineMemory.Available(_folder.Path)); // an old kernel does not say
        Write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 5 kB\nMemAvailable:    3000000 kB\n");
        Assert.Equal(3_072_000_000, MachineMemory.Available(_folder.Path));
    }

    [Theory]
    [InlineData("0::/slurm/job_1", "sys/fs/cgroup/slurm/job_1", "memory.max", "memory.current", "")]
    [InlineData("9:memory:/docker/abc", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_")]
    public void Below_a_limit_files_in_memory_count_as_available(string groups, string folder, string limit, string used, string prefix)
    {
        Write("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 15000000 kB\n");
        Write("proc/self/cgroup", groups + "\n");
        Write($"{folder}/{limit}", "4000000000\n");
        Assert.Equal(15_360_000_000, MachineMemory.Available(_folder.Path)); // how much of it is used is not known
        Write($"{folder}/{used}", "3000000000\n");
        Assert.Equal(1_000_000_000, MachineMemory.Available(_folder.Path));
        Write($"{folder}/memory.stat", $"anon 5\n{prefix}inactive_file 700000000\n{prefix}active_file 100000000\n");
        Assert.Equal(1_800_000_000, MachineMemory.Available(_folder.Path));
        Write($"{folder}/{used}", "5000000000\n"); // a limit that was lowered
        Write($"{folder}/memory.stat", "");
        Assert.Equal(1, MachineMemory.Available(_folder.Path));
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
