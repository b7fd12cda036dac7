using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Models.Kernels;

/// <summary>Dot products of float32 vectors with AVX-512, four at a time.</summary>
internal static unsafe class ThinVectors
{
    public const int Lanes = 16; // of a vector register

    /// <summary>x times y.</summary>
    public static float Dot(float* x, float* y, int count) => Dots(x, y, y, y, y, count)[0];

    /// <summary>x times each of four vectors.</summary>
    public static Vector128<float> Dots(float* x, float* a, float* b, float* c, float* d, int count)
    {
        Vector512<float> p = default, q = default, r = default, s = default;
        var at = 0;
        for (; at + Lanes <= count; at += Lanes)
        {
            var part = Vector512.Load(x + at);
            p = Vector512.FusedMultiplyAdd(part, Vector512.Load(a + at), p);
            q = Vector512.FusedMultiplyAdd(part, Vector512.Load(b + at), q);
            r = Vector512.FusedMultiplyAdd(part, Vector512.Load(c + at), r);
            s = Vector512.FusedMultiplyAdd(part, Vector512.Load(d + at), s);
        }

        var sums = Sums(p, q, r, s);
        for (; at < count; at++) sums += Vector128.Create(a[at], b[at], c[at], d[at]) * x[at];
        return sums;
    }

    /// <summary>The sums of four vectors, all added up in the same order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d)
    {
        var ab = (Avx512F.UnpackLow(a, b) + Avx512F.UnpackHigh(a, b)).AsDouble();
        var cd = (Avx512F.UnpackLow(c, d) + Avx512F.UnpackHigh(c, d)).AsDouble();
        var quarters = Avx512F.UnpackLow(ab, cd).AsSingle() + Avx512F.UnpackHigh(ab, cd).AsSingle();
        var halves = quarters.GetLower() + quarters.GetUpper();
        return halves.GetLower() + halves.GetUpper();
    }
}
