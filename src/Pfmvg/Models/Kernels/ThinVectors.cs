using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// What lies between the products of a decoding step, in float32, with the widest vectors that the processor has: 16 lanes with AVX-512,
/// 8 with AVX2 and FMA, 4 with Arm's NEON.
/// </summary>
/// <param name="lanes">16, 8 or 4: the processor's <see cref="Lanes"/>, or fewer.</param>
internal sealed unsafe class ThinVectors(int lanes)
{
    /// <summary>Lanes of the widest vectors that any road has; memory and sizes are whole multiples of them.</summary>
    public const int MostLanes = 16;

    /// <summary>Lanes of this processor's widest vectors; 0 where none of the roads can be taken.</summary>
    public static int Lanes { get; } =
        Avx512F.IsSupported ? 16 : Avx2.IsSupported && Fma.IsSupported ? 8 : AdvSimd.Arm64.IsSupported ? 4 : 0;

    /// <summary>Name of the vectors in records and reports.</summary>
    public static string Describe(int lanes) => lanes switch { 16 => "AVX-512", 8 => "AVX2", 4 => "NEON", _ => "none" };

    /// <summary>Asks for what lies at an address, into the first cache; without such an instruction nothing is asked.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* from)
    {
        if (Sse.IsSupported) Sse.Prefetch0(from);
    }

    /// <summary>The same into the second cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FetchFar(byte* from)
    {
        if (Sse.IsSupported) Sse.Prefetch1(from);
    }

    /// <summary>x times each of four vectors.</summary>
    public Vector128<float> Dots(float* x, float* a, float* b, float* c, float* d, int count) => lanes switch
    {
        16 => Dots<Float16Lanes>(x, a, b, c, d, count),
        8 => Dots<Float8Lanes>(x, a, b, c, d, count),
        _ => Dots<Float4Lanes>(x, a, b, c, d, count),
    };

    /// <summary>RMSNorm of a vector whose length is a multiple of <see cref="MostLanes"/>.</summary>
    public void Normalise(float* from, float[] weight, float eps, float* to)
    {
        var scale = 1 / MathF.Sqrt(Dots(from, from, from, from, from, weight.Length)[0] / weight.Length + eps);
        fixed (float* weights = weight)
            if (lanes == 16) Scale<Float16Lanes>(from, weights, scale, to, weight.Length);
            else if (lanes == 8) Scale<Float8Lanes>(from, weights, scale, to, weight.Length);
            else Scale<Float4Lanes>(from, weights, scale, to, weight.Length);
    }

    /// <summary>silu(gate) * up; the length is a multiple of <see cref="MostLanes"/>.</summary>
    public void MultiplyGates(float* gate, float* up, float* to, long count)
    {
        if (lanes == 16) MultiplyGates<Float16Lanes>(gate, up, to, count);
        else if (lanes == 8) MultiplyGates<Float8Lanes>(gate, up, to, count);
        else MultiplyGates<Float4Lanes>(gate, up, to, count);
    }

    private static Vector128<float> Dots<T>(float* x, float* a, float* b, float* c, float* d, int count) where T : struct, IFloatVector<T>
    {
        T p = default, q = default, r = default, s = default;
        var at = 0;
        for (; at + T.Lanes <= count; at += T.Lanes)
        {
            var part = T.Load(x + at);
            p = T.FusedMultiplyAdd(part, T.Load(a + at), p);
            q = T.FusedMultiplyAdd(part, T.Load(b + at), q);
            r = T.FusedMultiplyAdd(part, T.Load(c + at), r);
            s = T.FusedMultiplyAdd(part, T.Load(d + at), s);
        }

        var sums = T.Sums(p, q, r, s);
        for (; at < count; at++) sums += Vector128.Create(a[at], b[at], c[at], d[at]) * x[at];
        return sums;
    }

    private static void Scale<T>(float* from, float* weights, float scale, float* to, int count) where T : struct, IFloatVector<T>
    {
        var all = T.Create(scale);
        for (var i = 0; i < count; i += T.Lanes) (T.Load(from + i) * all * T.Load(weights + i)).Store(to + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyGates<T>(float* gate, float* up, float* to, long count) where T : struct, IFloatVector<T>
    {
        var (one, zero) = (T.Create(1), T.Create(0));
        for (var i = 0L; i < count; i += T.Lanes)
        {
            var value = T.Load(gate + i);
            (value / (one + T.Exp(zero - value)) * T.Load(up + i)).Store(to + i);
        }
    }
}
