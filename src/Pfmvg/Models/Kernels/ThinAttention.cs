using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Pfmvg.Models.Language;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>Attention of one head at one new position, in float32, over keys and values that are kept in float32 or bfloat16.</summary>
/// <param name="type">Type of keys and values.</param>
/// <param name="headSize">D, a multiple of <see cref="ThinVectors.MostLanes"/>.</param>
/// <param name="lanes">Of the vectors: <see cref="ThinVectors.Lanes"/>, or fewer.</param>
internal sealed unsafe class ThinAttention(ScalarType type, int headSize, int lanes)
{
    private const int Ahead = 4096;   // bytes that are fetched early: the cache of keys and values is read from memory, too
    private const int CacheLine = 64; // bytes

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
        if (lanes == 16) Attend<Float16Lanes>(query, keys, values, count, padding, scores, to);
        else if (lanes == 8) Attend<Float8Lanes>(query, keys, values, count, padding, scores, to);
        else Attend<Float4Lanes>(query, keys, values, count, padding, scores, to);
    }

    private void Attend<T>(float* query, byte* keys, byte* values, long count, (long From, long To) padding, float* scores, float* to)
        where T : struct, IFloatVector<T>
    {
        if (type == ScalarType.BFloat16) Attend<T, BFloat16Elements<T>>(query, keys, values, count, padding, scores, to);
        else Attend<T, Float32Elements<T>>(query, keys, values, count, padding, scores, to);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Attend<T, TElements>(
        float* query, byte* keys, byte* values, long count, (long From, long To) padding, float* scores, float* to)
        where T : struct, IFloatVector<T>
        where TElements : struct, IElements<T>
    {
        var size = headSize;
        var stride = size * TElements.Size;
        var scale = 1 / MathF.Sqrt(size);
        for (long key = 0; key < count; key += 4)
        {
            // Four scores at a time; behind the last key it is taken again.
            byte* a = keys + key * stride, b = keys + Math.Min(key + 1, count - 1) * stride,
                c = keys + Math.Min(key + 2, count - 1) * stride, d = keys + Math.Min(key + 3, count - 1) * stride;
            T p = default, q = default, r = default, s = default;
            for (var i = 0; i < size; i += T.Lanes)
            {
                var (part, next) = (T.Load(query + i), i * TElements.Size + Ahead);
                ThinVectors.Fetch(a + next);
                ThinVectors.Fetch(b + next);
                ThinVectors.Fetch(c + next);
                ThinVectors.Fetch(d + next);
                p = T.FusedMultiplyAdd(TElements.Load(a + i * TElements.Size), part, p);
                q = T.FusedMultiplyAdd(TElements.Load(b + i * TElements.Size), part, q);
                r = T.FusedMultiplyAdd(TElements.Load(c + i * TElements.Size), part, r);
                s = T.FusedMultiplyAdd(TElements.Load(d + i * TElements.Size), part, s);
            }

            (T.Sums(p, q, r, s) * scale).Store(scores + key);
        }

        for (var key = padding.From; key < padding.To; key++) scores[key] = float.NegativeInfinity;
        for (var key = count; key % T.Lanes != 0; key++) scores[key] = float.NegativeInfinity;
        var most = T.Create(float.NegativeInfinity);
        for (long key = 0; key < count; key += T.Lanes) most = T.Max(most, T.Load(scores + key));
        var largest = T.Largest(most);
        var total = T.Create(0);
        for (long key = 0; key < count; key += T.Lanes)
        {
            var weight = T.Exp(T.Load(scores + key) - T.Create(largest));
            weight.Store(scores + key);
            total += weight;
        }

        var rescale = T.Create(1 / T.Sum(total));
        var at = 0;
        for (; at + 4 * T.Lanes <= size; at += 4 * T.Lanes)
        {
            T a = default, b = default, c = default, d = default;
            var from = values + at * TElements.Size;
            for (long key = 0; key < count; key++, from += stride)
            {
                var weight = T.Create(scores[key]);
                for (var part = 0; part < 4 * T.Lanes * TElements.Size; part += CacheLine) ThinVectors.Fetch(from + part + Ahead);
                a = T.FusedMultiplyAdd(weight, TElements.Load(from), a);
                b = T.FusedMultiplyAdd(weight, TElements.Load(from + T.Lanes * TElements.Size), b);
                c = T.FusedMultiplyAdd(weight, TElements.Load(from + 2 * T.Lanes * TElements.Size), c);
                d = T.FusedMultiplyAdd(weight, TElements.Load(from + 3 * T.Lanes * TElements.Size), d);
            }

            (a * rescale).Store(to + at);
            (b * rescale).Store(to + at + T.Lanes);
            (c * rescale).Store(to + at + 2 * T.Lanes);
            (d * rescale).Store(to + at + 3 * T.Lanes);
        }

        for (; at < size; at += T.Lanes)
        {
            var sum = T.Create(0);
            var from = values + at * TElements.Size;
            for (long key = 0; key < count; key++, from += stride)
                sum = T.FusedMultiplyAdd(T.Create(scores[key]), TElements.Load(from), sum);
            (sum * rescale).Store(to + at);
        }
    }

    private interface IElements<T> where T : struct, IFloatVector<T>
    {
        static abstract int Size { get; } // bytes of one

        static abstract T Load(byte* from);
    }

    private readonly struct Float32Elements<T> : IElements<T> where T : struct, IFloatVector<T>
    {
        public static int Size => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Load(byte* from) => T.Load((float*)from);
    }

    private readonly struct BFloat16Elements<T> : IElements<T> where T : struct, IFloatVector<T>
    {
        public static int Size => 2;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static T Load(byte* from) => T.LoadBFloat16(from);
    }
}
