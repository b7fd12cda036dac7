using System.Numerics;
using System.Runtime.CompilerServices;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// RMSNorm of bfloat16 in one pass, and its gradient in another, where libtorch's operations take eight and more over float32 copies.
/// Sums are float32; the output is rounded where the plain way rounds it, the gradient once.
/// </summary>
internal static unsafe class NarrowNorm
{
    private const int RowsAtOnce = 16;

    /// <summary>Whether it is computed here: bfloat16 on the CPU, the weight frozen, the width a multiple of a vector's.</summary>
    public static bool Fits(Tensor x, Tensor weight) =>
        x.dtype == ScalarType.BFloat16 && x.device_type == DeviceType.CPU && !weight.requires_grad && weight.dtype == x.dtype
        && weight.numel() % Vector<ushort>.Count == 0;

    /// <summary>x / sqrt(mean(x^2) + eps) times the weight.</summary>
    /// <param name="x">(..., C).</param>
    /// <param name="weight">(C).</param>
    /// <param name="eps">Added to the mean.</param>
    public static Tensor Apply(Tensor x, Tensor weight, float eps)
    {
        using var scope = NewDisposeScope();
        return (x.requires_grad && is_grad_enabled() ? Differentiable.apply(x, weight, new Small(eps)) : Forward(x, weight, eps))
            .MoveToOuterDisposeScope();
    }

    private static Tensor Forward(Tensor x, Tensor weight, float eps)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (from, result, width) = (x.detach().contiguous(), empty(x.shape, x.dtype), (int)weight.numel());
        ushort* source = Address(from), target = Address(result), factors = Address(weight);
        Rows(x.numel() / width, row =>
        {
            ushort* own = source + row * width, to = target + row * width;
            var scale = new Vector<float>(Scale(own, width, eps));
            for (var i = 0; i < width; i += Vector<ushort>.Count)
            {
                var (low, high) = Load(own + i);
                var (lowFactor, highFactor) = Load(factors + i);
                (low, high) = Widened(FloatBlocks.Narrow(low * scale, high * scale));
                FloatBlocks.Narrow(low * lowFactor, high * highFactor).Store(to + i);
            }
        });
        GC.KeepAlive((from, result, weight));
        return result.MoveToOuterDisposeScope();
    }

    private static Tensor Backward(Tensor x, Tensor weight, float eps, Tensor gradient)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (from, above, result) = (x.detach().contiguous(), gradient.detach().contiguous(), empty(x.shape, x.dtype));
        var width = (int)weight.numel();
        ushort* source = Address(from), slopes = Address(above), target = Address(result), factors = Address(weight);
        Rows(x.numel() / width, row =>
        {
            ushort* own = source + row * width, slope = slopes + row * width, to = target + row * width;
            var (scale, dot) = (Scale(own, width, eps), Vector<float>.Zero);
            for (var i = 0; i < width; i += Vector<ushort>.Count)
            {
                var ((low, high), (lowSlope, highSlope), (lowFactor, highFactor)) = (Load(own + i), Load(slope + i), Load(factors + i));
                dot += low * lowSlope * lowFactor + high * highSlope * highFactor;
            }

            var (all, share) = (new Vector<float>(scale), new Vector<float>(Vector.Sum(dot) / width * scale * scale));
            for (var i = 0; i < width; i += Vector<ushort>.Count)
            {
                var ((low, high), (lowSlope, highSlope), (lowFactor, highFactor)) = (Load(own + i), Load(slope + i), Load(factors + i));
                FloatBlocks.Narrow((lowSlope * lowFactor - low * share) * all, (highSlope * highFactor - high * share) * all).Store(to + i);
            }
        });
        GC.KeepAlive((from, above, result, weight));
        return result.MoveToOuterDisposeScope();
    }

    private static void Rows(long rows, Action<long> work) =>
        ThreadTeam.Run(get_num_threads(), (rows + RowsAtOnce - 1) / RowsAtOnce, piece =>
        {
            for (var row = piece * RowsAtOnce; row < Math.Min(rows, (piece + 1) * RowsAtOnce); row++) work(row);
        });

    private static float Scale(ushort* row, int width, float eps)
    {
        var (even, odd) = (Vector<float>.Zero, Vector<float>.Zero);
        for (var i = 0; i < width; i += Vector<ushort>.Count)
        {
            var (low, high) = Load(row + i);
            (even, odd) = (even + low * low, odd + high * high);
        }

        return 1 / MathF.Sqrt(Vector.Sum(even + odd) / width + eps);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector<float> Low, Vector<float> High) Load(ushort* from) => Widened(Vector.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector<float> Low, Vector<float> High) Widened(Vector<ushort> narrow)
    {
        Vector.Widen(narrow, out var low, out var high);
        return (Vector.AsVectorSingle(low << 16), Vector.AsVectorSingle(high << 16));
    }

    private static ushort* Address(Tensor tensor) => (ushort*)TensorMemory.Address(tensor);

    private sealed record Small(float Eps);

    private sealed class Differentiable : autograd.SingleTensorFunction<Differentiable>
    {
        public override string Name => nameof(NarrowNorm);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (x, weight, small) = ((Tensor)vars[0], (Tensor)vars[1], (Small)vars[2]);
            ctx.save_data(nameof(Small), small);
            ctx.save_for_backward([x, weight]);
            return Forward(x, weight, small.Eps);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            using var gradient = grad_output;
            var eps = ((Small)ctx.get_data(nameof(Small))).Eps;
            var saved = HandedOver.Saved(ctx);
            return HandedOver.Keep(Backward(saved[0], saved[1], eps, gradient), null, null);
        }
    }
}
