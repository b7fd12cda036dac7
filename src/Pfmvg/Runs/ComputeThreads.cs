using System.Runtime.InteropServices;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Tensors;
using TorchSharp;

namespace Pfmvg.Runs;

/// <summary>The CPU threads that this process computes with.</summary>
internal static partial class ComputeThreads
{
    private const int OnlineProcessorsName = 84; // _SC_NPROCESSORS_ONLN

    /// <summary>Takes the configured number of threads, or this process's fair share of the machine. Loads libtorch.</summary>
    public static void Set(PfmvgConfiguration configuration, ICommunicator world)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(world);
        Libtorch.Load();
        torch.set_num_threads(configuration.Threads > 0 ? configuration.Threads : FairShare(world.LocalSize));
    }

    // A launcher may have bound this process to some cores: ProcessorCount sees that. Ranks on one machine share the rest.
    private static int FairShare(int processes) => Math.Max(1, Math.Min(Environment.ProcessorCount, OnlineProcessors() / processes));

    private static int OnlineProcessors() => (int)Math.Max(SystemConfiguration(OnlineProcessorsName), Environment.ProcessorCount);

    [LibraryImport("libc", EntryPoint = "sysconf")] private static partial nint SystemConfiguration(int name);
}
