using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Pfmvg.Tensors;

/// <summary>Receives the bytes of a tensor piece by piece.</summary>
internal delegate void ByteSink(ReadOnlySpan<byte> bytes);

/// <summary>A tensor's elements as bytes. TorchSharp's spans end at 2 GiB; these do not.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>The first byte of a contiguous CPU tensor; null when it has no elements. Keep the tensor alive while you use it.</summary>
    public static byte* Address(Tensor tensor)
    {
        var elements = tensor.numel();
        if (elements == 0) return null;
        if (!tensor.requires_grad && elements * tensor.ElementSize < int.MaxValue)
            fixed (byte* first = tensor.bytes) return first; // native memory: it stays where it is after the pin is gone
        using var scope = NewDisposeScope();
        fixed (byte* first = tensor.detach().view(-1).narrow(0, 0, 1).bytes) return first;
    }

    /// <summary>The first byte of a contiguous tensor in the memory of its own device, as libtorch names it.</summary>
    public static nint DeviceAddress(Tensor tensor) => Data.Value(tensor.Handle);

    // TorchSharp has the call and keeps it to itself.
    private static readonly Lazy<Func<nint, nint>> Data = new(() =>
    {
        var library = NativeLibrary.Load(LoadedLibraries.Find(name => name == "libLibTorchSharp.so")!);
        var data = (delegate* unmanaged<nint, nint>)NativeLibrary.GetExport(library, "THSTensor_data");
        return handle => data(handle);
    });

    /// <summary>Hands out the tensor's elements in row-major order, from any device and layout.</summary>
    public static void Write(Tensor tensor, ByteSink sink)
    {
        using var scope = NewDisposeScope();
        var plain = tensor.detach().cpu().contiguous();
        var first = Address(plain);
        var bytes = plain.numel() * plain.ElementSize;
        for (long at = 0; at < bytes; at += Chunks.Size)
            sink(new ReadOnlySpan<byte>(first + at, (int)Math.Min(Chunks.Size, bytes - at)));
        GC.KeepAlive(plain);
    }
}
