using System.Globalization;
using System.Runtime.InteropServices;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Tensors;
using TorchSharp;

namespace Pfmvg.Runs;

/// <summary>The CPU threads that this process computes with.</summary>
internal static partial class ComputeThreads
{
    private const string Variable = "OMP_NUM_THREADS";

    private const int OnlineProcessorsName = 84; // _SC_NPROCESSORS_ONLN

    /// <summary>Takes the configured number of threads, or this process's fair share of the machine. Loads libtorch.</summary>
    public static void Set(PfmvgConfiguration configuration, ICommunicator world)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(world);
        Libtorch.Load();
        torch.set_num_threads(configuration.Threads > 0 ? configuration.Threads
            : Wanted(Environment.GetEnvironmentVariable(Variable)) ?? FairShare(world.LocalSize));
    }

    /// <summary>A sentence for the user where OMP_NUM_THREADS decides, or where a setting overrides it; null elsewhere.</summary>
    public static string? Describe(PfmvgConfiguration configuration)
    {
        var text = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(text)) return null;
        if (configuration.Threads > 0)
            return Wanted(text) == configuration.Threads ? null
                : $"{Variable}={text} is set, but the setting threads: {configuration.Threads} holds.";
        return Wanted(text) is { } threads ? $"{Variable}={text}: computing with {threads} thread{(threads == 1 ? "" : "s")}."
            : $"warning: {Variable}={text} is no number of threads and is not followed.";
    }

    /// <summary>The number of threads in the variable's text, the outermost level of a list; null where it has none.</summary>
    internal static int? Wanted(string? text) =>
        int.TryParse(text?.Split(',')[0].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var threads)
            && threads is > 0 and <= 4096 ? threads : null;

    // A launcher may have bound this process to some cores: ProcessorCount sees that. Ranks on one machine share the rest.
    private static int FairShare(int processes) => Math.Max(1, Math.Min(Environment.ProcessorCount, OnlineProcessors() / processes));

    private static int OnlineProcessors() => (int)Math.Max(SystemConfiguration(OnlineProcessorsName), Environment.ProcessorCount);

    [LibraryImport("libc", EntryPoint = "sysconf")] private static partial nint SystemConfiguration(int name);
}
