using System.Runtime.InteropServices;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using TorchSharp;

namespace Pfmvg.Cli;

/// <summary>How the native libraries use the machine.</summary>
internal static partial class NativeSetup
{
    private const int TrimThreshold = -1, MmapThreshold = -3; // M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    private const int LargestMmapThreshold = 32 << 20;        // glibc refuses more

    /// <summary>
    /// Tells glibc to keep freed memory below 32 MiB a piece instead of giving it back and asking for it again at every step: first
    /// touches are slow. Call before anything else; does not load libtorch.
    /// </summary>
    public static void KeepFreedMemory()
    {
        try
        {
            _ = SetMallocOption(MmapThreshold, LargestMmapThreshold);
            _ = SetMallocOption(TrimThreshold, int.MaxValue);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library, as on Alpine: it decides for itself.
        }
    }

    /// <summary>
    /// Lets threads that wait for work sleep instead of spinning, unless the user says otherwise: on a shared machine a spinning
    /// thread takes the core from the one that it waits for. OpenMP reads it when libtorch is loaded, so call before that; .NET's own
    /// environment does not reach it.
    /// </summary>
    public static void LetIdleThreadsSleep() => _ = SetEnvironment("OMP_WAIT_POLICY", "passive", overwrite: 0);

    /// <summary>Sets the CPU threads of this process: those that are asked for, else its fair share of the machine. Loads libtorch.</summary>
    public static void SetThreads(PfmvgConfiguration configuration, ICommunicator world) =>
        torch.set_num_threads(configuration.Threads > 0 ? configuration.Threads : FairShare(world.LocalSize));

    // A launcher may have bound this process to some cores (ProcessorCount sees that), and ranks on one machine share the rest.
    private static int FairShare(int processes) => Math.Max(1, Math.Min(Environment.ProcessorCount, OnlineProcessors() / processes));

    private static int OnlineProcessors()
    {
        const int Online = 84; // _SC_NPROCESSORS_ONLN
        return (int)Math.Max(SystemConfiguration(Online), Environment.ProcessorCount);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)] private static partial int SetEnvironment(string name, string value, int overwrite);

    [LibraryImport("libc", EntryPoint = "mallopt")] private static partial int SetMallocOption(int option, int value);

    [LibraryImport("libc", EntryPoint = "sysconf")] private static partial nint SystemConfiguration(int name);
}
