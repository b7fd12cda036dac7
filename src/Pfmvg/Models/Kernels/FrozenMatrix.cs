using System.Numerics;
using System.Runtime.InteropServices;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// A frozen matrix W (O, I) in either of two forms: in a floating type, or as whole numbers of 8 bits with one scale per output
/// row, W[o, i] = scale[o] x weight[o, i], which needs half the memory of bfloat16. Symmetric; the largest value of a row is
/// 127 scales.
/// </summary>
internal static class FrozenMatrix
{
    private const int RowsAtOnce = 512;   // of W that are converted together
    private const int WidenedAtOnce = 32; // of W that one thread widens

    private static readonly Scalar Most = 127, Least = -127, Smallest = 1e-30;

    /// <summary>x W^T (+ bias). Gradients with respect to x are those of the matrix that the whole numbers stand for.</summary>
    /// <param name="x">(..., I).</param>
    /// <param name="weight">(O, I), floating or int8.</param>
    /// <param name="scale">(O) for int8, else null.</param>
    /// <param name="bias">(O) or null.</param>
    public static Tensor Product(Tensor x, Tensor weight, Tensor? scale, Tensor? bias)
    {
        var rows = x.numel() / x.shape[^1];
        using var scope = NewDisposeScope();
        if (bias is null && !x.requires_grad && ThinProduct.Fits(rows, x, weight))
            return ThinProduct.Multiply(x.reshape(rows, x.shape[^1]), weight, scale).view([.. x.shape[..^1], weight.shape[0]])
                .MoveToOuterDisposeScope();
        if (WideProduct.TypeFor(weight, scale) is { } type)
            return WideProduct.Multiply(x, weight, scale, bias, type).MoveToOuterDisposeScope();
        return FloatProduct.Linear(x, scale is null ? weight : Values(weight, scale), bias).MoveToOuterDisposeScope();
    }

    /// <summary>The gradient with respect to x of a product, from that of its result: g W.</summary>
    public static Tensor InputGradient(Tensor gradient, Tensor weight, Tensor? scale)
    {
        using var scope = NewDisposeScope();
        if (WideProduct.TypeFor(weight, scale) is { } type)
            return WideProduct.InputGradient(gradient, weight, scale, type).MoveToOuterDisposeScope();
        var values = scale is null ? weight : Values(weight, scale);
        return (FloatProduct.Fits(gradient, values) ? FloatProduct.Multiply(gradient, values.t()) : gradient.matmul(values))
            .MoveToOuterDisposeScope();
    }

    /// <summary>The matrix in the type of its scales.</summary>
    public static Tensor Values(Tensor weight, Tensor scale)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        if (weight.device_type != DeviceType.CPU) return weight.to(scale.dtype).mul_(scale.unsqueeze(1)).MoveToOuterDisposeScope();
        // libtorch's own conversion from int8 is not vectorised; it takes as long as a product with hundreds of rows.
        var values = empty(weight.shape, scale.dtype);
        Widen(weight, scale.to(ScalarType.Float32), values);
        return values.MoveToOuterDisposeScope();
    }

    /// <summary>Writes the values of int8 rows.</summary>
    /// <param name="weight">(O, I) int8.</param>
    /// <param name="scale">(O) float32.</param>
    /// <param name="values">(O, I) in a floating type. All three contiguous, on the CPU.</param>
    public static unsafe void Widen(Tensor weight, Tensor scale, Tensor values)
    {
        var (rows, inputs, type) = (weight.shape[0], weight.shape[1], values.dtype);
        var size = TensorTypes.Size(type);
        sbyte* from = (sbyte*)TensorMemory.Address(weight);
        var scales = (float*)TensorMemory.Address(scale);
        var to = TensorMemory.Address(values);
        Parallel.For(0, (rows + WidenedAtOnce - 1) / WidenedAtOnce, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() },
            piece =>
        {
            Span<float> block = stackalloc float[2048];
            for (var row = piece * WidenedAtOnce; row < Math.Min(rows, (piece + 1) * WidenedAtOnce); row++)
            {
                for (long at = 0; at < inputs; at += block.Length)
                {
                    var count = (int)Math.Min(block.Length, inputs - at);
                    var target = new Span<byte>(to + (row * inputs + at) * size, count * size);
                    var part = type == ScalarType.Float32 ? MemoryMarshal.Cast<byte, float>(target) : block[..count];
                    Widen(new ReadOnlySpan<sbyte>(from + row * inputs + at, count), scales[row], part);
                    if (type != ScalarType.Float32) FloatBlocks.Convert(MemoryMarshal.AsBytes(part), ScalarType.Float32, target, type);
                }
            }
        });
        GC.KeepAlive(weight);
        GC.KeepAlive(scale);
        GC.KeepAlive(values);
    }

    /// <summary>The same of a row.</summary>
    public static void Widen(ReadOnlySpan<sbyte> whole, float scale, Span<float> values)
    {
        var at = 0;
        for (; at <= whole.Length - Vector<sbyte>.Count; at += Vector<sbyte>.Count)
        {
            Vector.Widen(new Vector<sbyte>(whole[at..]), out var low, out var high);
            Store(low, values[at..]);
            Store(high, values[(at + Vector<short>.Count)..]);
        }

        for (; at < whole.Length; at++) values[at] = whole[at] * scale;

        void Store(Vector<short> shorts, Span<float> target)
        {
            Vector.Widen(shorts, out var low, out var high);
            (Vector.ConvertToSingle(low) * scale).CopyTo(target);
            (Vector.ConvertToSingle(high) * scale).CopyTo(target[Vector<float>.Count..]);
        }
    }

    /// <summary>Converts a floating matrix into whole numbers and scales, some rows at a time.</summary>
    /// <param name="values">(O, I), on any device.</param>
    /// <param name="weight">(O, I) int8, written.</param>
    /// <param name="scale">(O), written.</param>
    public static void Store(Tensor values, Tensor weight, Tensor scale)
    {
        using var quiet = no_grad();
        for (long row = 0, count; row < values.shape[0]; row += count)
        {
            using var scope = NewDisposeScope();
            count = Math.Min(RowsAtOnce, values.shape[0] - row);
            var part = values.narrow(0, row, count).to(ScalarType.Float32);
            // The scale is rounded to its stored type first, so that the whole numbers make up for that rounding.
            var step = part.abs().amax([1]).div_(Most).clamp_min_(Smallest).to(scale.dtype);
            scale.detach().narrow(0, row, count).copy_(step);
            weight.detach().narrow(0, row, count).copy_(part.div(step.to(ScalarType.Float32).unsqueeze(1)).round_().clamp_(Least, Most));
        }
    }
}
