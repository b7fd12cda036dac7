using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// A matrix W (O, I) in memory, in float32, bfloat16 or int8, as few rows are multiplied with it: it is read once, in order, by all
/// threads, so that memory is the limit up to 8 rows. Products and sums are float32; a row's result does not depend on the others.
/// </summary>
internal sealed unsafe class ThinMatrix : IDisposable
{
    public const int RowsAtOnce = 8;
    public const int Step = 32;           // weights that are widened together, into two vectors; I is a multiple of it
    private const int Half = Step / 2;
    private const int Piece = 96;         // outputs that a thread takes at a time
    private const int InputsAtOnce = 1024; // whose x stays in a core's first cache while the outputs of a piece pass

    private readonly Tensor _weight;
    private readonly Tensor? _scales;
    private readonly byte* _first;
    private readonly float* _scale;

    /// <summary>Whether the processor can, and the matrix is one of those.</summary>
    public static bool Fits(Tensor weight) =>
        Avx512F.IsSupported && weight.device_type == DeviceType.CPU && weight.is_contiguous()
        && weight.dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Int8 && weight.shape[0] >= 4
            && weight.shape[1] % Step == 0;

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

    /// <summary>Whether x is laid out in the order of <see cref="Pairs"/>.</summary>
    public bool TakesPairs { get; }

    /// <summary>Rows of memory that x and y need for some rows.</summary>
    public static long Padded(long rows) => rows == 1 ? 1 : (rows + RowsAtOnce - 1) / RowsAtOnce * RowsAtOnce;

    /// <summary>
    /// Brings x into the order in which it is read: of several rows every <see cref="Step"/> values together, since whole rows begin at
    /// addresses that displace each other from the cache; for bfloat16 in the order of <see cref="Pairs"/>.
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
                var (low, high) = (Vector512.Load(x + row * Inputs + at), Vector512.Load(x + row * Inputs + at + Half));
                (TakesPairs ? Avx512F.PermuteVar16x32x2(low, Even, high) : low).Store(place);
                (TakesPairs ? Avx512F.PermuteVar16x32x2(low, Odd, high) : high).Store(place + Half);
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
            case ScalarType.BFloat16: Multiply<Pairs>(piece, x, y, rows); break;
            case ScalarType.Int8: Multiply<Whole>(piece, x, y, rows); break;
            default: Multiply<Plain>(piece, x, y, rows); break;
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
                        One<TWeights>(x, sums - first, Math.Min(output, Outputs - 4), output, from, Math.Min(Inputs, from + InputsAtOnce));
            else
                for (var from = 0L; from < Inputs; from += InputsAtOnce)
                    for (var output = first; output < end; output += 3)
                        Eight<TWeights>(x + row * Inputs, sums - first * RowsAtOnce, Math.Min(output, Outputs - 3), output, from,
                            Math.Min(Inputs, from + InputsAtOnce));
            for (var r = 0; r < together; r++)
                for (var output = first; output < end; output++)
                    y[(row + r) * Outputs + output] = sums[(output - first) * together + r] * (_scale is null ? 1 : _scale[output]);
        }
    }

    // Four outputs at a time: four streams of memory are faster than one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void One<TWeights>(float* x, float* sums, long output, long wanted, long from, long to) where TWeights : struct, IWeights
    {
        Vector512<float> p = default, q = default, r = default, s = default;
        var stride = Inputs * TWeights.Size;
        var ahead = TWeights.Size > 1 ? 512 : 4 * stride; // int8 is faster with the next four rows fetched, the others with what follows
        byte* a = _first + output * stride, b = a + stride, c = b + stride, d = c + stride;
        for (var at = from; at < to; at += Step)
        {
            var (first, second) = (Vector512.Load(x + at), Vector512.Load(x + at + Half));
            Sse.Prefetch0(a + at * TWeights.Size + ahead);
            var (low, high) = TWeights.Load(a + at * TWeights.Size);
            p = Vector512.FusedMultiplyAdd(high, second, Vector512.FusedMultiplyAdd(low, first, p));
            Sse.Prefetch0(b + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(b + at * TWeights.Size);
            q = Vector512.FusedMultiplyAdd(high, second, Vector512.FusedMultiplyAdd(low, first, q));
            Sse.Prefetch0(c + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(c + at * TWeights.Size);
            r = Vector512.FusedMultiplyAdd(high, second, Vector512.FusedMultiplyAdd(low, first, r));
            Sse.Prefetch0(d + at * TWeights.Size + ahead);
            (low, high) = TWeights.Load(d + at * TWeights.Size);
            s = Vector512.FusedMultiplyAdd(high, second, Vector512.FusedMultiplyAdd(low, first, s));
        }

        var all = Sums(p, q, r, s);
        for (var i = Math.Max(0, wanted - output); i < 4; i++) sums[output + i] += all[(int)i];
    }

    // Eight rows by three outputs: 24 sums, the widened weights and a piece of x fit into the 32 vector registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Eight<TWeights>(float* x, float* sums, long output, long wanted, long from, long to) where TWeights : struct, IWeights
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
            Vector512<float> z;
            z = Vector512.Load(row + 0); a0 = Vector512.FusedMultiplyAdd(p, z, a0); b0 = Vector512.FusedMultiplyAdd(q, z, b0); c0 =
                Vector512.FusedMultiplyAdd(r, z, c0);
            z = Vector512.Load(row + 32); a1 = Vector512.FusedMultiplyAdd(p, z, a1); b1 = Vector512.FusedMultiplyAdd(q, z, b1); c1 =
                Vector512.FusedMultiplyAdd(r, z, c1);
            z = Vector512.Load(row + 64); a2 = Vector512.FusedMultiplyAdd(p, z, a2); b2 = Vector512.FusedMultiplyAdd(q, z, b2); c2 =
                Vector512.FusedMultiplyAdd(r, z, c2);
            z = Vector512.Load(row + 96); a3 = Vector512.FusedMultiplyAdd(p, z, a3); b3 = Vector512.FusedMultiplyAdd(q, z, b3); c3 =
                Vector512.FusedMultiplyAdd(r, z, c3);
            z = Vector512.Load(row + 128); a4 = Vector512.FusedMultiplyAdd(p, z, a4); b4 = Vector512.FusedMultiplyAdd(q, z, b4); c4 =
                Vector512.FusedMultiplyAdd(r, z, c4);
            z = Vector512.Load(row + 160); a5 = Vector512.FusedMultiplyAdd(p, z, a5); b5 = Vector512.FusedMultiplyAdd(q, z, b5); c5 =
                Vector512.FusedMultiplyAdd(r, z, c5);
            z = Vector512.Load(row + 192); a6 = Vector512.FusedMultiplyAdd(p, z, a6); b6 = Vector512.FusedMultiplyAdd(q, z, b6); c6 =
                Vector512.FusedMultiplyAdd(r, z, c6);
            z = Vector512.Load(row + 224); a7 = Vector512.FusedMultiplyAdd(p, z, a7); b7 = Vector512.FusedMultiplyAdd(q, z, b7); c7 =
                Vector512.FusedMultiplyAdd(r, z, c7);
            z = Vector512.Load(row + 16); a0 = Vector512.FusedMultiplyAdd(s, z, a0); b0 = Vector512.FusedMultiplyAdd(t, z, b0); c0 =
                Vector512.FusedMultiplyAdd(u, z, c0);
            z = Vector512.Load(row + 48); a1 = Vector512.FusedMultiplyAdd(s, z, a1); b1 = Vector512.FusedMultiplyAdd(t, z, b1); c1 =
                Vector512.FusedMultiplyAdd(u, z, c1);
            z = Vector512.Load(row + 80); a2 = Vector512.FusedMultiplyAdd(s, z, a2); b2 = Vector512.FusedMultiplyAdd(t, z, b2); c2 =
                Vector512.FusedMultiplyAdd(u, z, c2);
            z = Vector512.Load(row + 112); a3 = Vector512.FusedMultiplyAdd(s, z, a3); b3 = Vector512.FusedMultiplyAdd(t, z, b3); c3 =
                Vector512.FusedMultiplyAdd(u, z, c3);
            z = Vector512.Load(row + 144); a4 = Vector512.FusedMultiplyAdd(s, z, a4); b4 = Vector512.FusedMultiplyAdd(t, z, b4); c4 =
                Vector512.FusedMultiplyAdd(u, z, c4);
            z = Vector512.Load(row + 176); a5 = Vector512.FusedMultiplyAdd(s, z, a5); b5 = Vector512.FusedMultiplyAdd(t, z, b5); c5 =
                Vector512.FusedMultiplyAdd(u, z, c5);
            z = Vector512.Load(row + 208); a6 = Vector512.FusedMultiplyAdd(s, z, a6); b6 = Vector512.FusedMultiplyAdd(t, z, b6); c6 =
                Vector512.FusedMultiplyAdd(u, z, c6);
            z = Vector512.Load(row + 240); a7 = Vector512.FusedMultiplyAdd(s, z, a7); b7 = Vector512.FusedMultiplyAdd(t, z, b7); c7 =
                Vector512.FusedMultiplyAdd(u, z, c7);
        }

        Add(sums, output, wanted, Sums(a0, a1, a2, a3), Sums(a4, a5, a6, a7));
        Add(sums, output + 1, wanted, Sums(b0, b1, b2, b3), Sums(b4, b5, b6, b7));
        Add(sums, output + 2, wanted, Sums(c0, c1, c2, c3), Sums(c4, c5, c6, c7));
    }

    // The last tile begins earlier where the number of outputs does not divide; those before the wanted ones are another tile's.
    private static void Add(float* sums, long output, long wanted, Vector128<float> first, Vector128<float> second)
    {
        if (output < wanted) return;
        var place = sums + output * RowsAtOnce;
        (Vector256.Load(place) + Vector256.Create(first, second)).Store(place);
    }

    /// <summary>The sums of four vectors, all in the same order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<float> Sums(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        var ab = (Avx512F.UnpackLow(a, b) + Avx512F.UnpackHigh(a, b)).AsDouble();
        var cd = (Avx512F.UnpackLow(c, d) + Avx512F.UnpackHigh(c, d)).AsDouble();
        var quarters = Avx512F.UnpackLow(ab, cd).AsSingle() + Avx512F.UnpackHigh(ab, cd).AsSingle();
        var halves = quarters.GetLower() + quarters.GetUpper();
        return halves.GetLower() + halves.GetUpper();
    }

    private static readonly Vector512<int> Even = Vector512.CreateSequence(0, 2), Odd = Vector512.CreateSequence(1, 2);

    /// <summary>How weights are stored; structures, so that they are compiled into the loops.</summary>
    private interface IWeights
    {
        static abstract int Size { get; } // bytes of one

        /// <summary>Widens <see cref="Step"/> weights.</summary>
        static abstract (Vector512<float> First, Vector512<float> Second) Load(byte* from);
    }

    /// <summary>
    /// bfloat16: a lane of 32 bits holds two neighbours. The odd one in its upper half is a float32 as soon as the lower half is
    /// cleared, the even one after a shift: of each 32 values first the 16 even ones, then the 16 odd ones.
    /// </summary>
    private readonly struct Pairs : IWeights
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
    private readonly struct Whole : IWeights
    {
        public static int Size => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> First, Vector512<float> Second) Load(byte* from) =>
            (Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)from))),
                Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)from + Half))));
    }

    /// <summary>float32, in order.</summary>
    private readonly struct Plain : IWeights
    {
        public static int Size => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static (Vector512<float> First, Vector512<float> Second) Load(byte* from) =>
            (Vector512.Load((float*)from), Vector512.Load((float*)from + Half));
    }
}
