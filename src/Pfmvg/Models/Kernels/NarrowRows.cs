using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Models.Kernels;

/// <summary>A bfloat16 matrix somewhere in memory whose rows have no gaps. Its copies are filled up with rows of zeros.</summary>
/// <param name="Address">Its first element.</param>
/// <param name="Row">Elements from a row to the next.</param>
/// <param name="Size">Elements of a row; even.</param>
internal readonly unsafe record struct NarrowRows(nint Address, long Row, int Size)
{
    private const int Least = 32;

    /// <summary>A row.</summary>
    public ushort* At(long row) => (ushort*)Address + row * Row;

    /// <summary>Those from a row on.</summary>
    public NarrowRows From(long row) => this with { Address = (nint)At(row) };

    /// <summary>Rows of a copy of so many.</summary>
    public static int Filled(int count) => (count + Least - 1) / Least * Least;

    /// <summary>Copies the first rows.</summary>
    public void Copy(int count, ushort* to)
    {
        for (var row = 0; row < count; row++)
            new ReadOnlySpan<ushort>(At(row), Size).CopyTo(new Span<ushort>(to + row * Size, Size));
        new Span<ushort>(to + count * Size, (Filled(count) - count) * Size).Clear();
    }

    /// <summary>Copies the first rows as <see cref="Bf16Kernel"/> takes them as a matrix B: two of them side by side.</summary>
    public void Pair(int count, ushort* to)
    {
        for (var row = 0; row < Filled(count); row += 2, to += 2 * Size)
        {
            ushort* even = At(row), odd = At(row + 1);
            if (row >= count) new Span<ushort>(to, 2 * Size).Clear();
            else if (row + 1 == count)
                for (var i = 0; i < Size; i++) (to[2 * i], to[2 * i + 1]) = (even[i], 0);
            else
            {
                var i = 0;
                for (; i + Vector256<ushort>.Count <= Size; i += Vector256<ushort>.Count)
                {
                    var low = Avx512F.ConvertToVector512UInt32(Vector256.Load(even + i));
                    (low | (Avx512F.ConvertToVector512UInt32(Vector256.Load(odd + i)) << 16)).Store((uint*)(to + 2 * i));
                }

                for (; i < Size; i++) (to[2 * i], to[2 * i + 1]) = (even[i], odd[i]);
            }
        }
    }

    /// <summary>Copies the first rows as the kernel takes them as the columns of a matrix B, so many of them for each.</summary>
    public void Turn(int count, int panel, ushort* to)
    {
        for (var first = 0; first < count; first += panel)
        {
            var (known, width) = (Math.Min(panel, count - first), Filled(Math.Min(panel, count - first)));
            var pairs = (uint*)(to + first * Size);
            if (known < width) new Span<uint>(pairs, width * Size / 2).Clear();
            Transpose((uint*)At(first), Row, known, Size / 2, pairs, width);
        }
    }

    /// <summary>to[column, row] = from[row, column]; rows lie next numbers of 16 bits apart, and width of 32 bits.</summary>
    public static void Transpose(uint* from, long next, int rows, int columns, uint* to, int width)
    {
        var row = 0;
        for (; row + 4 <= rows; row += 4)
        {
            uint* p = (uint*)((ushort*)from + row * next), q = (uint*)((ushort*)p + next), r = (uint*)((ushort*)q + next);
            uint* s = (uint*)((ushort*)r + next), target = to + row;
            var i = 0;
            for (; i + 4 <= columns; i += 4, target += 4 * width)
            {
                var (w, x) = (Vector128.Load(p + i).AsSingle(), Vector128.Load(q + i).AsSingle());
                var (y, z) = (Vector128.Load(r + i).AsSingle(), Vector128.Load(s + i).AsSingle());
                var (wx, yz) = (Sse.UnpackLow(w, x), Sse.UnpackLow(y, z));
                Sse.MoveLowToHigh(wx, yz).AsUInt32().Store(target);
                Sse.MoveHighToLow(yz, wx).AsUInt32().Store(target + width);
                (wx, yz) = (Sse.UnpackHigh(w, x), Sse.UnpackHigh(y, z));
                Sse.MoveLowToHigh(wx, yz).AsUInt32().Store(target + 2 * width);
                Sse.MoveHighToLow(yz, wx).AsUInt32().Store(target + 3 * width);
            }

            for (; i < columns; i++, target += width) (target[0], target[1], target[2], target[3]) = (p[i], q[i], r[i], s[i]);
        }

        for (; row < rows; row++)
            for (var i = 0; i < columns; i++) to[i * width + row] = ((uint*)((ushort*)from + row * next))[i];
    }
}
