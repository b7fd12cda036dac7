using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights;

/// <summary>What a file says about one of its tensors.</summary>
/// <param name="Name">The name in the file; may hold any character, since files are untrusted.</param>
/// <param name="Type">Element type in the file.</param>
/// <param name="Shape">Sizes per dimension; empty for a scalar.</param>
/// <param name="Bytes">Elements times the size of one.</param>
public sealed record TensorInfo(string Name, ScalarType Type, long[] Shape, long Bytes)
{
    /// <summary>More dimensions than any weight has; libtorch's own limit.</summary>
    internal const int MaxDimensions = 64;

    /// <summary>Number of elements.</summary>
    public long Elements => Bytes / TensorTypes.Size(Type);

    /// <summary>The shape as "(2, 3)".</summary>
    public string ShapeText => ShapeToText(Shape);

    /// <summary>Describes a tensor that is to be written.</summary>
    /// <exception cref="ArgumentException">The shape is negative or larger than memory can be.</exception>
    public static TensorInfo Describe(string name, ScalarType type, params long[] shape) =>
        CountBytes(shape, type) is { } bytes
            ? new TensorInfo(name, type, shape, bytes)
            : throw new ArgumentException($"{name}: {ShapeToText(shape)} is no shape.", nameof(shape));

    /// <summary>Describes a tensor at hand.</summary>
    public static TensorInfo Describe(string name, Tensor tensor) => Describe(name, tensor.dtype, tensor.shape);

    /// <summary>
    /// Elements times element size; null when a size is negative, there are too many, or the product does not fit into
    /// 64 bits. Zeros do not hide an overflow: libtorch multiplies the other sizes, too.
    /// </summary>
    internal static long? CountBytes(ReadOnlySpan<long> shape, ScalarType type) => CountBytes(shape, 8 * TensorTypes.Size(type));

    /// <summary>The same for elements of some bits, which may share bytes.</summary>
    internal static long? CountBytes(ReadOnlySpan<long> shape, int bits)
    {
        if (shape.Length > MaxDimensions) return null;
        Int128 elements = 1;
        foreach (var size in shape)
        {
            if (size < 0) return null;
            elements *= Math.Max(size, 1);
            if (elements > long.MaxValue) return null;
        }

        var bytes = (elements * bits + 7) / 8;
        return bytes > long.MaxValue ? null : shape.Contains(0) ? 0 : (long)bytes;
    }

    /// <summary>Fetches the tensor in a dispose scope of its own and hands out its elements.</summary>
    /// <exception cref="ArgumentException">The tensor is not as it was described.</exception>
    internal void Write(Func<TensorInfo, Tensor> valueOf, ByteSink sink)
    {
        using var scope = NewDisposeScope();
        var value = valueOf(this);
        if (value.dtype != Type || !value.shape.AsSpan().SequenceEqual(Shape))
            throw new ArgumentException($"{Name} was planned as {Type} {ShapeText} but is {value.dtype} {ShapeToText(value.shape)}.");
        TensorMemory.Write(value, sink);
    }

    internal static string ShapeToText(ReadOnlySpan<long> shape) => $"({string.Join(", ", shape.ToArray())})";
}
