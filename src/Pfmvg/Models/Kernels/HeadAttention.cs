using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// softmax(q k^T x scale) v of one head and its gradients, some queries at a time, so that their scores stay in the cache. The backward
/// pass computes the scores again; what is kept of them is one number for each query. One thread, AVX-512.
/// </summary>
/// <param name="queries">T.</param>
/// <param name="keys">K.</param>
/// <param name="size">D.</param>
/// <param name="scale">Of the scores.</param>
/// <param name="causal">Whether a query sees the keys up to its own place alone; then K is T.</param>
internal sealed unsafe class HeadAttention(int queries, int keys, int size, float scale, bool causal)
{
    private const int Block = 96; // queries
    private static readonly int Lanes = Vector512<float>.Count;

    /// <summary>Writes the outputs.</summary>
    /// <param name="q">(T, D).</param>
    /// <param name="k">(K, D).</param>
    /// <param name="v">(K, D).</param>
    /// <param name="to">(T, D).</param>
    /// <param name="sums">(T): gets the logarithm of what the exponentials of the scores add up to.</param>
    public void Forward(Strided q, Strided k, Strided v, Strided to, float* sums)
    {
        using var scores = new Scratch(Block * Padded);
        for (var first = 0; first < queries; first += Block)
        {
            var count = Math.Min(Block, queries - first);
            var seen = causal ? first + count : keys;
            PanelProduct.Multiply(count, seen, size, q with { Address = (nint)q.At(first, 0) }, k, scores.At(0), Padded, add: false);
            for (var row = 0; row < count; row++)
                sums[first + row] = Softmax(scores.At(row * Padded), causal ? first + row + 1 : keys, seen);
            PanelProduct.Multiply(count, size, seen, scores.Matrix(Padded), Transposed(v), to.At(first, 0), to.Row, add: false);
        }
    }

    /// <summary>Adds to the gradients of q, k and v, given that of the outputs. All are (rows, D).</summary>
    public void Backward(Strided q, Strided k, Strided v, float* sums, Strided gradient, Strided ofQ, Strided ofK, Strided ofV)
    {
        using Scratch weights = new(Block * Padded), slopes = new(Block * Padded);
        for (var first = 0; first < queries; first += Block)
        {
            var count = Math.Min(Block, queries - first);
            var seen = causal ? first + count : keys;
            var (own, above) = (q with { Address = (nint)q.At(first, 0) }, gradient with { Address = (nint)gradient.At(first, 0) });
            PanelProduct.Multiply(count, seen, size, own, k, weights.At(0), Padded, add: false);
            PanelProduct.Multiply(count, seen, size, above, v, slopes.At(0), Padded, add: false);
            for (var row = 0; row < count; row++)
                Slopes(weights.At(row * Padded), slopes.At(row * Padded), sums[first + row], causal ? first + row + 1 : keys, seen);

            var (weightsOfKeys, slopesOfKeys) = (Transposed(weights.Matrix(Padded)), Transposed(slopes.Matrix(Padded)));
            PanelProduct.Multiply(seen, size, count, weightsOfKeys, Transposed(above), ofV.At(0, 0), ofV.Row, add: true);
            PanelProduct.Multiply(count, size, seen, slopes.Matrix(Padded), Transposed(k), ofQ.At(first, 0), ofQ.Row, add: true);
            PanelProduct.Multiply(seen, size, count, slopesOfKeys, Transposed(own), ofK.At(0, 0), ofK.Row, add: true);
        }
    }

    // Scores of a query, with room for the last vector.
    private int Padded => (keys + Lanes - 1) / Lanes * Lanes;

    private static Strided Transposed(Strided matrix) => new(matrix.Address, matrix.Step, matrix.Row);

    // Of scores makes weights, zero from the end of what the query sees; returns the logarithm of the sum.
    private float Softmax(float* scores, int count, int end)
    {
        var largest = Vector512.Create(float.NegativeInfinity);
        var at = 0;
        for (; at + Lanes <= count; at += Lanes) largest = Vector512.Max(largest, Vector512.Load(scores + at));
        var most = float.NegativeInfinity;
        for (var lane = 0; lane < Lanes; lane++) most = MathF.Max(most, largest[lane]);
        for (; at < count; at++) most = MathF.Max(most, scores[at]);
        var sum = Vector512<float>.Zero;
        for (at = 0; at < count; at += Lanes)
        {
            var weight = Known(Vector512.Exp((Vector512.Load(scores + at) - Vector512.Create(most)) * scale), count - at);
            weight.Store(scores + at);
            sum += weight;
        }

        var whole = Vector512.Sum(sum);
        for (at = 0; at < count; at += Lanes) (Vector512.Load(scores + at) / Vector512.Create(whole)).Store(scores + at);
        if (end > count) new Span<float>(scores + count, end - count).Clear();
        return most * scale + MathF.Log(whole);
    }

    // Of scores makes weights, and of the weights' gradients those of the scores before they were scaled.
    private void Slopes(float* scores, float* gradients, float logSum, int count, int end)
    {
        var dot = Vector512<float>.Zero;
        for (var at = 0; at < count; at += Lanes)
        {
            var weight = Known(Vector512.Exp(Vector512.Load(scores + at) * scale - Vector512.Create(logSum)), count - at);
            weight.Store(scores + at);
            dot += weight * Known(Vector512.Load(gradients + at), count - at);
        }

        var mean = Vector512.Create(Vector512.Sum(dot));
        for (var at = 0; at < count; at += Lanes)
            (Vector512.Load(scores + at) * (Vector512.Load(gradients + at) - mean) * scale).Store(gradients + at);
        if (end <= count) return;
        new Span<float>(scores + count, end - count).Clear();
        new Span<float>(gradients + count, end - count).Clear();
    }

    // The first lanes; what lies behind them may be anything.
    private static Vector512<float> Known(Vector512<float> values, int lanes) => lanes >= Lanes ? values
        : Vector512.ConditionalSelect(
            Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(lanes)).AsSingle(), values, Vector512<float>.Zero);

    private sealed class Scratch(int length) : IDisposable
    {
        private readonly float* _memory = Zeros(length);

        public float* At(int at) => _memory + at;

        public Strided Matrix(int row) => new((nint)_memory, row, 1);

        public void Dispose() => NativeMemory.AlignedFree(_memory);

        private static float* Zeros(int length)
        {
            var bytes = (nuint)length * sizeof(float);
            var memory = (float*)NativeMemory.AlignedAlloc(bytes, 64);
            NativeMemory.Clear(memory, bytes);
            return memory;
        }
    }
}
