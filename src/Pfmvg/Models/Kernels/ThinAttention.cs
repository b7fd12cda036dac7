using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Pfmvg.Models.Language;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>Attention of one head at one new position, in float32, over keys and values that are kept in float32 or bfloat16.</summary>
/// <param name="type">Type of keys and values.</param>
/// <param name="headSize">D, a multiple of <see cref="ThinVectors.Lanes"/>.</param>
internal sealed unsafe class ThinAttention(ScalarType type, int headSize)
{
    private const int Lanes = ThinVectors.Lanes;

    /// <summary>The rotation of <see cref="Rotary"/>.</summary>
    /// <param name="x">(D).</param>
    /// <param name="cos">(D), the table in float32.</param>
    /// <param name="sin">(D), likewise.</param>
    /// <param name="to">(D).</param>
    public void Rotate(float* x, float* cos, float* sin, float* to)
    {
        var half = headSize / 2;
        for (var i = 0; i < half; i++)
        {
            to[i] = x[i] * cos[i] + x[i + half] * sin[i];
            to[i + half] = x[i + half] * cos[i + half] + x[i] * sin[i + half];
        }
    }

    /// <summary>softmax(q k^T / sqrt(D)) v.</summary>
    /// <param name="query">(D), rotated.</param>
    /// <param name="keys">(K, D).</param>
    /// <param name="values">(K, D).</param>
    /// <param name="count">K.</param>
    /// <param name="padding">Positions that are not seen.</param>
    /// <param name="scores">Memory for K scores, rounded up to whole vectors.</param>
    /// <param name="to">(D).</param>
    public void Attend(float* query, byte* keys, byte* values, long count, (long From, long To) padding, float* scores, float* to)
    {
        if (type == ScalarType.BFloat16) Attend<BFloat16Elements>(query, keys, values, count, padding, scores, to);
        else Attend<Float32Elements>(query, keys, values, count, padding, scores, to);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Attend<T>(float* query, byte* keys, byte* values, long count, (long From, long To) padding, float* scores, float* to)
        where T : struct, IElements
    {
        var size = headSize;
        var stride = size * T.Size;
        var scale = 1 / MathF.Sqrt(size);
        for (long key = 0; key < count; key += 4)
        {
            // Four scores at a time; behind the last key it is taken again.
            byte* a = keys + key * stride, b = keys + Math.Min(key + 1, count - 1) * stride,
                c = keys + Math.Min(key + 2, count - 1) * stride, d = keys + Math.Min(key + 3, count - 1) * stride;
            Vector512<float> p = default, q = default, r = default, s = default;
            for (var i = 0; i < size; i += Lanes)
            {
                var part = Vector512.Load(query + i);
                p = Vector512.FusedMultiplyAdd(T.Load(a + i * T.Size), part, p);
                q = Vector512.FusedMultiplyAdd(T.Load(b + i * T.Size), part, q);
                r = Vector512.FusedMultiplyAdd(T.Load(c + i * T.Size), part, r);
                s = Vector512.FusedMultiplyAdd(T.Load(d + i * T.Size), part, s);
            }

            (ThinVectors.Sums(p, q, r, s) * scale).Store(scores + key);
        }

        for (var key = padding.From; key < padding.To; key++) scores[key] = float.NegativeInfinity;
        for (var key = count; key % Lanes != 0; key++) scores[key] = float.NegativeInfinity;
        var most = Vector512.Create(float.NegativeInfinity);
        for (long key = 0; key < count; key += Lanes) most = Vector512.Max(most, Vector512.Load(scores + key));
        var largest = float.NegativeInfinity;
        for (var lane = 0; lane < Lanes; lane++) largest = MathF.Max(largest, most[lane]);
        var total = Vector512<float>.Zero;
        for (long key = 0; key < count; key += Lanes)
        {
            var weight = Vector512.Exp(Vector512.Load(scores + key) - Vector512.Create(largest));
            weight.Store(scores + key);
            total += weight;
        }

        var rescale = Vector512.Create(1 / Vector512.Sum(total));
        var at = 0;
        for (; at + 4 * Lanes <= size; at += 4 * Lanes)
        {
            Vector512<float> a = default, b = default, c = default, d = default;
            var from = values + at * T.Size;
            for (long key = 0; key < count; key++, from += stride)
            {
                var weight = Vector512.Create(scores[key]);
                a = Vector512.FusedMultiplyAdd(weight, T.Load(from), a);
                b = Vector512.FusedMultiplyAdd(weight, T.Load(from + Lanes * T.Size), b);
                c = Vector512.FusedMultiplyAdd(weight, T.Load(from + 2 * Lanes * T.Size), c);
                d = Vector512.FusedMultiplyAdd(weight, T.Load(from + 3 * Lanes * T.Size), d);
            }

            (a * rescale).Store(to + at);
            (b * rescale).Store(to + at + Lanes);
            (c * rescale).Store(to + at + 2 * Lanes);
            (d * rescale).Store(to + at + 3 * Lanes);
        }

        for (; at < size; at += Lanes)
        {
            var sum = Vector512<float>.Zero;
            var from = values + at * T.Size;
            for (long key = 0; key < count; key++, from += stride)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(scores[key]), T.Load(from), sum);
            (sum * rescale).Store(to + at);
        }
    }

    private interface IElements
    {
        static abstract int Size { get; } // bytes of one

        /// <summary>Widens <see cref="Lanes"/> elements.</summary>
        static abstract Vector512<float> Load(byte* from);
    }

    private readonly struct Float32Elements : IElements
    {
        public static int Size => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load(byte* from) => Vector512.Load((float*)from);
    }

    private readonly struct BFloat16Elements : IElements
    {
        public static int Size => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<float> Load(byte* from) =>
            Vector512.ShiftLeft(Avx512F.ConvertToVector512Int32(Vector256.Load((ushort*)from)), 16).AsSingle();
    }
}
