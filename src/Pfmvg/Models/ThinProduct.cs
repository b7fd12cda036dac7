using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Pfmvg.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models;

/// <summary>
/// x W^T for few rows of x, as decoding needs it: W (O, I), in bfloat16 or int8, is read once, in order, by all threads, so that
/// memory is the limit up to 8 rows. Products and sums are float32.
/// </summary>
internal static unsafe class ThinProduct
{
    private const int MostRows = 16;      // more are limited by computing, where a copy of W in floating point pays
    private const int RowsAtOnce = 8;
    private const int Step = 32, Half = Step / 2; // weights that are widened together, into two vectors
    private const int Piece = 96;         // outputs that a thread takes at a time

    /// <summary>Whether the product can be made here; the caller sees to it that no gradient is wanted.</summary>
    public static bool Fits(long rows, Tensor x, Tensor weight) =>
        rows <= MostRows && Avx512F.IsSupported && x.device_type == DeviceType.CPU && weight.is_contiguous()
        && (weight.dtype == ScalarType.BFloat16 && x.dtype == ScalarType.BFloat16
            || weight.dtype == ScalarType.Int8 && x.dtype is ScalarType.BFloat16 or ScalarType.Float32)
        && weight.shape[0] >= 4 && weight.shape[1] % Step == 0;

    /// <summary>(R, I) by (O, I) to (R, O) in the type of x.</summary>
    /// <param name="x">(R, I).</param>
    /// <param name="weight">(O, I).</param>
    /// <param name="scale">(O), by which the outputs of an int8 matrix are multiplied.</param>
    public static Tensor Of(Tensor x, Tensor weight, Tensor? scale)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (rows, inputs, outputs) = (x.shape[0], x.shape[1], weight.shape[0]);
        var padded = rows == 1 ? 1 : (rows + RowsAtOnce - 1) / RowsAtOnce * RowsAtOnce;
        var (plain, scales) = (x.contiguous(), scale?.to(ScalarType.Float32).contiguous());
        var result = empty([rows, outputs], x.dtype);
        // What follows costs microseconds; the same with tensors costs as much as reading a small matrix.
        var wide = (float*)NativeMemory.AlignedAlloc((nuint)(padded * (inputs + outputs) * sizeof(float)), 64);
        try
        {
            var sums = wide + padded * inputs;
            LayOut(plain, wide, weight.dtype == ScalarType.BFloat16);
            new Span<float>(wide + rows * inputs, checked((int)((padded - rows) * inputs))).Clear();
            var product = new Product(TensorMemory.Address(weight), scales is null ? null : (float*)TensorMemory.Address(scales), wide, sums, padded, inputs, outputs);
            ThreadTeam.Run(get_num_threads(), (outputs + Piece - 1) / Piece, weight.dtype == ScalarType.Int8 ? product.Run<Whole> : product.Run<Pairs>);
            var from = new ReadOnlySpan<byte>(sums, checked((int)(rows * outputs * sizeof(float))));
            var to = new Span<byte>(TensorMemory.Address(result), checked((int)(rows * outputs * TensorTypes.Size(x.dtype))));
            if (x.dtype == ScalarType.Float32) from.CopyTo(to);
            else FloatBlocks.Convert(from, ScalarType.Float32, to, x.dtype);
        }
        finally
        {
            NativeMemory.AlignedFree(wide);
        }

        foreach (var kept in (Tensor?[])[weight, scales, plain, result]) GC.KeepAlive(kept);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>Widens x to float32, for bfloat16 weights in the order of <see cref="Pairs"/>.</summary>
    private static void LayOut(Tensor x, float* to, bool asPairs)
    {
        var count = x.numel();
        var from = TensorMemory.Address(x);
        if (!asPairs)
        {
            var source = new ReadOnlySpan<byte>(from, checked((int)(count * TensorTypes.Size(x.dtype))));
            var target = new Span<byte>(to, checked((int)(count * sizeof(float))));
            if (x.dtype == ScalarType.Float32) source.CopyTo(target);
            else FloatBlocks.Convert(source, x.dtype, target, ScalarType.Float32);
            return;
        }

        for (long at = 0; at < count; at += Step)
        {
            var (first, second) = Pairs.Load(from + at * Pairs.Size);
            first.Store(to + at);
            second.Store(to + at + Half);
        }
    }

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

    private sealed class Product(byte* weight, float* scale, float* x, float* y, long rows, long inputs, long outputs)
    {
        /// <summary>Some neighbouring outputs of all rows. The last tile overlaps the one before it where the number does not divide.</summary>
        public void Run<TWeights>(long piece) where TWeights : struct, IWeights
        {
            var end = Math.Min(outputs, (piece + 1) * Piece);
            if (rows == 1)
                for (var output = piece * Piece; output < end; output += 4) One<TWeights>(Math.Min(output, outputs - 4));
            else
                for (var output = piece * Piece; output < end; output += 3)
                    for (var row = 0L; row < rows; row += RowsAtOnce) Eight<TWeights>(row, Math.Min(output, outputs - 3));
        }

        // Four outputs at a time: four streams of memory are faster than one.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void One<TWeights>(long output) where TWeights : struct, IWeights
        {
            var length = inputs;
            Vector512<float> a0 = default, a1 = default, b0 = default, b1 = default, c0 = default, c1 = default, d0 = default, d1 = default;
            var stride = inputs * TWeights.Size;
            var ahead = 4 * stride; // the processor itself fetches ahead within a page only
            byte* a = weight + output * stride, b = a + stride, c = b + stride, d = c + stride;
            for (long at = 0; at < length; at += Step)
            {
                var (first, second) = (Vector512.Load(x + at), Vector512.Load(x + at + Half));
                Sse.Prefetch0(a + at * TWeights.Size + ahead);
                var (low, high) = TWeights.Load(a + at * TWeights.Size);
                (a0, a1) = (Vector512.FusedMultiplyAdd(low, first, a0), Vector512.FusedMultiplyAdd(high, second, a1));
                Sse.Prefetch0(b + at * TWeights.Size + ahead);
                (low, high) = TWeights.Load(b + at * TWeights.Size);
                (b0, b1) = (Vector512.FusedMultiplyAdd(low, first, b0), Vector512.FusedMultiplyAdd(high, second, b1));
                Sse.Prefetch0(c + at * TWeights.Size + ahead);
                (low, high) = TWeights.Load(c + at * TWeights.Size);
                (c0, c1) = (Vector512.FusedMultiplyAdd(low, first, c0), Vector512.FusedMultiplyAdd(high, second, c1));
                Sse.Prefetch0(d + at * TWeights.Size + ahead);
                (low, high) = TWeights.Load(d + at * TWeights.Size);
                (d0, d1) = (Vector512.FusedMultiplyAdd(low, first, d0), Vector512.FusedMultiplyAdd(high, second, d1));
            }

            Store(0, output, a0 + a1);
            Store(0, output + 1, b0 + b1);
            Store(0, output + 2, c0 + c1);
            Store(0, output + 3, d0 + d1);
        }

        // Eight rows by three outputs: 24 sums, the widened weights and a piece of x fit into the 32 vector registers.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Eight<TWeights>(long row, long output) where TWeights : struct, IWeights
        {
            var length = inputs;
            var from = x + row * length;
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
            Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
            Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
            var stride = length * TWeights.Size;
            var ahead = 3 * stride;
            byte* a = weight + output * stride, b = a + stride, c = b + stride;
            for (long at = 0; at < length; at += Step)
            {
                Sse.Prefetch0(a + at * TWeights.Size + ahead);
                var (p, s) = TWeights.Load(a + at * TWeights.Size);
                Sse.Prefetch0(b + at * TWeights.Size + ahead);
                var (q, t) = TWeights.Load(b + at * TWeights.Size);
                Sse.Prefetch0(c + at * TWeights.Size + ahead);
                var (r, u) = TWeights.Load(c + at * TWeights.Size);
                Vector512<float> z;
                z = Vector512.Load(from + at); a0 = Vector512.FusedMultiplyAdd(p, z, a0); b0 = Vector512.FusedMultiplyAdd(q, z, b0); c0 = Vector512.FusedMultiplyAdd(r, z, c0);
                z = Vector512.Load(from + 1 * length + at); a1 = Vector512.FusedMultiplyAdd(p, z, a1); b1 = Vector512.FusedMultiplyAdd(q, z, b1); c1 = Vector512.FusedMultiplyAdd(r, z, c1);
                z = Vector512.Load(from + 2 * length + at); a2 = Vector512.FusedMultiplyAdd(p, z, a2); b2 = Vector512.FusedMultiplyAdd(q, z, b2); c2 = Vector512.FusedMultiplyAdd(r, z, c2);
                z = Vector512.Load(from + 3 * length + at); a3 = Vector512.FusedMultiplyAdd(p, z, a3); b3 = Vector512.FusedMultiplyAdd(q, z, b3); c3 = Vector512.FusedMultiplyAdd(r, z, c3);
                z = Vector512.Load(from + 4 * length + at); a4 = Vector512.FusedMultiplyAdd(p, z, a4); b4 = Vector512.FusedMultiplyAdd(q, z, b4); c4 = Vector512.FusedMultiplyAdd(r, z, c4);
                z = Vector512.Load(from + 5 * length + at); a5 = Vector512.FusedMultiplyAdd(p, z, a5); b5 = Vector512.FusedMultiplyAdd(q, z, b5); c5 = Vector512.FusedMultiplyAdd(r, z, c5);
                z = Vector512.Load(from + 6 * length + at); a6 = Vector512.FusedMultiplyAdd(p, z, a6); b6 = Vector512.FusedMultiplyAdd(q, z, b6); c6 = Vector512.FusedMultiplyAdd(r, z, c6);
                z = Vector512.Load(from + 7 * length + at); a7 = Vector512.FusedMultiplyAdd(p, z, a7); b7 = Vector512.FusedMultiplyAdd(q, z, b7); c7 = Vector512.FusedMultiplyAdd(r, z, c7);
                z = Vector512.Load(from + at + Half); a0 = Vector512.FusedMultiplyAdd(s, z, a0); b0 = Vector512.FusedMultiplyAdd(t, z, b0); c0 = Vector512.FusedMultiplyAdd(u, z, c0);
                z = Vector512.Load(from + 1 * length + at + Half); a1 = Vector512.FusedMultiplyAdd(s, z, a1); b1 = Vector512.FusedMultiplyAdd(t, z, b1); c1 = Vector512.FusedMultiplyAdd(u, z, c1);
                z = Vector512.Load(from + 2 * length + at + Half); a2 = Vector512.FusedMultiplyAdd(s, z, a2); b2 = Vector512.FusedMultiplyAdd(t, z, b2); c2 = Vector512.FusedMultiplyAdd(u, z, c2);
                z = Vector512.Load(from + 3 * length + at + Half); a3 = Vector512.FusedMultiplyAdd(s, z, a3); b3 = Vector512.FusedMultiplyAdd(t, z, b3); c3 = Vector512.FusedMultiplyAdd(u, z, c3);
                z = Vector512.Load(from + 4 * length + at + Half); a4 = Vector512.FusedMultiplyAdd(s, z, a4); b4 = Vector512.FusedMultiplyAdd(t, z, b4); c4 = Vector512.FusedMultiplyAdd(u, z, c4);
                z = Vector512.Load(from + 5 * length + at + Half); a5 = Vector512.FusedMultiplyAdd(s, z, a5); b5 = Vector512.FusedMultiplyAdd(t, z, b5); c5 = Vector512.FusedMultiplyAdd(u, z, c5);
                z = Vector512.Load(from + 6 * length + at + Half); a6 = Vector512.FusedMultiplyAdd(s, z, a6); b6 = Vector512.FusedMultiplyAdd(t, z, b6); c6 = Vector512.FusedMultiplyAdd(u, z, c6);
                z = Vector512.Load(from + 7 * length + at + Half); a7 = Vector512.FusedMultiplyAdd(s, z, a7); b7 = Vector512.FusedMultiplyAdd(t, z, b7); c7 = Vector512.FusedMultiplyAdd(u, z, c7);
            }

            Store(row, output, a0); Store(row, output + 1, b0); Store(row, output + 2, c0);
            Store(row + 1, output, a1); Store(row + 1, output + 1, b1); Store(row + 1, output + 2, c1);
            Store(row + 2, output, a2); Store(row + 2, output + 1, b2); Store(row + 2, output + 2, c2);
            Store(row + 3, output, a3); Store(row + 3, output + 1, b3); Store(row + 3, output + 2, c3);
            Store(row + 4, output, a4); Store(row + 4, output + 1, b4); Store(row + 4, output + 2, c4);
            Store(row + 5, output, a5); Store(row + 5, output + 1, b5); Store(row + 5, output + 2, c5);
            Store(row + 6, output, a6); Store(row + 6, output + 1, b6); Store(row + 6, output + 2, c6);
            Store(row + 7, output, a7); Store(row + 7, output + 1, b7); Store(row + 7, output + 2, c7);
        }

        private void Store(long row, long output, Vector512<float> sums) => y[row * outputs + output] = Vector512.Sum(sums) * (scale is null ? 1 : scale[output]);
    }
}
