using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Pfmvg.Weights;
using static TorchSharp.torch;

namespace Pfmvg.Models;

/// <summary>
/// x W^T for very few rows of x and a bfloat16 matrix W (O, I), as decoding one answer needs it: W is read once, in order, by all
/// threads, so that memory is the limit; libtorch's product of this shape stays below it. Products and sums are float32.
/// </summary>
/// <remarks>
/// A 32-bit lane of W holds two neighbours: the odd one in its upper half is a float32 as soon as the lower half is cleared, the
/// even one after a shift. The rows of x are laid out to fit: of each 32 values the 16 even ones, then the 16 odd ones.
/// </remarks>
internal static unsafe class ThinProduct
{
    private const int MostRows = 3;             // more are limited by computing, which libtorch does better
    private const int Step = 32;                // weights in a vector
    private const long SmallestShare = 1 << 18; // weights below which another thread does not pay

    /// <summary>Whether the product can be made here; the caller sees to it that no gradient is wanted.</summary>
    public static bool Fits(long rows, Tensor x, Tensor weight) =>
        rows <= MostRows && weight.dtype == ScalarType.BFloat16 && x.dtype == ScalarType.BFloat16 && x.device_type == TorchSharp.DeviceType.CPU
        && weight.shape[1] % Step == 0 && Vector256.IsHardwareAccelerated && weight.is_contiguous();

    /// <summary>(R, I) by (O, I) to (R, O).</summary>
    public static Tensor Of(Tensor x, Tensor weight)
    {
        using var scope = NewDisposeScope();
        var (rows, inputs, outputs) = (x.shape[0], x.shape[1], weight.shape[0]);
        var wide = x.detach().to(ScalarType.Float32).view(rows, inputs / Step, Step / 2, 2).transpose(2, 3).contiguous();
        var result = empty([rows, outputs], ScalarType.Float32);
        var from = (float*)TensorMemory.Address(wide);
        var matrix = TensorMemory.Address(weight);
        var to = (float*)TensorMemory.Address(result);
        var threads = (int)Math.Clamp(outputs * inputs / SmallestShare, 1, get_num_threads());
        var share = (outputs + threads - 1) / threads;
        if (threads == 1) Share(0);
        else Parallel.For(0, threads, Share);
        GC.KeepAlive(wide);
        GC.KeepAlive(weight);
        return result.to(x.dtype).MoveToOuterDisposeScope();

        void Share(int index)
        {
            var end = Math.Min(outputs, (index + 1) * share);
            for (var output = index * share; output < end; output++)
                for (long row = 0; row < rows; row++)
                    to[row * outputs + output] = Dot(from + row * inputs, (uint*)(matrix + output * inputs * 2), inputs);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* x, uint* w, long inputs)
    {
        var upper = Vector512.Create(0xFFFF0000u);
        var (a, b, c, d) = (Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero);
        long at = 0;
        for (; at <= inputs - 2 * Step; at += 2 * Step)
        {
            var (first, second) = (Vector512.Load(w + at / 2), Vector512.Load(w + at / 2 + Step / 2));
            a = Vector512.FusedMultiplyAdd(Vector512.ShiftLeft(first, 16).AsSingle(), Vector512.Load(x + at), a);
            b = Vector512.FusedMultiplyAdd((first & upper).AsSingle(), Vector512.Load(x + at + Step / 2), b);
            c = Vector512.FusedMultiplyAdd(Vector512.ShiftLeft(second, 16).AsSingle(), Vector512.Load(x + at + Step), c);
            d = Vector512.FusedMultiplyAdd((second & upper).AsSingle(), Vector512.Load(x + at + Step + Step / 2), d);
        }

        if (at < inputs)
        {
            var last = Vector512.Load(w + at / 2);
            a = Vector512.FusedMultiplyAdd(Vector512.ShiftLeft(last, 16).AsSingle(), Vector512.Load(x + at), a);
            b = Vector512.FusedMultiplyAdd((last & upper).AsSingle(), Vector512.Load(x + at + Step / 2), b);
        }

        return Vector512.Sum(a + b + (c + d));
    }
}
