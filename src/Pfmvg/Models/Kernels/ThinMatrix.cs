using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Pfmvg.Tensors;
using TorchSharp;
using static System.Runtime.Intrinsics.Vector512;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// A matrix W (O, I) in memory, in float32, bfloat16 or int8, for products with few rows: all threads together read it once, in order, so
/// that memory is the limit up to 8 rows. Products and sums are float32; a row's result does not depend on the others.
/// </summary>
internal sealed unsafe class ThinMatrix : IDisposable
{
    public const int RowsAtOnce = 8;
    public const int Step = 32;           // weights that are widened together, into two vectors; I is a multiple of it
    private const int HalfStep = Step / 2;
    private const int Piece = 96;         // outputs that a thread takes at a time
    private const int InputsAtOnce = 1024; // whose x stays in a core's first cache while the outputs of a piece pass

    private readonly Tensor _weight;
    private readonly Tensor? _scales;
    private readonly byte* _first;
    private readonly float* _scale;

    /// <summary>Whether the processor has AVX-512, and the matrix a type and sizes that are known here.</summary>
    public static bool Fits(Tensor weight) =>
        Avx512F.IsSupported && weight.device_type == DeviceType.CPU && weight.is_contiguous()
        && weight.dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Int8
        && weight.shape[0] >= 4 && weight.shape[1] % Step == 0;

    /// <param name="weight">(O, I), which stays where it is.</param>
    /// <param name="scale">(O), by which the outputs of an int8 matrix are multiplied.</param>
    public ThinMatrix(Tensor weight, Tensor? scale)
    {
        _weight = weight;
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

    /// <summary>Whether x is laid out in the order of <see cref="BFloat16Pairs"/>.</summary>
    public bool TakesPairs { get; }

    /// <summary>Rows of memory that x and y need for some rows.</summary>
    public static long Padded(long rows) => rows == 1 ? 1 : (rows + RowsAtOnce - 1) / RowsAtOnce * RowsAtOnce;

    /// <summary>
    /// Brings x into the order in which it is read. Several rows take turns, <see cref="Step"/> values at a time, since whole rows begin at
    /// addresses that displace each other from the cache. For bfloat16 the values are in the order of <see cref="BFloat16Pairs"/>.
    /// </summary>
    /// <param name="x">(R, I).</param>
    /// <param name="to">(padded rows, I), where the rows that pad are not written.</param>
    /// <param name="rows">R.</param>
    public void LayOut(float* x, float* to, long rows)
    {
        var together = rows == 1 ? 1 : RowsAtOnce;
        for (var row = 0L; row < rows; row++)
        {
            var place = to + row / together * together * Inputs + row % together * Step;
            for (var at = 0L; at < Inputs; at += Step, place += together * Step)
            {
                var (low, high) = (Vector512.Load(x + row * Inputs + at), Vector512.Load(x + row * Inputs + at + HalfStep));
                (TakesPairs ? Avx512F.PermuteVar16x32x2(low, Even, high) : low).Store(place);
                (TakesPairs ? Avx512F.PermuteVar16x32x2(low, Odd, high) : high).Store(place + HalfStep);
            }
        }
    }

    /// <summary>Some neighbouring outputs of all rows.</summary>
    /// <param name="piece">Which of the <see cref="Pieces"/>.</param>
    /// <param name="x">(padded rows, I), laid out.</param>
    /// <param name="y">(padded rows, O).</param>
    /// <param name="rows">Rows, padded.</param>
    public void Multiply(long piece, float* x, float* y, long rows)
    {
        switch (_weight.dtype)
        {
            case ScalarType.BFloat16: Multiply<BFloat16Pairs>(piece, x, y, rows); break;
            case ScalarType.Int8: Multiply<Int8Weights>(piece, x, y, rows); break;
            default: Multiply<Float32Weights>(piece, x, y, rows); break;
        }
    }

    private void Multiply<TWeights>(long piece, float* x, float* y, long rows) where TWeights : struct, IWeights
    {
        var (first, end) = (piece * Piece, Math.Min(Outputs, (piece + 1) * Piece));
        var together = rows == 1 ? 1 : RowsAtOnce;
        var sums = stackalloc float[Piece * together]; // (outputs of the piece, rows of a tile)
        for (var row = 0L; row < rows; row += together)
        {
            new Span<float>(sums, Piece * together).Clear();
            if (together == 1)
                for (var output = first; output < end; output += 4)
                    for (var from = 0L; from < Inputs; from += InputsAtOnce)
                        MultiplyOneRow<TWeights>(
                            x, sums - first, Math.Min(output, Outputs - 4), output, from, Math.Min(Inputs, from + InputsAtOnce));
            else
                for (var from = 0L; from < Inputs; from += InputsAtOnce)
                    for (var output = first; output < end; output += 3)
                        MultiplyEightRows<TWeights>(
                            x + row * Inputs, sums - first * RowsAtOnce, Math.Min(output, Outputs - 3), output, from,
                            Math.Min(Inputs, from + InputsAtOnce));
            for (var r = 0; r < together; r++)
                for (var output = first; output < end; output++)
                    y[(row + r) * Outputs + output] = sums[(output - first) * together + r] * (_scale is null ? 1 : _scale[output]);
        }
    }

    // Four outputs at a time: four streams of memory are faster than one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyOneRow<TWeights>(float* x, float* sums, long output, long wanted, long from, long to)
        where TWeights : struct, IWeights
    {
        Vector512<float> p = default, q = default, r = default, s = default;
        var stride = Inputs * TWeights.Size;
        var ahead = TWeights.Size > 1 ? 512 : 4 * stride; // int8 is faster with the next four rows fetched, the others with what follows
        byte* a = _first + output * stride, b = a + stride, c = b + stride, d = c + stride;
        for (var at = from; at < to; at += Step)
        {
            var (first, second) = (Vector512.Load(x + at), Vector512.Load(x + at + HalfStep));
            Sse.Prefetch0(a + at * TWeights.Size + ahead);
            var (low, high) = TWeights.Load(a + at * TWeights.Size);
            p = FusedMultiplyAdd(high, second, FusedMultiplyAdd(low, first, p));
            Sse.Prefetch0(b + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(b + at * TWeights.Size);
            q = FusedMultiplyAdd(high, second, FusedMultiplyAdd(low, first, q));
            Sse.Prefetch0(c + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(c + at * TWeights.Size);
            r = FusedMultiplyAdd(high, second, FusedMultiplyAdd(low, first, r));
            Sse.Prefetch0(d + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(d + at * TWeights.Size);
            s = FusedMultiplyAdd(high, second, FusedMultiplyAdd(low, first, s));
        }

        var all = ThinVectors.Sums(p, q, r, s);
        for (var i = Math.Max(0, wanted - output); i < 4; i++) sums[output + i] += all[(int)i];
    }

    // Eight rows by three outputs: 24 sums, the widened weights and a piece of x fit into the 32 vector registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyEightRows<TWeights>(float* x, float* sums, long output, long wanted, long from, long to)
        where TWeights : struct, IWeights
    {
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
        Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
        Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
        var stride = Inputs * TWeights.Size;
        var ahead = 3 * stride; // the processor itself fetches ahead within a page only
        byte* a = _first + output * stride, b = a + stride, c = b + stride;
        var row = x + from * RowsAtOnce;
        for (var at = from; at < to; at += Step, row += Step * RowsAtOnce)
        {
            Sse.Prefetch1(a + at * TWeights.Size + ahead);
            var (p, s) = TWeights.Load(a + at * TWeights.Size);
            Sse.Prefetch1(b + at * TWeights.Size + ahead);
            var (q, t) = TWeights.Load(b + at * TWeights.Size);
            Sse.Prefetch1(c + at * TWeights.Size + ahead);
            var (r, u) = TWeights.Load(c + at * TWeights.Size);
            var z = Load(row + 0); a0 = FusedMultiplyAdd(p, z, a0); b0 = FusedMultiplyAdd(q, z, b0); c0 = FusedMultiplyAdd(r, z, c0);
            z = Load(row + 32); a1 = FusedMultiplyAdd(p, z, a1); b1 = FusedMultiplyAdd(q, z, b1); c1 = FusedMultiplyAdd(r, z, c1);
            z = Load(row + 64); a2 = FusedMultiplyAdd(p, z, a2); b2 = FusedMultiplyAdd(q, z, b2); c2 = FusedMultiplyAdd(r, z, c2);
            z = Load(row + 96); a3 = FusedMultiplyAdd(p, z, a3); b3 = FusedMultiplyAdd(q, z, b3); c3 = FusedMultiplyAdd(r, z, c3);
            z = Load(row + 128); a4 = FusedMultiplyAdd(p, z, a4); b4 = FusedMultiplyAdd(q, z, b4); c4 = FusedMultiplyAdd(r, z, c4);
            z = Load(row + 160); a5 = FusedMultiplyAdd(p, z, a5); b5 = FusedMultiplyAdd(q, z, b5); c5 = FusedMultiplyAdd(r, z, c5);
            z = Load(row + 192); a6 = FusedMultiplyAdd(p, z, a6); b6 = FusedMultiplyAdd(q, z, b6); c6 = FusedMultiplyAdd(r, z, c6);
            z = Load(row + 224); a7 = FusedMultiplyAdd(p, z, a7); b7 = FusedMultiplyAdd(q, z, b7); c7 = FusedMultiplyAdd(r, z, c7);
            z = Load(row + 16); a0 = FusedMultiplyAdd(s, z, a0); b0 = FusedMultiplyAdd(t, z, b0); c0 = FusedMultiplyAdd(u, z, c0);
            z = Load(row + 48); a1 = FusedMultiplyAdd(s, z, a1); b1 = FusedMultiplyAdd(t, z, b1); c1 = FusedMultiplyAdd(u, z, c1);
            z = Load(row + 80); a2 = FusedMultiplyAdd(s, z, a2); b2 = FusedMultiplyAdd(t, z, b2); c2 = FusedMultiplyAdd(u, z, c2);
            z = Load(row + 112); a3 = FusedMultiplyAdd(s, z, a3); b3 = FusedMultiplyAdd(t, z, b3); c3 = FusedMultiplyAdd(u, z, c3);
            z = Load(row + 144); a4 = FusedMultiplyAdd(s, z, a4); b4 = FusedMultiplyAdd(t, z, b4); c4 = FusedMultiplyAdd(u, z, c4);
            z = Load(row + 176); a5 = FusedMultiplyAdd(s, z, a5); b5 = FusedMultiplyAdd(t, z, b5); c5 = FusedMultiplyAdd(u, z, c5);
            z = Load(row + 208); a6 = FusedMultiplyAdd(s, z, a6); b6 = FusedMultiplyAdd(t, z, b6); c6 = FusedMultiplyAdd(u, z, c6);
            z = Load(row + 240); a7 = FusedMultiplyAdd(s, z, a7); b7 = FusedMultiplyAdd(t, z, b7); c7 = FusedMultiplyAdd(u, z, c7);
        }

        Add(sums, output, wanted, ThinVectors.Sums(a0, a1, a2, a3), ThinVectors.Sums(a4, a5, a6, a7));
        Add(sums, output + 1, wanted, ThinVectors.Sums(b0, b1, b2, b3), ThinVectors.Sums(b4, b5, b6, b7));
        Add(sums, output + 2, wanted, ThinVectors.Sums(c0, c1, c2, c3), ThinVectors.Sums(c4, c5, c6, c7));
    }

    // The last tile begins earlier where the number of outputs is no multiple; the outputs before the wanted ones are another tile's.
    private static void Add(float* sums, long output, long wanted, Vector128<float> first, Vector128<float> second)
    {
        if (output < wanted) return;
        var place = sums + output * RowsAtOnce;
        (Vector256.Load(place) + Vector256.Create(first, second)).Store(place);
    }

    private static readonly Vector512<int> Even = Vector512.CreateSequence(0, 2), Odd = Vector512.CreateSequence(1, 2);

    /// <summary>How weights are stored. They are structures, so that they are compiled into the loops.</summary>
    private interface IWeights
    {
        static abstract int Size { get; } // bytes of one

        /// <summary>Widens <see cref="Step"/> weights.</summary>
        static abstract (Vector512<float> First, Vector512<float> Second) Load(byte* from);
    }

    /// <summary>
    /// bfloat16, of each 32 values first the 16 even ones, then the 16 odd ones. A lane of 32 bits holds two neighbours: the odd one in its
    /// upper half is a float32 once the lower half is cleared, the even one after a shift.
    /// </summary>
    private readonly struct BFloat16Pairs : IWeights
    {
        public static int Size => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> First, Vector512<float> Second) Load(byte* from)
        {
            var pairs = Vector512.Load((uint*)from);
            return (Vector512.ShiftLeft(pairs, 16).AsSingle(), (pairs & Vector512.Create(0xFFFF0000u)).AsSingle());
        }
    }

    /// <summary>int8, in order.</summary>
    private readonly struct Int8Weights : IWeights
    {
        public static int Size => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> First, Vector512<float> Second) Load(byte* from) =>
            (Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)from))),
                Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)from + HalfStep))));
    }

    /// <summary>float32, in order.</summary>
    private readonly struct Float32Weights : IWeights
    {
        public static int Size => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> First, Vector512<float> Second) Load(byte* from) =>
            (Vector512.Load((float*)from), Vector512.Load((float*)from + HalfStep));
    }
}
