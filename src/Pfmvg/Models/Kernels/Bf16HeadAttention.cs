using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// What <see cref="HeadAttention"/> computes, with products of bfloat16 and float32 sums (<see cref="Bf16Kernel"/>). The scores stay in
/// float32; the weights and, in the backward pass, the gradients of the scores are rounded to bfloat16 where they are multiplied. Some
/// queries and some keys at a time, both filled up with zeros, so that few kernels are needed. One thread, AVX-512.
/// </summary>
/// <param name="queries">T.</param>
/// <param name="keys">K.</param>
/// <param name="size">D, even.</param>
/// <param name="scale">Of the scores.</param>
/// <param name="causal">Whether a query sees the keys up to its own place alone; then K is T.</param>
internal sealed unsafe class Bf16HeadAttention(int queries, int keys, int size, float scale, bool causal)
{
    private const int Block = 96;   // queries
    private const int Panel = 128;  // keys
    private static readonly int Lanes = Vector512<float>.Count;

    /// <summary>Writes the outputs.</summary>
    /// <param name="q">(T, D).</param>
    /// <param name="k">(K, D).</param>
    /// <param name="v">(K, D).</param>
    /// <param name="to">(T, D).</param>
    /// <param name="sums">(T): gets the logarithm of what the exponentials of the scores add up to.</param>
    public void Forward(NarrowRows q, NarrowRows k, NarrowRows v, NarrowRows to, float* sums)
    {
        using Memory<ushort> across = new(Filled(keys) * size), paired = new(Filled(keys) * size), own = new(Block * size);
        using Memory<ushort> weights = new(Block * Filled(keys));
        using Memory<float> scores = new(Block * Filled(keys)), mixed = new(Block * size);
        var shares = stackalloc float[Block];
        k.Turn(keys, Panel, across.At(0));
        v.Pair(keys, paired.At(0));
        for (var first = 0; first < queries; first += Block)
        {
            var count = Math.Min(Block, queries - first);
            var (rows, seen) = (Filled(count), causal ? first + count : keys);
            q.From(first).Copy(count, own.At(0));
            for (var at = 0; at < seen; at += Panel)
                Bf16Kernel.Multiply(rows, Width(at), size, own.At(0), across.At(at * size), scores.At(at * rows), add: false);
            for (var row = 0; row < count; row++)
            {
                var (largest, sum) = Weigh(scores.At(0), weights.At(0), rows, row, causal ? first + row + 1 : keys, seen);
                sums[first + row] = largest * scale + MathF.Log(sum);
                shares[row] = 1 / sum;
            }

            for (var at = 0; at < seen; at += Panel)
                Bf16Kernel.Multiply(rows, size, Width(at), weights.At(at * rows), paired.At(at * size), mixed.At(0), add: at > 0);
            for (var row = 0; row < count; row++) Round(mixed.At(row * size), shares[row], to.At(first + row));
        }
    }

    /// <summary>Writes the gradients of q, k and v, given that of the outputs. All are (rows, D).</summary>
    public void Backward(NarrowRows q, NarrowRows k, NarrowRows v, float* sums, NarrowRows gradient,
        NarrowRows ofQ, NarrowRows ofK, NarrowRows ofV)
    {
        var all = Filled(keys);
        using Memory<ushort> ownKeys = new(all * size), ownValues = new(all * size), across = new(all * size);
        using Memory<ushort> turned = new(Block * size), turnedAbove = new(Block * size), paired = new(Block * size);
        using Memory<ushort> pairedAbove = new(Block * size), weights = new(all * Block), slopes = new(all * Block);
        using Memory<ushort> pairedSlopes = new(all * Block);
        using Memory<float> scores = new(all * Block), above = new(all * Block), sumK = new(all * size), sumV = new(all * size);
        using Memory<float> sumQ = new(Block * size), wholeQ = new(Block * size), ownSums = new(Block), means = new(Block);
        k.Copy(keys, ownKeys.At(0));
        v.Copy(keys, ownValues.At(0));
        k.Turn(keys, Panel, (ushort*)sumK.At(0));
        for (var at = 0; at < keys; at += Panel) Part((ushort*)sumK.At(0) + at * size, Width(at), across.At(at * size));
        sumK.Clear();
        sumV.Clear();
        for (var first = 0; first < queries; first += Block)
        {
            var count = Math.Min(Block, queries - first);
            var (rows, seen) = (Filled(count), causal ? first + count : keys);
            q.From(first).Turn(count, Block, turned.At(0));
            gradient.From(first).Turn(count, Block, turnedAbove.At(0));
            q.From(first).Pair(count, paired.At(0));
            gradient.From(first).Pair(count, pairedAbove.At(0));
            for (var at = 0; at < seen; at += Panel)
            {
                Bf16Kernel.Multiply(Width(at), rows, size, ownKeys.At(at * size), turned.At(0), scores.At(at * rows), add: false);
                Bf16Kernel.Multiply(Width(at), rows, size, ownValues.At(at * size), turnedAbove.At(0), above.At(at * rows), add: false);
            }

            ownSums.Clear(); // zero for the rows that fill up a block; their gradients are zero
            means.Clear();
            new ReadOnlySpan<float>(sums + first, count).CopyTo(new Span<float>(ownSums.At(0), count));
            var end = Math.Min(all, (seen + Panel - 1) / Panel * Panel);
            for (var key = 0; key < end; key++)
                Weigh(scores.At(key * rows), above.At(key * rows), ownSums.At(0), means.At(0), weights.At(key * rows), rows, key - first,
                    key < seen);
            for (var key = 0; key < end; key += 2)
                Slopes(scores.At(key * rows), above.At(key * rows), means.At(0), slopes.At(key * rows),
                    (uint*)pairedSlopes.At(key * rows), rows);
            for (var at = 0; at < seen; at += Panel)
            {
                Bf16Kernel.Multiply(Width(at), size, rows, weights.At(at * rows), pairedAbove.At(0), sumV.At(at * size), add: true);
                Bf16Kernel.Multiply(Width(at), size, rows, slopes.At(at * rows), paired.At(0), sumK.At(at * size), add: true);
                Bf16Kernel.Multiply(size, rows, Width(at), across.At(at * size), pairedSlopes.At(at * rows), sumQ.At(0), add: at > 0);
            }

            NarrowRows.Transpose((uint*)sumQ.At(0), 2 * rows, size, rows, (uint*)wholeQ.At(0), size);
            for (var row = 0; row < count; row++) Round(wholeQ.At(row * size), 1, ofQ.At(first + row));
        }

        for (var key = 0; key < keys; key++)
        {
            Round(sumK.At(key * size), 1, ofK.At(key));
            Round(sumV.At(key * size), 1, ofV.At(key));
        }
    }

    // Of a key's scores makes weights and adds their share of what the gradient of every query's weights is on average.
    private void Weigh(float* scores, float* above, float* sums, float* means, ushort* weights, int rows, int firstSeeing, bool seen)
    {
        for (var i = 0; i < rows; i += Lanes)
        {
            var weight = Vector512<float>.Zero;
            if (seen)
            {
                weight = Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + i), Vector512.Create(scale), -Vector512.Load(sums + i)));
                if (causal && firstSeeing > i)
                    weight = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(Vector512<int>.Indices,
                        Vector512.Create(firstSeeing - i)).AsSingle(), weight, Vector512<float>.Zero);
                Vector512.FusedMultiplyAdd(weight, Vector512.Load(above + i), Vector512.Load(means + i)).Store(means + i);
            }

            weight.Store(scores + i);
            Narrow(weight).Store(weights + i);
        }
    }

    // Of two keys' weights and their gradients makes the gradients of the scores before they were scaled.
    private void Slopes(float* weights, float* above, float* means, ushort* slopes, uint* paired, int rows)
    {
        for (var i = 0; i < rows; i += Lanes)
        {
            var mean = Vector512.Load(means + i);
            var even = Rounded(Vector512.Load(weights + i) * (Vector512.Load(above + i) - mean) * scale) >>> 16;
            var odd = Rounded(Vector512.Load(weights + rows + i) * (Vector512.Load(above + rows + i) - mean) * scale) >>> 16;
            Avx512F.ConvertToVector256UInt16(even).Store(slopes + i);
            Avx512F.ConvertToVector256UInt16(odd).Store(slopes + rows + i);
            (even | (odd << 16)).Store(paired + i);
        }
    }

    private static int Filled(int count) => NarrowRows.Filled(count);

    private int Width(int at) => Filled(Math.Min(Panel, keys - at));

    // Weights of a query before they are divided by their sum, zero from where its sight ends up to the end of its block's.
    private (float Largest, float Sum) Weigh(float* scores, ushort* weights, int rows, int row, int count, int end)
    {
        var most = Vector512.Create(float.NegativeInfinity);
        for (var at = 0; at < count; at += Panel)
        {
            var from = scores + at * rows + row * Width(at);
            var width = Math.Min(Width(at), count - at);
            for (var i = 0; i < width; i += Lanes)
                most = Vector512.Max(most, Known(Vector512.Load(from + i), width - i, Vector512.Create(float.NegativeInfinity)));
        }

        var largest = float.NegativeInfinity;
        for (var lane = 0; lane < Lanes; lane++) largest = MathF.Max(largest, most[lane]);
        var (shift, sum) = (Vector512.Create(-largest * scale), Vector512<float>.Zero);
        for (var at = 0; at < end; at += Panel)
        {
            var place = at * rows + row * Width(at);
            for (var i = 0; i < Width(at); i += Lanes)
            {
                var weight = Vector512<float>.Zero;
                if (at + i < count)
                    weight = Known(Exp(Vector512.FusedMultiplyAdd(Vector512.Load(scores + place + i), Vector512.Create(scale), shift)),
                        count - at - i, Vector512<float>.Zero);
                sum += weight;
                Narrow(weight).Store(weights + place + i);
            }
        }

        return (largest, Vector512.Sum(sum));
    }

    // e^x, to 1e-7 of it.
    private static Vector512<float> Exp(Vector512<float> x)
    {
        x = Avx512F.Max(Vector512.Create(-200f), x); // this way around NaN stays
        var power = Avx512F.RoundScale(x * Vector512.Create(1.44269504f), 0);
        var rest = Vector512.FusedMultiplyAdd(power, Vector512.Create(-0.693359375f), x);
        rest = Vector512.FusedMultiplyAdd(power, Vector512.Create(2.12194440e-4f), rest);
        var sum = Vector512.FusedMultiplyAdd(rest, Vector512.Create(1.9875691500e-4f), Vector512.Create(1.3981999507e-3f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(8.3334519073e-3f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(4.1665795894e-2f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(1.6666665459e-1f));
        sum = Vector512.FusedMultiplyAdd(sum, rest, Vector512.Create(0.5f));
        return Avx512F.Scale(Vector512.FusedMultiplyAdd(sum, rest * rest, rest + Vector512<float>.One), power);
    }

    // To bfloat16, ties to even.
    private static Vector256<ushort> Narrow(Vector512<float> value) => Avx512F.ConvertToVector256UInt16(Rounded(value) >>> 16);

    private static Vector512<uint> Rounded(Vector512<float> value)
    {
        var bits = value.AsUInt32();
        return bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One);
    }

    private void Round(float* from, float factor, ushort* to)
    {
        var i = 0;
        for (; i + Lanes <= size; i += Lanes) Narrow(Vector512.Load(from + i) * factor).Store(to + i);
        for (; i < size; i++) to[i] = Narrow(Vector512.Create(from[i] * factor))[0];
    }

    // The first lanes; instead of those behind them what is given.
    private static Vector512<float> Known(Vector512<float> values, int lanes, Vector512<float> otherwise) => lanes >= Lanes ? values
        : Vector512.ConditionalSelect(Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(lanes)).AsSingle(), values, otherwise);

    // Of turned rows makes a matrix A with a row for each of their columns.
    private void Part(ushort* turned, int width, ushort* to)
    {
        for (var pair = 0; pair < size; pair += 2, to += 2 * width)
            for (var i = 0; i < width; i += Lanes)
            {
                var both = Vector512.Load((uint*)turned + pair / 2 * width + i);
                Avx512F.ConvertToVector256UInt16(both).Store(to + i);
                Avx512F.ConvertToVector256UInt16(both >>> 16).Store(to + width + i);
            }
    }

    private sealed class Memory<T>(int length) : IDisposable where T : unmanaged
    {
        private readonly T* _memory = (T*)NativeMemory.AlignedAlloc((nuint)length * (nuint)sizeof(T), 64);

        public T* At(int at) => _memory + at;

        public void Clear() => NativeMemory.Clear(_memory, (nuint)length * (nuint)sizeof(T));

        public void Dispose() => NativeMemory.AlignedFree(_memory);
    }
}
