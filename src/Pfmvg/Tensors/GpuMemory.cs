using System.Runtime.InteropServices;

namespace Pfmvg.Tensors;

/// <summary>
/// Memory of the GPUs that this process sees, as the CUDA runtime counts it that libtorch brought. Other programs on the same GPU count,
/// too. libtorch keeps what it once reserved, so what is in use at the end of a step is the most of that step.
/// </summary>
internal static unsafe class GpuMemory
{
    private static readonly Lazy<Runtime?> Loaded = new(Runtime.Find);
    private static long _peak;

    /// <summary>The most bytes in use at any call of <see cref="Note"/>; null where there was no GPU.</summary>
    public static long? Peak => Interlocked.Read(ref _peak) is > 0 and var bytes ? bytes : null;

    /// <summary>Bytes in use of the first GPU that this process sees, its own one in a job; null without a GPU.</summary>
    public static long? Note()
    {
        if (!TorchSharp.torch.cuda.is_available() || Of(0) is not { } now) return null;
        var used = now.Total - now.Free;
        if (used > Interlocked.Read(ref _peak)) Interlocked.Exchange(ref _peak, used);
        return used;
    }

    /// <summary>Free and all bytes of a GPU; null where the runtime does not say.</summary>
    /// <param name="device">Its number among those that this process sees.</param>
    public static (long Free, long Total)? Of(int device) => Loaded.Value?.Of(device);

    // The runtime has been loaded by libtorch, and loading it again by its path gives the same one.
    private sealed class Runtime(delegate* unmanaged<int*, int> getDevice, delegate* unmanaged<int, int> setDevice,
        delegate* unmanaged<nuint*, nuint*, int> memory)
    {
        public static Runtime? Find()
        {
            var path = LoadedLibraries.Find(name => name.StartsWith("libcudart", StringComparison.Ordinal));
            return path is not null && NativeLibrary.TryLoad(path, out var library)
                && NativeLibrary.TryGetExport(library, "cudaGetDevice", out var get)
                && NativeLibrary.TryGetExport(library, "cudaSetDevice", out var set)
                && NativeLibrary.TryGetExport(library, "cudaMemGetInfo", out var info)
                ? new Runtime((delegate* unmanaged<int*, int>)get, (delegate* unmanaged<int, int>)set,
                    (delegate* unmanaged<nuint*, nuint*, int>)info)
                : null;
        }

        public (long Free, long Total)? Of(int device)
        {
            int before;
            nuint free, total;
            if (getDevice(&before) != 0 || setDevice(device) != 0) return null;
            var code = memory(&free, &total);
            return setDevice(before) == 0 && code == 0 ? ((long)free, (long)total) : null;
        }
    }
}
