using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Pfmvg.Models.Kernels;

/// <summary>The innermost loops of <see cref="ThinMatrix"/>: sums over inputs for an output or some neighbouring ones.</summary>
/// <param name="matrix">Its first weight.</param>
/// <param name="inputs">Its width.</param>
internal readonly unsafe struct ThinKernel(byte* matrix, long inputs)
{
    /// <summary>Numbers kept for the rows of an output: a tile may begin at the fourth and is stored as eight.</summary>
    public const int Room = 12;

    /// <summary>Inputs whose sum is made before it is added. Where rows take turns, their x stays in a core's first cache.</summary>
    public const int InputsAtOnce = 1024;

    /// <summary>
    /// Adds to the sum of a row alone for one output. Outputs lie behind each other, so that memory is read as one stream, which is
    /// faster than several; one sum keeps up with it where vectors are wide and a weight is more than a byte.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void OneOutput<T, TWeights>(float* x, float* sums, long output)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        const int ahead = 8192; // bytes
        var weights = matrix + output * inputs * TWeights.Size;
        for (long at = 0, end = 0; at < inputs;)
        {
            T sum = default;
            for (end = Math.Min(inputs, end + InputsAtOnce); at < end; at += 2 * T.Lanes)
            {
                ThinVectors.Fetch(weights + at * TWeights.Size + ahead);
                var (low, high) = TWeights.Load(weights + at * TWeights.Size);
                sum = T.FusedMultiplyAdd(high, T.Load(x + at + T.Lanes), T.FusedMultiplyAdd(low, T.Load(x + at), sum));
            }

            sums[output * Room] += T.Sums(sum, sum, sum, sum)[0];
        }
    }

    /// <summary>
    /// The same for an output of four sums, all at once: a byte of weight takes as long to add as two bytes, so one sum would not keep up
    /// with memory. It is fetched as one stream, and the sums are added in their order.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void OneOutputOfFourSums<T, TWeights>(float* x, float* sums, long output)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        const int ahead = 4096; // bytes
        T p = default, q = default, r = default, s = default;
        var weights = matrix + output * inputs * TWeights.Size;
        for (var at = 0; at < InputsAtOnce; at += 2 * T.Lanes)
        {
            var next = weights + ahead + 4 * at * TWeights.Size;
            for (var line = 0; line < 8 * T.Lanes * TWeights.Size; line += 64) ThinVectors.Fetch(next + line);
            p = Add(at, p);
            q = Add(at + InputsAtOnce, q);
            r = Add(at + 2 * InputsAtOnce, r);
            s = Add(at + 3 * InputsAtOnce, s);
        }

        var all = T.Sums(p, q, r, s);
        for (var i = 0; i < 4; i++) sums[output * Room] += all[i];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        T Add(int at, T sum)
        {
            var (low, high) = TWeights.Load(weights + at * TWeights.Size);
            return T.FusedMultiplyAdd(high, T.Load(x + at + T.Lanes), T.FusedMultiplyAdd(low, T.Load(x + at), sum));
        }
    }

    /// <summary>The same for four outputs at a time, which share what is loaded of x: for that four streams are read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void FourOutputs<T, TWeights>(float* x, float* sums, long output, long wanted)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        const int ahead = 2048; // bytes of each; at the end of a row, of the next four
        var stride = inputs * TWeights.Size;
        byte* a = matrix + output * stride, b = a + stride, c = b + stride, d = c + stride;
        for (long at = 0, end = 0; at < inputs;)
        {
            T p = default, q = default, r = default, s = default;
            for (end = Math.Min(inputs, end + InputsAtOnce); at < end; at += 2 * T.Lanes)
            {
                var place = at * TWeights.Size;
                var next = place + ahead + (place + ahead < stride ? 0 : 3 * stride);
                var (first, second) = (T.Load(x + at), T.Load(x + at + T.Lanes));
                ThinVectors.Fetch(a + next);
                var (low, high) = TWeights.Load(a + place);
                p = T.FusedMultiplyAdd(high, second, T.FusedMultiplyAdd(low, first, p));
                ThinVectors.Fetch(b + next);
                (low, high) = TWeights.Load(b + place);
                q = T.FusedMultiplyAdd(high, second, T.FusedMultiplyAdd(low, first, q));
                ThinVectors.Fetch(c + next);
                (low, high) = TWeights.Load(c + place);
                r = T.FusedMultiplyAdd(high, second, T.FusedMultiplyAdd(low, first, r));
                ThinVectors.Fetch(d + next);
                (low, high) = TWeights.Load(d + place);
                s = T.FusedMultiplyAdd(high, second, T.FusedMultiplyAdd(low, first, s));
            }

            var all = T.Sums(p, q, r, s);
            for (var i = Math.Max(0, wanted - output); i < 4; i++) sums[(output + i) * Room] += all[(int)i];
        }
    }

    /// <summary>Adds to the sums of some rows, two to eight, of a tile.</summary>
    /// <param name="rows">Rows.</param>
    /// <param name="x">The first of them in the tile, laid out.</param>
    /// <param name="sums">Of the first of them, for output 0.</param>
    /// <param name="output">The first of three.</param>
    /// <param name="wanted">The first of them that counts.</param>
    /// <param name="from">First input.</param>
    /// <param name="to">Behind the last input.</param>
    /// <param name="together">Rows of the tile.</param>
    public void Rows<T, TWeights>(int rows, float* x, float* sums, long output, long wanted, long from, long to, int together)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        switch (rows)
        {
            case 2: Rows<T, TWeights, Rows2>(x, sums, output, wanted, from, to, together); break;
            case 3: Rows<T, TWeights, Rows3>(x, sums, output, wanted, from, to, together); break;
            case 4: Rows<T, TWeights, Rows4>(x, sums, output, wanted, from, to, together); break;
            case 5: Rows<T, TWeights, Rows5>(x, sums, output, wanted, from, to, together); break;
            case 6: Rows<T, TWeights, Rows6>(x, sums, output, wanted, from, to, together); break;
            case 7: Rows<T, TWeights, Rows7>(x, sums, output, wanted, from, to, together); break;
            default: Rows<T, TWeights, Rows8>(x, sums, output, wanted, from, to, together); break;
        }
    }

    // Some rows by three outputs. With eight, 24 sums, three widened weights and a piece of x fit into 32 vector registers; with four,
    // half as many sums into 16.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Rows<T, TWeights, TRows>(float* x, float* sums, long output, long wanted, long from, long to, int together)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
        where TRows : struct, IRowCount
    {
        T a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
        T b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
        T c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
        var stride = inputs * TWeights.Size;
        var ahead = 3 * stride; // the processor itself fetches ahead within a page only
        byte* a = matrix + output * stride, b = a + stride, c = b + stride;
        var row = x + from * together;
        for (var at = from; at < to; at += 2 * T.Lanes, row += 2 * T.Lanes * together)
        {
            ThinVectors.FetchFar(a + at * TWeights.Size + ahead);
            ThinVectors.FetchFar(b + at * TWeights.Size + ahead);
            ThinVectors.FetchFar(c + at * TWeights.Size + ahead);
            var (p, q, r) = (TWeights.Load(a + at * TWeights.Size).First, TWeights.Load(b + at * TWeights.Size).First,
                TWeights.Load(c + at * TWeights.Size).First);
            var z = T.Load(row + 0 * T.Lanes);
            a0 = T.FusedMultiplyAdd(p, z, a0); b0 = T.FusedMultiplyAdd(q, z, b0); c0 = T.FusedMultiplyAdd(r, z, c0);
            z = T.Load(row + 2 * T.Lanes);
            a1 = T.FusedMultiplyAdd(p, z, a1); b1 = T.FusedMultiplyAdd(q, z, b1); c1 = T.FusedMultiplyAdd(r, z, c1);
            if (TRows.Count > 2)
            {
                z = T.Load(row + 4 * T.Lanes);
                a2 = T.FusedMultiplyAdd(p, z, a2); b2 = T.FusedMultiplyAdd(q, z, b2); c2 = T.FusedMultiplyAdd(r, z, c2);
            }

            if (TRows.Count > 3)
            {
                z = T.Load(row + 6 * T.Lanes);
                a3 = T.FusedMultiplyAdd(p, z, a3); b3 = T.FusedMultiplyAdd(q, z, b3); c3 = T.FusedMultiplyAdd(r, z, c3);
            }

            if (TRows.Count > 4)
            {
                z = T.Load(row + 8 * T.Lanes);
                a4 = T.FusedMultiplyAdd(p, z, a4); b4 = T.FusedMultiplyAdd(q, z, b4); c4 = T.FusedMultiplyAdd(r, z, c4);
            }

            if (TRows.Count > 5)
            {
                z = T.Load(row + 10 * T.Lanes);
                a5 = T.FusedMultiplyAdd(p, z, a5); b5 = T.FusedMultiplyAdd(q, z, b5); c5 = T.FusedMultiplyAdd(r, z, c5);
            }

            if (TRows.Count > 6)
            {
                z = T.Load(row + 12 * T.Lanes);
                a6 = T.FusedMultiplyAdd(p, z, a6); b6 = T.FusedMultiplyAdd(q, z, b6); c6 = T.FusedMultiplyAdd(r, z, c6);
            }

            if (TRows.Count > 7)
            {
                z = T.Load(row + 14 * T.Lanes);
                a7 = T.FusedMultiplyAdd(p, z, a7); b7 = T.FusedMultiplyAdd(q, z, b7); c7 = T.FusedMultiplyAdd(r, z, c7);
            }

            (p, q, r) = (TWeights.Load(a + at * TWeights.Size).Second, TWeights.Load(b + at * TWeights.Size).Second,
                TWeights.Load(c + at * TWeights.Size).Second);
            z = T.Load(row + 1 * T.Lanes);
            a0 = T.FusedMultiplyAdd(p, z, a0); b0 = T.FusedMultiplyAdd(q, z, b0); c0 = T.FusedMultiplyAdd(r, z, c0);
            z = T.Load(row + 3 * T.Lanes);
            a1 = T.FusedMultiplyAdd(p, z, a1); b1 = T.FusedMultiplyAdd(q, z, b1); c1 = T.FusedMultiplyAdd(r, z, c1);
            if (TRows.Count > 2)
            {
                z = T.Load(row + 5 * T.Lanes);
                a2 = T.FusedMultiplyAdd(p, z, a2); b2 = T.FusedMultiplyAdd(q, z, b2); c2 = T.FusedMultiplyAdd(r, z, c2);
            }

            if (TRows.Count > 3)
            {
                z = T.Load(row + 7 * T.Lanes);
                a3 = T.FusedMultiplyAdd(p, z, a3); b3 = T.FusedMultiplyAdd(q, z, b3); c3 = T.FusedMultiplyAdd(r, z, c3);
            }

            if (TRows.Count > 4)
            {
                z = T.Load(row + 9 * T.Lanes);
                a4 = T.FusedMultiplyAdd(p, z, a4); b4 = T.FusedMultiplyAdd(q, z, b4); c4 = T.FusedMultiplyAdd(r, z, c4);
            }

            if (TRows.Count > 5)
            {
                z = T.Load(row + 11 * T.Lanes);
                a5 = T.FusedMultiplyAdd(p, z, a5); b5 = T.FusedMultiplyAdd(q, z, b5); c5 = T.FusedMultiplyAdd(r, z, c5);
            }

            if (TRows.Count > 6)
            {
                z = T.Load(row + 13 * T.Lanes);
                a6 = T.FusedMultiplyAdd(p, z, a6); b6 = T.FusedMultiplyAdd(q, z, b6); c6 = T.FusedMultiplyAdd(r, z, c6);
            }

            if (TRows.Count > 7)
            {
                z = T.Load(row + 15 * T.Lanes);
                a7 = T.FusedMultiplyAdd(p, z, a7); b7 = T.FusedMultiplyAdd(q, z, b7); c7 = T.FusedMultiplyAdd(r, z, c7);
            }
        }

        Add(sums, output, wanted, T.Sums(a0, a1, a2, a3), TRows.Count > 4 ? T.Sums(a4, a5, a6, a7) : default);
        Add(sums, output + 1, wanted, T.Sums(b0, b1, b2, b3), TRows.Count > 4 ? T.Sums(b4, b5, b6, b7) : default);
        Add(sums, output + 2, wanted, T.Sums(c0, c1, c2, c3), TRows.Count > 4 ? T.Sums(c4, c5, c6, c7) : default);
    }

    // The last tile begins earlier where the number of outputs is no multiple; the outputs before the wanted ones are another tile's.
    // Rows that are not there add nothing.
    private static void Add(float* sums, long output, long wanted, Vector128<float> first, Vector128<float> second)
    {
        if (output < wanted) return;
        var place = sums + output * Room;
        (Vector256.Load(place) + Vector256.Create(first, second)).Store(place);
    }
}
