using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// A matrix W (O, I) in memory, in float32, bfloat16 or int8, for products with few rows: all threads together read it once, in order, so
/// that memory is the limit up to 8 rows. Products and sums are float32; a row's result does not depend on the others.
/// </summary>
internal sealed unsafe class ThinMatrix : IDisposable
{
    private const int RowsAtOnce = 8;     // of a tile, or half of them
    private const int HalfTile = 4;
    private const int LargestStep = 2 * ThinVectors.MostLanes; // weights that are widened together, into two vectors; I is a multiple
    private const int Piece = 96;         // outputs that a thread takes at a time
    private const int InputsAtOnce = 1024; // whose x stays in a core's first cache while the outputs of a piece pass

    private readonly Tensor _weight;
    private readonly Tensor? _scales;
    private readonly byte* _first;
    private readonly float* _scale;
    private readonly int _lanes;

    /// <summary>Whether the processor has vectors, and the matrix a type and sizes, that are known here.</summary>
    public static bool Fits(Tensor weight) =>
        ThinVectors.Lanes > 0 && weight.device_type == DeviceType.CPU && weight.is_contiguous()
        && weight.dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Int8
        && weight.shape[0] >= 4 && weight.shape[1] % LargestStep == 0;

    /// <param name="weight">(O, I), which stays where it is.</param>
    /// <param name="scale">(O), by which the outputs of an int8 matrix are multiplied.</param>
    /// <param name="lanes">Of the vectors: <see cref="ThinVectors.Lanes"/>, or fewer.</param>
    public ThinMatrix(Tensor weight, Tensor? scale, int lanes)
    {
        (_weight, _lanes) = (weight, lanes);
        (Outputs, Inputs) = (weight.shape[0], weight.shape[1]);
        _scales = scale?.to(ScalarType.Float32).contiguous().DetachFromDisposeScope();
        _first = TensorMemory.Address(weight);
        _scale = _scales is null ? null : (float*)TensorMemory.Address(_scales);
        TakesPairs = weight.dtype == ScalarType.BFloat16;
    }

    public void Dispose() => _scales?.Dispose();

    public long Inputs { get; }

    public long Outputs { get; }

    /// <summary>Parts that can be multiplied at the same time.</summary>
    public long Pieces => (Outputs + Piece - 1) / Piece;

    /// <summary>Whether x is laid out with even and odd values apart, as bfloat16 weights are read.</summary>
    public bool TakesPairs { get; }

    /// <summary>Rows of memory that x and y need for some rows: one, or whole tiles, the last of which may be half a one.</summary>
    public static long Padded(long rows) => rows == 1 ? 1 : (rows + HalfTile - 1) / HalfTile * HalfTile;

    /// <summary>
    /// Brings x into the order in which it is read. The rows of a tile take turns, a step of two vectors at a time, since whole rows begin
    /// at addresses that displace each other from the cache. For bfloat16 a step's even values come before its odd ones.
    /// </summary>
    /// <param name="x">(R, I).</param>
    /// <param name="to">(padded rows, I), where the rows that pad are not written.</param>
    /// <param name="rows">R.</param>
    public void LayOut(float* x, float* to, long rows)
    {
        var step = 2 * _lanes;
        for (var row = 0L; row < rows; row++)
        {
            var tile = row / RowsAtOnce * RowsAtOnce;
            var together = Together(Padded(rows), tile);
            float* from = x + row * Inputs, place = to + tile * Inputs + (row - tile) * step;
            for (var at = 0L; at < Inputs; at += step, place += together * step)
                if (!TakesPairs) Buffer.MemoryCopy(from + at, place, step * sizeof(float), step * sizeof(float));
                else if (_lanes == 16) Float16Lanes.Part(from + at, place);
                else
                    for (var i = 0; i < _lanes; i++) (place[i], place[_lanes + i]) = (from[at + 2 * i], from[at + 2 * i + 1]);
        }
    }

    private static int Together(long padded, long tile) => (int)Math.Min(RowsAtOnce, padded - tile);

    /// <summary>Some neighbouring outputs of all rows.</summary>
    /// <param name="piece">Which of the <see cref="Pieces"/>.</param>
    /// <param name="x">(padded rows, I), laid out.</param>
    /// <param name="y">(padded rows, O).</param>
    /// <param name="rows">Rows, padded.</param>
    public void Multiply(long piece, float* x, float* y, long rows)
    {
        if (_lanes == 16) Multiply<Float16Lanes>(piece, x, y, rows);
        else if (_lanes == 8) Multiply<Float8Lanes>(piece, x, y, rows);
        else Multiply<Float4Lanes>(piece, x, y, rows);
    }

    private void Multiply<T>(long piece, float* x, float* y, long rows) where T : struct, IFloatVector<T>
    {
        switch (_weight.dtype)
        {
            case ScalarType.BFloat16: Multiply<T, BFloat16Pairs<T>>(piece, x, y, rows); break;
            case ScalarType.Int8: Multiply<T, Int8Weights<T>>(piece, x, y, rows); break;
            default: Multiply<T, Float32Weights<T>>(piece, x, y, rows); break;
        }
    }

    private void Multiply<T, TWeights>(long piece, float* x, float* y, long rows)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        var (first, end) = (piece * Piece, Math.Min(Outputs, (piece + 1) * Piece));
        var sums = stackalloc float[Piece * RowsAtOnce]; // (outputs of the piece, rows of a tile)
        for (var row = 0L; row < rows; row += RowsAtOnce)
        {
            var together = Together(rows, row);
            new Span<float>(sums, Piece * together).Clear();
            if (together == 1)
                for (var output = first; output < end; output += 4)
                    for (var from = 0L; from < Inputs; from += InputsAtOnce)
                        MultiplyOneRow<T, TWeights>(
                            x, sums - first, Math.Min(output, Outputs - 4), output, from, Math.Min(Inputs, from + InputsAtOnce));
            else
                for (var from = 0L; from < Inputs; from += InputsAtOnce)
                    for (var output = first; output < end; output += 3)
                    {
                        var tile = x + row * Inputs;
                        var (at, to) = (Math.Min(output, Outputs - 3), Math.Min(Inputs, from + InputsAtOnce));
                        if (T.HasManyRegisters && together == RowsAtOnce)
                            MultiplyEightRows<T, TWeights>(tile, sums - first * together, at, output, from, to);
                        else
                            for (var half = 0; half < together; half += HalfTile)
                                MultiplyFourRows<T, TWeights>(tile, sums - first * together, at, output, from, to, half, together);
                    }

            for (var r = 0; r < together; r++)
                for (var output = first; output < end; output++)
                    y[(row + r) * Outputs + output] = sums[(output - first) * together + r] * (_scale is null ? 1 : _scale[output]);
        }
    }

    // Four outputs at a time: four streams of memory are faster than one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyOneRow<T, TWeights>(float* x, float* sums, long output, long wanted, long from, long to)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        T p = default, q = default, r = default, s = default;
        var stride = Inputs * TWeights.Size;
        var ahead = TWeights.Size > 1 ? 512 : 4 * stride; // int8 is faster with the next four rows fetched, the others with what follows
        byte* a = _first + output * stride, b = a + stride, c = b + stride, d = c + stride;
        for (var at = from; at < to; at += 2 * T.Lanes)
        {
            var (first, second) = (T.Load(x + at), T.Load(x + at + T.Lanes));
            ThinVectors.Fetch(a + at * TWeights.Size + ahead);
            var (low, high) = TWeights.Load(a + at * TWeights.Size);
            p = T.FusedMultiplyAdd(high, second, T.FusedMultiplyAdd(low, first, p));
            ThinVectors.Fetch(b + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(b + at * TWeights.Size);
            q = T.FusedMultiplyAdd(high, second, T.FusedMultiplyAdd(low, first, q));
            ThinVectors.Fetch(c + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(c + at * TWeights.Size);
            r = T.FusedMultiplyAdd(high, second, T.FusedMultiplyAdd(low, first, r));
            ThinVectors.Fetch(d + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(d + at * TWeights.Size);
            s = T.FusedMultiplyAdd(high, second, T.FusedMultiplyAdd(low, first, s));
        }

        var all = T.Sums(p, q, r, s);
        for (var i = Math.Max(0, wanted - output); i < 4; i++) sums[output + i] += all[(int)i];
    }

    // Eight rows by three outputs: 24 sums, the widened weights and a piece of x fit into 32 vector registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyEightRows<T, TWeights>(float* x, float* sums, long output, long wanted, long from, long to)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        T a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
        T b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
        T c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
        var stride = Inputs * TWeights.Size;
        var ahead = 3 * stride; // the processor itself fetches ahead within a page only
        byte* a = _first + output * stride, b = a + stride, c = b + stride;
        var row = x + from * RowsAtOnce;
        for (var at = from; at < to; at += 2 * T.Lanes, row += 2 * T.Lanes * RowsAtOnce)
        {
            ThinVectors.FetchFar(a + at * TWeights.Size + ahead);
            var (p, s) = TWeights.Load(a + at * TWeights.Size);
            ThinVectors.FetchFar(b + at * TWeights.Size + ahead);
            var (q, t) = TWeights.Load(b + at * TWeights.Size);
            ThinVectors.FetchFar(c + at * TWeights.Size + ahead);
            var (r, u) = TWeights.Load(c + at * TWeights.Size);
            var z = T.Load(row + 0 * T.Lanes);
            a0 = T.FusedMultiplyAdd(p, z, a0); b0 = T.FusedMultiplyAdd(q, z, b0); c0 = T.FusedMultiplyAdd(r, z, c0);
            z = T.Load(row + 2 * T.Lanes);
            a1 = T.FusedMultiplyAdd(p, z, a1); b1 = T.FusedMultiplyAdd(q, z, b1); c1 = T.FusedMultiplyAdd(r, z, c1);
            z = T.Load(row + 4 * T.Lanes);
            a2 = T.FusedMultiplyAdd(p, z, a2); b2 = T.FusedMultiplyAdd(q, z, b2); c2 = T.FusedMultiplyAdd(r, z, c2);
            z = T.Load(row + 6 * T.Lanes);
            a3 = T.FusedMultiplyAdd(p, z, a3); b3 = T.FusedMultiplyAdd(q, z, b3); c3 = T.FusedMultiplyAdd(r, z, c3);
            z = T.Load(row + 8 * T.Lanes);
            a4 = T.FusedMultiplyAdd(p, z, a4); b4 = T.FusedMultiplyAdd(q, z, b4); c4 = T.FusedMultiplyAdd(r, z, c4);
            z = T.Load(row + 10 * T.Lanes);
            a5 = T.FusedMultiplyAdd(p, z, a5); b5 = T.FusedMultiplyAdd(q, z, b5); c5 = T.FusedMultiplyAdd(r, z, c5);
            z = T.Load(row + 12 * T.Lanes);
            a6 = T.FusedMultiplyAdd(p, z, a6); b6 = T.FusedMultiplyAdd(q, z, b6); c6 = T.FusedMultiplyAdd(r, z, c6);
            z = T.Load(row + 14 * T.Lanes);
            a7 = T.FusedMultiplyAdd(p, z, a7); b7 = T.FusedMultiplyAdd(q, z, b7); c7 = T.FusedMultiplyAdd(r, z, c7);
            z = T.Load(row + 1 * T.Lanes);
            a0 = T.FusedMultiplyAdd(s, z, a0); b0 = T.FusedMultiplyAdd(t, z, b0); c0 = T.FusedMultiplyAdd(u, z, c0);
            z = T.Load(row + 3 * T.Lanes);
            a1 = T.FusedMultiplyAdd(s, z, a1); b1 = T.FusedMultiplyAdd(t, z, b1); c1 = T.FusedMultiplyAdd(u, z, c1);
            z = T.Load(row + 5 * T.Lanes);
            a2 = T.FusedMultiplyAdd(s, z, a2); b2 = T.FusedMultiplyAdd(t, z, b2); c2 = T.FusedMultiplyAdd(u, z, c2);
            z = T.Load(row + 7 * T.Lanes);
            a3 = T.FusedMultiplyAdd(s, z, a3); b3 = T.FusedMultiplyAdd(t, z, b3); c3 = T.FusedMultiplyAdd(u, z, c3);
            z = T.Load(row + 9 * T.Lanes);
            a4 = T.FusedMultiplyAdd(s, z, a4); b4 = T.FusedMultiplyAdd(t, z, b4); c4 = T.FusedMultiplyAdd(u, z, c4);
            z = T.Load(row + 11 * T.Lanes);
            a5 = T.FusedMultiplyAdd(s, z, a5); b5 = T.FusedMultiplyAdd(t, z, b5); c5 = T.FusedMultiplyAdd(u, z, c5);
            z = T.Load(row + 13 * T.Lanes);
            a6 = T.FusedMultiplyAdd(s, z, a6); b6 = T.FusedMultiplyAdd(t, z, b6); c6 = T.FusedMultiplyAdd(u, z, c6);
            z = T.Load(row + 15 * T.Lanes);
            a7 = T.FusedMultiplyAdd(s, z, a7); b7 = T.FusedMultiplyAdd(t, z, b7); c7 = T.FusedMultiplyAdd(u, z, c7);
        }

        Add(sums, output, wanted, T.Sums(a0, a1, a2, a3), T.Sums(a4, a5, a6, a7));
        Add(sums, output + 1, wanted, T.Sums(b0, b1, b2, b3), T.Sums(b4, b5, b6, b7));
        Add(sums, output + 2, wanted, T.Sums(c0, c1, c2, c3), T.Sums(c4, c5, c6, c7));
    }

    // Four rows by three outputs: 12 sums, three widened weights and a piece of x fit into 16 vector registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyFourRows<T, TWeights>(
        float* x, float* sums, long output, long wanted, long from, long to, int half, int together)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        T a0 = default, a1 = default, a2 = default, a3 = default;
        T b0 = default, b1 = default, b2 = default, b3 = default;
        T c0 = default, c1 = default, c2 = default, c3 = default;
        var stride = Inputs * TWeights.Size;
        var ahead = 3 * stride;
        byte* a = _first + output * stride, b = a + stride, c = b + stride;
        var row = x + from * together + half * 2 * T.Lanes;
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
            z = T.Load(row + 4 * T.Lanes);
            a2 = T.FusedMultiplyAdd(p, z, a2); b2 = T.FusedMultiplyAdd(q, z, b2); c2 = T.FusedMultiplyAdd(r, z, c2);
            z = T.Load(row + 6 * T.Lanes);
            a3 = T.FusedMultiplyAdd(p, z, a3); b3 = T.FusedMultiplyAdd(q, z, b3); c3 = T.FusedMultiplyAdd(r, z, c3);
            (p, q, r) = (TWeights.Load(a + at * TWeights.Size).Second, TWeights.Load(b + at * TWeights.Size).Second,
                TWeights.Load(c + at * TWeights.Size).Second);
            z = T.Load(row + 1 * T.Lanes);
            a0 = T.FusedMultiplyAdd(p, z, a0); b0 = T.FusedMultiplyAdd(q, z, b0); c0 = T.FusedMultiplyAdd(r, z, c0);
            z = T.Load(row + 3 * T.Lanes);
            a1 = T.FusedMultiplyAdd(p, z, a1); b1 = T.FusedMultiplyAdd(q, z, b1); c1 = T.FusedMultiplyAdd(r, z, c1);
            z = T.Load(row + 5 * T.Lanes);
            a2 = T.FusedMultiplyAdd(p, z, a2); b2 = T.FusedMultiplyAdd(q, z, b2); c2 = T.FusedMultiplyAdd(r, z, c2);
            z = T.Load(row + 7 * T.Lanes);
            a3 = T.FusedMultiplyAdd(p, z, a3); b3 = T.FusedMultiplyAdd(q, z, b3); c3 = T.FusedMultiplyAdd(r, z, c3);
        }

        Add(sums, output, wanted, T.Sums(a0, a1, a2, a3), half, together);
        Add(sums, output + 1, wanted, T.Sums(b0, b1, b2, b3), half, together);
        Add(sums, output + 2, wanted, T.Sums(c0, c1, c2, c3), half, together);
    }

    // The last tile begins earlier where the number of outputs is no multiple; the outputs before the wanted ones are another tile's.
    private static void Add(float* sums, long output, long wanted, Vector128<float> first, Vector128<float> second)
    {
        if (output < wanted) return;
        var place = sums + output * RowsAtOnce;
        (Vector256.Load(place) + Vector256.Create(first, second)).Store(place);
    }

    private static void Add(float* sums, long output, long wanted, Vector128<float> all, int half, int together)
    {
        if (output < wanted) return;
        var place = sums + output * together + half;
        (Vector128.Load(place) + all).Store(place);
    }
}
