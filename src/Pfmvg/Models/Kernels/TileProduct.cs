using System.Runtime.CompilerServices;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// C = A B and C += A B in float32 for matrices that lie in the cache: for those of a small model a call of libtorch takes as long as the
/// product. One thread; the order of the sums depends on the sizes alone.
/// </summary>
internal static unsafe class TileProduct
{
    /// <summary>The columns of B and C are a multiple of this, whatever the width of the vectors.</summary>
    public const int Columns = ThinVectors.MostLanes;

    private const int Tile = 6; // rows; twelve sums of two vectors hide how long a multiplication takes, and fit into 16 registers

    /// <summary>Computes a product.</summary>
    /// <param name="rows">Of A and C.</param>
    /// <param name="columns">Of B and C, a multiple of <see cref="Columns"/>.</param>
    /// <param name="depth">Columns of A, rows of B.</param>
    /// <param name="a">A.</param>
    /// <param name="aRow">From a row of A to the next; 1 for a matrix that is stored transposed.</param>
    /// <param name="aStep">From a column of A to the next; 1 for a matrix that is stored row by row.</param>
    /// <param name="b">B, row by row.</param>
    /// <param name="bRow">From a row of B to the next.</param>
    /// <param name="c">C, row by row.</param>
    /// <param name="cRow">From a row of C to the next.</param>
    /// <param name="add">Adds to C instead of overwriting it.</param>
    public static void Multiply(
        int rows, int columns, int depth, float* a, long aRow, long aStep, float* b, long bRow, float* c, long cRow, bool add)
    {
        if (ThinVectors.Lanes == 16) Multiply<Float16Lanes>(rows, columns, depth, a, aRow, aStep, b, bRow, c, cRow, add);
        else if (ThinVectors.Lanes == 8) Multiply<Float8Lanes>(rows, columns, depth, a, aRow, aStep, b, bRow, c, cRow, add);
        else Multiply<Float4Lanes>(rows, columns, depth, a, aRow, aStep, b, bRow, c, cRow, add);
    }

    internal static void Multiply<T>(
        int rows, int columns, int depth, float* a, long aRow, long aStep, float* b, long bRow, float* c, long cRow, bool add)
        where T : struct, IFloatVector<T>
    {
        var wide = 2 * T.Lanes;
        for (var column = 0; column < columns; column += wide) // these columns of B stay in the first cache
        {
            for (var row = 0; row < rows; row += Tile)
            {
                var left = Math.Min(Tile, rows - row);
                float* from = a + row * aRow, to = c + row * cRow + column;
                if (column + wide <= columns) Two<T>(left, depth, from, aRow, aStep, b + column, bRow, to, cRow, add);
                else One<T>(left, depth, from, aRow, aStep, b + column, bRow, to, cRow, add);
            }
        }
    }

    // Rows that are not there repeat the last one and are not stored.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two<T>(
        int rows, int depth, float* a, long aRow, long aStep, float* b, long bRow, float* c, long cRow, bool add)
        where T : struct, IFloatVector<T>
    {
        float* a1 = a + Math.Min(1, rows - 1) * aRow, a2 = a + Math.Min(2, rows - 1) * aRow, a3 = a + Math.Min(3, rows - 1) * aRow;
        float* a4 = a + Math.Min(4, rows - 1) * aRow, a5 = a + (rows - 1) * aRow;
        T p0 = default, p1 = default, p2 = default, p3 = default, p4 = default, p5 = default;
        T q0 = default, q1 = default, q2 = default, q3 = default, q4 = default, q5 = default;
        for (long left = depth, at = 0; left > 0; left--, at += aStep, b += bRow)
        {
            var (p, q) = (T.Load(b), T.Load(b + T.Lanes));
            var x = T.Create(a[at]);
            (p0, q0) = (T.FusedMultiplyAdd(x, p, p0), T.FusedMultiplyAdd(x, q, q0));
            x = T.Create(a1[at]);
            (p1, q1) = (T.FusedMultiplyAdd(x, p, p1), T.FusedMultiplyAdd(x, q, q1));
            x = T.Create(a2[at]);
            (p2, q2) = (T.FusedMultiplyAdd(x, p, p2), T.FusedMultiplyAdd(x, q, q2));
            x = T.Create(a3[at]);
            (p3, q3) = (T.FusedMultiplyAdd(x, p, p3), T.FusedMultiplyAdd(x, q, q3));
            x = T.Create(a4[at]);
            (p4, q4) = (T.FusedMultiplyAdd(x, p, p4), T.FusedMultiplyAdd(x, q, q4));
            x = T.Create(a5[at]);
            (p5, q5) = (T.FusedMultiplyAdd(x, p, p5), T.FusedMultiplyAdd(x, q, q5));
        }

        Store(c, p0, q0, add);
        if (rows > 1) Store(c + cRow, p1, q1, add);
        if (rows > 2) Store(c + 2 * cRow, p2, q2, add);
        if (rows > 3) Store(c + 3 * cRow, p3, q3, add);
        if (rows > 4) Store(c + 4 * cRow, p4, q4, add);
        if (rows > 5) Store(c + 5 * cRow, p5, q5, add);
    }

    // The last columns, where vectors are so wide that only one fits.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One<T>(
        int rows, int depth, float* a, long aRow, long aStep, float* b, long bRow, float* c, long cRow, bool add)
        where T : struct, IFloatVector<T>
    {
        float* a1 = a + Math.Min(1, rows - 1) * aRow, a2 = a + Math.Min(2, rows - 1) * aRow, a3 = a + Math.Min(3, rows - 1) * aRow;
        float* a4 = a + Math.Min(4, rows - 1) * aRow, a5 = a + (rows - 1) * aRow;
        T p0 = default, p1 = default, p2 = default, p3 = default, p4 = default, p5 = default;
        for (long left = depth, at = 0; left > 0; left--, at += aStep, b += bRow)
        {
            var p = T.Load(b);
            p0 = T.FusedMultiplyAdd(T.Create(a[at]), p, p0);
            p1 = T.FusedMultiplyAdd(T.Create(a1[at]), p, p1);
            p2 = T.FusedMultiplyAdd(T.Create(a2[at]), p, p2);
            p3 = T.FusedMultiplyAdd(T.Create(a3[at]), p, p3);
            p4 = T.FusedMultiplyAdd(T.Create(a4[at]), p, p4);
            p5 = T.FusedMultiplyAdd(T.Create(a5[at]), p, p5);
        }

        Store(c, p0, add);
        if (rows > 1) Store(c + cRow, p1, add);
        if (rows > 2) Store(c + 2 * cRow, p2, add);
        if (rows > 3) Store(c + 3 * cRow, p3, add);
        if (rows > 4) Store(c + 4 * cRow, p4, add);
        if (rows > 5) Store(c + 5 * cRow, p5, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(float* c, T p, bool add) where T : struct, IFloatVector<T> => (add ? p + T.Load(c) : p).Store(c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(float* c, T p, T q, bool add) where T : struct, IFloatVector<T>
    {
        Store(c, p, add);
        Store(c + T.Lanes, q, add);
    }
}
