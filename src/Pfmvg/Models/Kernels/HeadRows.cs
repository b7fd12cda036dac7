using System.Runtime.InteropServices;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// The heads of a (B, H, T, D) tensor, one at a time as a float32 matrix (T, D): the tensor's own memory, or, where it is bfloat16, a copy
/// of that head alone, so that nothing of the whole tensor's size is needed beside it.
/// </summary>
internal sealed unsafe class HeadRows
{
    private readonly Tensor _plain; // keeps the memory alive
    private readonly byte* _first;
    private readonly long[] _shape, _stride;

    /// <summary>The heads of a tensor in float32 or bfloat16; one whose last dimension has gaps is copied and can only be read.</summary>
    public HeadRows(Tensor tensor)
    {
        _plain = tensor.detach();
        if (_plain.stride()[3] != 1) _plain = _plain.contiguous();
        (_shape, _stride) = (_plain.shape, _plain.stride());
        using var corner = _plain.narrow(0, 0, 1).narrow(1, 0, 1).narrow(2, 0, 1);
        fixed (byte* first = corner.bytes) _first = first;
    }

    /// <summary>Heads of all rows.</summary>
    public long Count => _shape[0] * _shape[1];

    /// <summary>A head as it lies there, if it is bfloat16.</summary>
    public NarrowRows Narrow(long number) => new((nint)First(number), _stride[2], (int)_shape[3]);

    /// <summary>A head to be read.</summary>
    public Head Read(long number) => new(this, number, writes: false);

    /// <summary>A head of zeros to be added to; it has its values when it is disposed.</summary>
    public Head Write(long number) => new(this, number, writes: true);

    private byte* First(long number) =>
        _first + (number / _shape[1] * _stride[0] + number % _shape[1] * _stride[1]) * _plain.ElementSize;

    /// <summary>One head.</summary>
    internal sealed class Head : IDisposable
    {
        private readonly HeadRows _all;
        private readonly byte* _first;
        private readonly float* _copy;
        private readonly bool _writes;

        public Head(HeadRows all, long number, bool writes)
        {
            (_all, _writes) = (all, writes);
            _first = all.First(number);
            if (all._plain.dtype != ScalarType.Float32)
                _copy = (float*)NativeMemory.AlignedAlloc((nuint)(Rows * Width * sizeof(float)), 64);
            Matrix = _copy is null ? new((nint)_first, all._stride[2], 1) : new((nint)_copy, Width, 1);
            for (var row = 0; row < Rows; row++)
                if (writes) Values(row).Clear();
                else if (_copy is not null) FloatBlocks.Convert(Narrow(row), ScalarType.BFloat16, Bytes(row), ScalarType.Float32);
        }

        /// <summary>In float32.</summary>
        public Strided Matrix { get; }

        private int Rows => (int)_all._shape[2];

        private int Width => (int)_all._shape[3];

        /// <inheritdoc/>
        public void Dispose()
        {
            if (_copy is null) return;
            for (var row = 0; _writes && row < Rows; row++)
                FloatBlocks.Convert(Bytes(row), ScalarType.Float32, Narrow(row), ScalarType.BFloat16);
            NativeMemory.AlignedFree(_copy);
        }

        private Span<float> Values(int row) => new(Matrix.At(row, 0), Width);

        private Span<byte> Bytes(int row) => MemoryMarshal.AsBytes(Values(row));

        private Span<byte> Narrow(int row) => new(_first + row * _all._stride[2] * sizeof(ushort), Width * sizeof(ushort));
    }
}
