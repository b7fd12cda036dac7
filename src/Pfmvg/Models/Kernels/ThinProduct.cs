using System.Runtime.InteropServices;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>x W^T for few rows of x, with W in bfloat16 or int8, by <see cref="ThinMatrix"/>.</summary>
internal static unsafe class ThinProduct
{
    private const int MostRows = 16;      // more are limited by computing, where a copy of W in floating point pays

    /// <summary>Whether the product can be made here. It has no gradient.</summary>
    public static bool Fits(long rows, Tensor x, Tensor weight) =>
        rows <= MostRows && ThinMatrix.Fits(weight) && x.device_type == DeviceType.CPU
        && (weight.dtype == ScalarType.BFloat16 && x.dtype == ScalarType.BFloat16
            || weight.dtype == ScalarType.Int8 && x.dtype is ScalarType.BFloat16 or ScalarType.Float32);

    /// <summary>The same for float32 on both sides, of any number of rows.</summary>
    public static bool FitsFloat32(Tensor x, Tensor weight) => ThinMatrix.Fits(weight)
        && x.device_type == DeviceType.CPU && weight.dtype == ScalarType.Float32 && x.dtype == ScalarType.Float32;

    /// <summary>(R, I) by (O, I) to (R, O) in the type of x.</summary>
    /// <param name="x">(R, I).</param>
    /// <param name="weight">(O, I).</param>
    /// <param name="scale">(O), by which the outputs of an int8 matrix are multiplied.</param>
    public static Tensor Multiply(Tensor x, Tensor weight, Tensor? scale) => Multiply(x, weight, scale, ThinVectors.Lanes);

    /// <summary>The same with vectors of some width that the processor has.</summary>
    internal static Tensor Multiply(Tensor x, Tensor weight, Tensor? scale, int lanes)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        using var matrix = new ThinMatrix(weight, scale, lanes);
        var (rows, inputs, outputs) = (x.shape[0], matrix.Inputs, matrix.Outputs);
        var plain = x.contiguous();
        var result = empty([rows, outputs], x.dtype);
        // Without tensors what follows takes microseconds; with them it would take as long as reading a small matrix.
        var wide = (float*)NativeMemory.AlignedAlloc((nuint)(rows * (2 * inputs + outputs) * sizeof(float)), 64);
        try
        {
            var laidOut = wide + rows * inputs;
            var sums = laidOut + rows * inputs;
            Copy(new ReadOnlySpan<byte>(TensorMemory.Address(plain), checked((int)(rows * inputs * TensorTypes.Size(x.dtype)))), x.dtype,
                wide, rows * inputs);
            matrix.LayOut(wide, laidOut, rows);
            ThreadTeam.Run(get_num_threads(), matrix.Pieces, piece => matrix.Multiply(piece, laidOut, sums, rows));
            var from = new ReadOnlySpan<byte>(sums, checked((int)(rows * outputs * sizeof(float))));
            var to = new Span<byte>(TensorMemory.Address(result), checked((int)(rows * outputs * TensorTypes.Size(x.dtype))));
            if (x.dtype == ScalarType.Float32) from.CopyTo(to);
            else FloatBlocks.Convert(from, ScalarType.Float32, to, x.dtype);
        }
        finally
        {
            NativeMemory.AlignedFree(wide);
        }

        GC.KeepAlive(plain);
        GC.KeepAlive(result);
        return result.MoveToOuterDisposeScope();
    }

    private static void Copy(ReadOnlySpan<byte> from, ScalarType type, float* to, long count)
    {
        var target = new Span<byte>(to, checked((int)(count * sizeof(float))));
        if (type == ScalarType.Float32) from.CopyTo(target);
        else FloatBlocks.Convert(from, type, target, ScalarType.Float32);
    }
}
