using System.Globalization;

namespace Pfmvg.Cli.Process;

/// <summary>Which GPU this process sees, and how its memory is managed. Everything here must happen before libtorch is loaded.</summary>
internal static class GpuSetup
{
    private const string Visible = "CUDA_VISIBLE_DEVICES", Drivers = "/proc/driver/nvidia/gpus";

    // What Open MPI, Slurm and other launchers call the number of a process on its machine.
    private static readonly string[] LocalRankNames = ["OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID", "MPI_LOCALRANKID"];

    // libtorch's name for the setting, and the older one, which a user may still have.
    private const string Allocator = "PYTORCH_ALLOC_CONF", OldAllocator = "PYTORCH_CUDA_ALLOC_CONF";

    /// <summary>
    /// Lets a process that a launcher started see its own GPU only, so that no rank holds memory on another one's. Lets the CUDA
    /// allocator grow its pieces, which wastes less memory where lengths change from step to step; the user's own setting stays.
    /// </summary>
    /// <param name="setEnvironment">Sets a variable where native libraries see it, too.</param>
    public static void Apply(Action<string, string> setEnvironment)
    {
        var rank = LocalRankNames.Select(Environment.GetEnvironmentVariable)
            .Select(text => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : (int?)null)
            .FirstOrDefault(number => number is not null);
        var installed = Directory.Exists(Drivers) ? Directory.GetDirectories(Drivers).Length : 0;
        if (rank is { } local && OwnDevice(local, Environment.GetEnvironmentVariable(Visible), installed) is { } own)
            setEnvironment(Visible, own);
        if (Environment.GetEnvironmentVariable(Allocator) is null && Environment.GetEnvironmentVariable(OldAllocator) is null)
            setEnvironment(Allocator, "expandable_segments:True");
    }

    /// <summary>The one GPU for a process; null leaves things as they are.</summary>
    /// <param name="localRank">Number of the process on its machine.</param>
    /// <param name="visible">CUDA_VISIBLE_DEVICES as the user or the launcher set it; null when nobody did.</param>
    /// <param name="installed">GPUs of the machine.</param>
    public static string? OwnDevice(int localRank, string? visible, int installed)
    {
        var devices = visible is null
            ? [.. Enumerable.Range(0, installed).Select(device => device.ToString(CultureInfo.InvariantCulture))]
            : visible.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return devices.Length > 1 ? devices[localRank % devices.Length] : null;
    }
}
