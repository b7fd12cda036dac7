using System.Runtime.InteropServices;
using Pfmvg.Models.Kernels;

namespace Pfmvg.Cli.Process;

/// <summary>How the native libraries use the machine.</summary>
internal static partial class NativeSetup
{
    private const int TrimThreshold = -1, MmapThreshold = -3; // M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    private const int LargestMmapThreshold = 32 << 20;        // glibc refuses more

    /// <summary>
    /// Makes glibc keep freed pieces of memory below 32 MiB instead of returning them and asking for new ones at every step: the first
    /// access to new memory is slow. Call before anything else; does not load libtorch. glibc's own variable takes precedence: with
    /// MALLOC_MMAP_THRESHOLD_=65536 every freed tensor is returned at once, so that the peak is the memory of live tensors.
    /// </summary>
    public static void KeepFreedMemory()
    {
        if (Environment.GetEnvironmentVariable("MALLOC_MMAP_THRESHOLD_") is not null) return;
        try
        {
            _ = SetMallocOption(MmapThreshold, LargestMmapThreshold);
            _ = SetMallocOption(TrimThreshold, int.MaxValue);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library, as on Alpine, has no such option.
        }
    }

    /// <summary>
    /// Lets OpenMP's idle threads spin for half a millisecond instead of several: long enough to bridge the gap to the next operation of
    /// a training step, short enough to leave the core to our own threads (products of few rows) in decoding. Where float32 products are
    /// our own, both kinds of threads take turns all the time, so it is a tenth of that. A server's do not spin: its requests need the
    /// cores meanwhile. Call before libtorch is loaded; OpenMP's own variables take precedence.
    /// </summary>
    /// <param name="serving">Requests are answered beside the model.</param>
    public static void ShortenIdleSpinning(bool serving)
    {
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null)
            _ = SetEnvironment("GOMP_SPINCOUNT", serving ? "0" : Float32Products.Recognised() ? "1000" : "10000", overwrite: 0);
    }

    /// <summary>Chooses this process's GPU and the way its memory is managed. Call before libtorch is loaded.</summary>
    public static void PrepareGpu() => GpuSetup.Apply((name, value) =>
    {
        Environment.SetEnvironmentVariable(name, value);
        _ = SetEnvironment(name, value, overwrite: 1);
    });

    /// <summary>
    /// .NET computes SHA-256 with OpenSSL and ends the process where a system has none. A release brings a copy for such
    /// systems, beside the program; .NET finds it because it is loaded under the name that .NET asks for. Call before
    /// anything is hashed.
    /// </summary>
    public static void LoadOpenSslWhereMissing()
    {
        const string Crypto = "libcrypto.so.3", Ssl = "libssl.so.3";
        var copy = Path.Combine(AppContext.BaseDirectory, Ssl);
        if (!File.Exists(copy) || NativeLibrary.TryLoad(Ssl, out _)) return;
        NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, Crypto)); // what the other one needs
        NativeLibrary.Load(copy);
    }

    // .NET's own method changes a copy of the environment, which native libraries do not see.
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);

    [LibraryImport("libc", EntryPoint = "mallopt")] private static partial int SetMallocOption(int option, int value);
}
