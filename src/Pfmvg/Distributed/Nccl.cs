using System.Runtime.InteropServices;
using Pfmvg.Tensors;

namespace Pfmvg.Distributed;

/// <summary>NVIDIA's library for sums between GPUs, as its 2.x binaries export it. It was never run.</summary>
internal sealed unsafe class Nccl : IDisposable
{
    /// <summary>ncclFloat32 and ncclSum.</summary>
    internal const int Float32 = 7, Sum = 0;

    private readonly delegate* unmanaged<int, byte*> _errorText;
    private readonly delegate* unmanaged<Id*, int> _newId;
    private readonly delegate* unmanaged<nint*, int, Id, int, int> _join;
    private readonly delegate* unmanaged<void*, void*, nuint, int, int, nint, nint, int> _allReduce;
    private readonly delegate* unmanaged<nint, int> _leave;
    private readonly Func<nint> _stream;
    private nint _group;

    /// <summary>Finds the functions.</summary>
    /// <param name="function">The address of a function by its name; throws when there is none.</param>
    /// <param name="stream">The CUDA stream that the gradients are computed in.</param>
    internal Nccl(Func<string, nint> function, Func<nint> stream)
    {
        _errorText = (delegate* unmanaged<int, byte*>)function("ncclGetErrorString");
        _newId = (delegate* unmanaged<Id*, int>)function("ncclGetUniqueId");
        _join = (delegate* unmanaged<nint*, int, Id, int, int>)function("ncclCommInitRank");
        _allReduce = (delegate* unmanaged<void*, void*, nuint, int, int, nint, nint, int>)function("ncclAllReduce");
        _leave = (delegate* unmanaged<nint, int>)function("ncclCommDestroy");
        _stream = stream;
    }

    /// <summary>The library beside libtorch_cuda, that of the system, or the symbols in libtorch_cuda; null where none is found.</summary>
    public static Nccl? Load()
    {
        var torch = LoadedLibraries.Find(name => name.StartsWith("libtorch_cuda.so", StringComparison.Ordinal));
        string[] places = torch is null ? ["libnccl.so.2"]
            : [Path.Combine(Path.GetDirectoryName(torch)!, "libnccl.so.2"), "libnccl.so.2", torch];
        foreach (var place in places)
            if (NativeLibrary.TryLoad(place, out var library) && NativeLibrary.TryGetExport(library, "ncclCommInitRank", out _))
                return new Nccl(name => NativeLibrary.GetExport(library, name), CurrentStream());
        return null;
    }

    /// <summary>Joins all ranks, each with the GPU that it computes on; all of them call it.</summary>
    /// <exception cref="InvalidOperationException">NCCL refused; the message is its own.</exception>
    public void Join(ICommunicator world)
    {
        Id id;
        if (world.Rank == 0) Check(_newId(&id), "ncclGetUniqueId");
        world.Broadcast(new Span<byte>(&id, sizeof(Id)));
        nint group;
        Check(_join(&group, world.Size, id, world.Rank), "ncclCommInitRank");
        _group = group;
    }

    /// <summary>Sums float32 values over the ranks where they lie in the GPU's memory, behind all work that was queued before.</summary>
    /// <exception cref="InvalidOperationException">NCCL refused.</exception>
    public void AllReduceSum(nint address, long count) => Check(
        _allReduce((void*)address, (void*)address, (nuint)count, Float32, Sum, _group, _stream()), "ncclAllReduce");

    /// <summary>Leaves the group; all ranks do.</summary>
    public void Dispose()
    {
        if (_group != 0) _ = _leave(_group);
        _group = 0;
    }

    private void Check(int code, string what)
    {
        if (code != 0) throw new InvalidOperationException($"{what}: {Marshal.PtrToStringUTF8((nint)_errorText(code))}");
    }

    // The stream that libtorch computes in; 0, the default one, where it does not say. Two words are returned in registers.
    private static Func<nint> CurrentStream()
    {
        var path = LoadedLibraries.Find(name => name.StartsWith("libc10_cuda.so", StringComparison.Ordinal));
        if (path is null || !NativeLibrary.TryLoad(path, out var library)
            || !NativeLibrary.TryGetExport(library, "_ZN3c104cuda20getCurrentCUDAStreamEa", out var current)
            || !NativeLibrary.TryGetExport(library, "_ZNK3c104cuda10CUDAStream6streamEv", out var handle)) return () => 0;
        return () =>
        {
            var stream = ((delegate* unmanaged<sbyte, (long, long)>)current)(-1); // of the current device
            return ((delegate* unmanaged<(long, long)*, nint>)handle)(&stream);
        };
    }

    /// <summary>ncclUniqueId.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    internal struct Id
    {
        /// <summary>The first of 128 bytes.</summary>
        public byte First;
    }
}
