using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Models.Kernels;

/// <summary>A float32 matrix somewhere in memory, stored by rows, by columns or in any other regular way.</summary>
/// <param name="Address">Its first element.</param>
/// <param name="Row">Elements from a row to the next.</param>
/// <param name="Step">Elements from a column to the next.</param>
internal readonly unsafe record struct Strided(nint Address, long Row, long Step)
{
    /// <summary>The element at a place.</summary>
    public float* At(long row, long step) => (float*)Address + row * Row + step * Step;
}

/// <summary>
/// C = A B^T and C += A B^T in float32 with AVX-512, for matrices of any size. Both are copied part by part into panels, in the order
/// in which they are read: twelve rows of A, 32 of B. A panel of B stays in the first cache while all rows of A go over it.
/// </summary>
/// <remarks>The order of the sums depends on the number of columns of A alone, never on threads or on other rows.</remarks>
internal static unsafe class PanelProduct
{
    private const int Tile = 12;          // rows of C: with two vectors of columns 24 sums, two factors and a row's fit into 32 registers
    private const int Wide = 32;          // columns of C
    private const int Deep = 256;         // columns of A at a time: a panel of B takes 32 KiB
    private const int MostRows = 1536;    // of A that are laid out at a time
    private const int TilesAtOnce = 8;    // that a thread lays out
    private const int MostTiles = 32;     // of a piece of work; more share the laying out of B, fewer feed more threads

    /// <summary>Whether the processor can.</summary>
    public static bool IsSupported => Avx512F.IsSupported;

    /// <summary>Computes a product.</summary>
    /// <param name="rows">Of A and C.</param>
    /// <param name="columns">Of C, rows of B.</param>
    /// <param name="depth">Columns of A and B.</param>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <param name="c">C, row by row.</param>
    /// <param name="cRow">From a row of C to the next.</param>
    /// <param name="add">Adds to C instead of overwriting it.</param>
    /// <param name="threads">To use.</param>
    public static void Multiply(int rows, int columns, int depth, Strided a, Strided b, float* c, long cRow, bool add, int threads = 1)
    {
        if (rows == 0 || columns == 0) return;
        var most = Math.Min(MostRows, (rows + Tile - 1) / Tile * Tile);
        var laidOut = (float*)NativeMemory.AlignedAlloc((nuint)(most * Math.Clamp(depth, 1, Deep) * sizeof(float)), 64);
        try
        {
            for (var first = 0; first < rows; first += most)
                for (var at = 0; at == 0 || at < depth; at += Deep)
                    new Part(a, b, laidOut, c + first * cRow, cRow, first, Math.Min(most, rows - first), columns, at,
                        Math.Min(Deep, depth - at), add || at > 0).Run(threads);
        }
        finally
        {
            NativeMemory.AlignedFree(laidOut);
        }
    }

    /// <summary>Some columns of some rows of A times the same columns of B.</summary>
    private sealed class Part(
        Strided a, Strided b, float* laidOut, float* c, long cRow, int first, int rows, int columns, int at, int depth, bool add)
    {
        private readonly int _tiles = (rows + Tile - 1) / Tile, _panels = (columns + Wide - 1) / Wide;

        public void Run(int threads)
        {
            ThreadTeam.Run(threads, (_tiles + TilesAtOnce - 1) / TilesAtOnce, LayOut);
            ThreadTeam.Run(threads, _panels * ((_tiles + MostTiles - 1L) / MostTiles), Multiply);
        }

        private void LayOut(long piece)
        {
            for (var tile = (int)piece * TilesAtOnce; tile < Math.Min(_tiles, ((int)piece + 1) * TilesAtOnce); tile++)
                Panel(a.At(first + tile * Tile, at), a, Math.Min(Tile, rows - tile * Tile), depth, laidOut + tile * Tile * depth, Tile);
        }

        private void Multiply(long piece)
        {
            var memory = stackalloc float[Wide * Deep + Tile * Wide + 16];
            var panel = (float*)(((nint)memory + 63) & ~63);
            var edge = panel + Wide * Deep;
            var column = (int)(piece % _panels) * Wide;
            var width = Math.Min(Wide, columns - column);
            Panel(b.At(column, at), b, width, depth, panel, Wide);
            var start = (int)(piece / _panels) * MostTiles;
            for (var tile = start; tile < Math.Min(_tiles, start + MostTiles); tile++)
            {
                var height = Math.Min(Tile, rows - tile * Tile);
                float* from = laidOut + tile * Tile * depth, to = c + tile * Tile * cRow + column;
                if (height == Tile && width == Wide)
                {
                    PanelProduct.Multiply(depth, from, panel, to, cRow, add);
                    continue;
                }

                PanelProduct.Multiply(depth, from, panel, edge, Wide, false);
                for (var row = 0; row < height; row++)
                    for (var i = 0; i < width; i++) to[row * cRow + i] = edge[row * Wide + i] + (add ? to[row * cRow + i] : 0);
            }
        }
    }

    // Writes to[k, i] = from[i, k], with zeros behind the last of the rows i.
    private static void Panel(float* from, Strided matrix, int rows, int depth, float* to, int width)
    {
        if (rows < width) new Span<float>(to, width * depth).Clear();
        if (matrix.Row == 1)
        {
            for (var k = 0; k < depth; k++, from += matrix.Step, to += width)
            {
                var i = 0;
                for (; i + 4 <= rows; i += 4) Vector128.Load(from + i).Store(to + i);
                for (; i < rows; i++) to[i] = from[i];
            }

            return;
        }

        var row = 0;
        for (; matrix.Step == 1 && row + 4 <= rows; row += 4) Transpose(from + row * matrix.Row, matrix.Row, depth, to + row, width);
        for (; row < rows; row++)
            for (var k = 0; k < depth; k++) to[k * width + row] = from[row * matrix.Row + k * matrix.Step];
    }

    // Four rows.
    private static void Transpose(float* p, long next, int depth, float* to, int width)
    {
        float* q = p + next, r = q + next, s = r + next;
        var k = 0;
        for (; k + 4 <= depth; k += 4, to += 4 * width)
        {
            var (w, x, y, z) = (Vector128.Load(p + k), Vector128.Load(q + k), Vector128.Load(r + k), Vector128.Load(s + k));
            var (wx, yz) = (Sse.UnpackLow(w, x), Sse.UnpackLow(y, z));
            Sse.MoveLowToHigh(wx, yz).Store(to);
            Sse.MoveHighToLow(yz, wx).Store(to + width);
            (wx, yz) = (Sse.UnpackHigh(w, x), Sse.UnpackHigh(y, z));
            Sse.MoveLowToHigh(wx, yz).Store(to + 2 * width);
            Sse.MoveHighToLow(yz, wx).Store(to + 3 * width);
        }

        for (; k < depth; k++, to += width) (to[0], to[1], to[2], to[3]) = (p[k], q[k], r[k], s[k]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(int depth, float* a, float* b, float* c, long cRow, bool add)
    {
        for (var row = 0; row < Tile; row++)
        {
            Sse.Prefetch0(c + row * cRow);
            Sse.Prefetch0(c + row * cRow + Wide / 2);
        }

        Vector512<float> p0 = default, p1 = default, p2 = default, p3 = default, p4 = default, p5 = default;
        Vector512<float> p6 = default, p7 = default, p8 = default, p9 = default, p10 = default, p11 = default;
        Vector512<float> q0 = default, q1 = default, q2 = default, q3 = default, q4 = default, q5 = default;
        Vector512<float> q6 = default, q7 = default, q8 = default, q9 = default, q10 = default, q11 = default;
        for (var left = depth; left > 0; left--, a += Tile, b += Wide)
        {
            var (p, q) = (Vector512.Load(b), Vector512.Load(b + Wide / 2));
            var x = Vector512.Create(a[0]);
            (p0, q0) = (Avx512F.FusedMultiplyAdd(x, p, p0), Avx512F.FusedMultiplyAdd(x, q, q0));
            x = Vector512.Create(a[1]);
            (p1, q1) = (Avx512F.FusedMultiplyAdd(x, p, p1), Avx512F.FusedMultiplyAdd(x, q, q1));
            x = Vector512.Create(a[2]);
            (p2, q2) = (Avx512F.FusedMultiplyAdd(x, p, p2), Avx512F.FusedMultiplyAdd(x, q, q2));
            x = Vector512.Create(a[3]);
            (p3, q3) = (Avx512F.FusedMultiplyAdd(x, p, p3), Avx512F.FusedMultiplyAdd(x, q, q3));
            x = Vector512.Create(a[4]);
            (p4, q4) = (Avx512F.FusedMultiplyAdd(x, p, p4), Avx512F.FusedMultiplyAdd(x, q, q4));
            x = Vector512.Create(a[5]);
            (p5, q5) = (Avx512F.FusedMultiplyAdd(x, p, p5), Avx512F.FusedMultiplyAdd(x, q, q5));
            x = Vector512.Create(a[6]);
            (p6, q6) = (Avx512F.FusedMultiplyAdd(x, p, p6), Avx512F.FusedMultiplyAdd(x, q, q6));
            x = Vector512.Create(a[7]);
            (p7, q7) = (Avx512F.FusedMultiplyAdd(x, p, p7), Avx512F.FusedMultiplyAdd(x, q, q7));
            x = Vector512.Create(a[8]);
            (p8, q8) = (Avx512F.FusedMultiplyAdd(x, p, p8), Avx512F.FusedMultiplyAdd(x, q, q8));
            x = Vector512.Create(a[9]);
            (p9, q9) = (Avx512F.FusedMultiplyAdd(x, p, p9), Avx512F.FusedMultiplyAdd(x, q, q9));
            x = Vector512.Create(a[10]);
            (p10, q10) = (Avx512F.FusedMultiplyAdd(x, p, p10), Avx512F.FusedMultiplyAdd(x, q, q10));
            x = Vector512.Create(a[11]);
            (p11, q11) = (Avx512F.FusedMultiplyAdd(x, p, p11), Avx512F.FusedMultiplyAdd(x, q, q11));
        }

        Store(c, p0, q0, add);
        Store(c += cRow, p1, q1, add);
        Store(c += cRow, p2, q2, add);
        Store(c += cRow, p3, q3, add);
        Store(c += cRow, p4, q4, add);
        Store(c += cRow, p5, q5, add);
        Store(c += cRow, p6, q6, add);
        Store(c += cRow, p7, q7, add);
        Store(c += cRow, p8, q8, add);
        Store(c += cRow, p9, q9, add);
        Store(c += cRow, p10, q10, add);
        Store(c + cRow, p11, q11, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector512<float> p, Vector512<float> q, bool add)
    {
        if (add) (p, q) = (p + Vector512.Load(c), q + Vector512.Load(c + Wide / 2));
        p.Store(c);
        q.Store(c + Wide / 2);
    }
}
