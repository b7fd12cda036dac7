using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// A frozen matrix W (O, I) in another type than it is stored in, part by part. A part stays in the cache while it is multiplied; the next
/// one takes over its memory.
/// </summary>
/// <param name="weight">(O, I) in bfloat16 or int8, contiguous, on the CPU.</param>
/// <param name="scale">(O) by which rows of int8 are multiplied; null where the whole numbers themselves are wanted.</param>
/// <param name="type">float32, or bfloat16 for whole numbers themselves, which are exact in it.</param>
internal sealed unsafe class WidenedMatrix(Tensor weight, Tensor? scale, ScalarType type)
{
    private const long PartBytes = 16 << 20;
    private const long Multiple = 32;   // rows or columns of a part
    private const int PieceRows = 32;   // that a thread widens at a time
    private const int FetchedAhead = 4; // rows, where only a few columns of each are wanted, which the processor does not foresee
    private const int Line = 64;

    // Used again and again: new memory for every product would leave holes of its size between the tensors that are kept, and its pages
    // would be cleared each time.
    [ThreadStatic] private static Tensor? _buffer;

    private readonly long _most = PartBytes / TensorTypes.Size(type), _rows = weight.shape[0], _columns = weight.shape[1];

    /// <summary>Calls <paramref name="use"/> with the first row and the values (rows, I) of each part.</summary>
    public void Rows(Action<long, Tensor> use)
    {
        using var scope = NewDisposeScope();
        var count = Count(_columns);
        for (var first = 0L; first < _rows; first += count) Use(use, first, Part(first, Math.Min(count, _rows - first), 0, _columns));
    }

    /// <summary>Calls <paramref name="use"/> with the first column and the values (O, columns) of each part.</summary>
    public void Columns(Action<long, Tensor> use)
    {
        using var scope = NewDisposeScope();
        var count = Count(_rows);
        for (var first = 0L; first < _columns; first += count) Use(use, first, Part(0, _rows, first, Math.Min(count, _columns - first)));
    }

    private static void Use(Action<long, Tensor> use, long first, Tensor part)
    {
        using var scope = NewDisposeScope();
        use(first, part);
    }

    private long Count(long length) => Math.Max(Multiple, _most / length / Multiple * Multiple);

    private Tensor Part(long firstRow, long rows, long firstColumn, long columns)
    {
        var part = Memory(rows * columns);
        var (size, targetSize, whole) = (TensorTypes.Size(weight.dtype), TensorTypes.Size(type), weight.dtype == ScalarType.Int8);
        var from = TensorMemory.Address(weight) + (firstRow * _columns + firstColumn) * size;
        var to = TensorMemory.Address(part);
        var scales = scale is null ? null : (float*)TensorMemory.Address(scale) + firstRow;
        ThreadTeam.Run(get_num_threads(), (rows + PieceRows - 1) / PieceRows, piece =>
        {
            for (var row = piece * PieceRows; row < Math.Min(rows, (piece + 1) * PieceRows); row++)
            {
                var place = from + row * _columns * size;
                if (columns < _columns && row + FetchedAhead < rows)
                    for (var at = 0L; at < columns * size; at += Line) ThinVectors.Fetch(place + FetchedAhead * _columns * size + at);
                var stored = new ReadOnlySpan<byte>(place, (int)columns * size);
                var values = new Span<byte>(to + row * columns * targetSize, (int)columns * targetSize);
                if (!whole) FloatBlocks.Convert(stored, ScalarType.BFloat16, values, ScalarType.Float32);
                else if (scales is null) Whole(MemoryMarshal.Cast<byte, sbyte>(stored), MemoryMarshal.Cast<byte, ushort>(values));
                else FrozenMatrix.Widen(MemoryMarshal.Cast<byte, sbyte>(stored), scales[row], MemoryMarshal.Cast<byte, float>(values));
            }
        });
        GC.KeepAlive(weight);
        GC.KeepAlive(scale);
        return part.view(rows, columns);
    }

    private Tensor Memory(long length)
    {
        if (_buffer is null || _buffer.dtype != type || _buffer.numel() < length)
        {
            _buffer?.Dispose();
            _buffer = empty(Math.Max(length, _most), type).DetachFromDisposeScope();
        }

        return _buffer.narrow(0, 0, length);
    }

    // A bfloat16 is the upper half of a float32, whose lower half is empty for so small a whole number.
    private static void Whole(ReadOnlySpan<sbyte> whole, Span<ushort> values)
    {
        var at = 0;
        for (; at <= whole.Length - Vector<sbyte>.Count; at += Vector<sbyte>.Count)
        {
            Vector.Widen(new Vector<sbyte>(whole[at..]), out var low, out var high);
            UpperHalves(low).CopyTo(values[at..]);
            UpperHalves(high).CopyTo(values[(at + Vector<short>.Count)..]);
        }

        for (; at < whole.Length; at++) values[at] = (ushort)(BitConverter.SingleToUInt32Bits(whole[at]) >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<ushort> UpperHalves(Vector<short> whole)
    {
        Vector.Widen(whole, out var low, out var high);
        return Vector.Narrow(Vector.AsVectorUInt32(Vector.ConvertToSingle(low)) >> 16,
            Vector.AsVectorUInt32(Vector.ConvertToSingle(high)) >> 16);
    }
}
