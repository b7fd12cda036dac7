using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights.Torch;

/// <summary>A typed storage: some bytes of the file, named by a key.</summary>
internal sealed record PickledStorage(string Key, ScalarType Type, long Elements);

/// <summary>A view of a storage; offset and strides count elements.</summary>
internal sealed record PickledTensor(PickledStorage Storage, long Offset, long[] Shape, long[] Strides)
{
    /// <summary>
    /// A view of a storage, checked: every element lies inside, and the view is not larger than the storage or the
    /// file (a stride of 0 can repeat a few bytes without end).
    /// </summary>
    public StoredTensor View(string name, ByteSource source, string path, long fileLength)
    {
        var ((_, type, elements), offset, shape, strides) = this;
        var width = TensorTypes.Size(type);
        if (elements < 0 || elements > source.Length / width)
            throw Refuse($"claims a storage of {elements} elements of {width} bytes, but only {source.Length} bytes are there");
        if (shape.Length != strides.Length) throw Refuse($"has {shape.Length} sizes but {strides.Length} strides");
        if (TensorInfo.CountBytes(shape, type) is not { } bytes)
            throw Refuse($"has the impossible shape {TensorInfo.ShapeToText(shape)}");
        if (bytes > Math.Max(source.Length, fileLength))
            throw Refuse($"has the shape {TensorInfo.ShapeToText(shape)}, larger than the whole file");
        var info = new TensorInfo(name, type, shape, bytes);
        if (bytes == 0) return new StoredTensor(info, source, 0, null);

        Int128 last = offset;
        long expected = 1;
        var rowMajor = true;
        for (var dimension = shape.Length - 1; dimension >= 0; dimension--)
        {
            if (strides[dimension] < 0) throw Refuse($"has the stride {strides[dimension]}");
            last += (Int128)(shape[dimension] - 1) * strides[dimension];
            rowMajor &= shape[dimension] == 1 || strides[dimension] == expected;
            expected *= shape[dimension];
        }

        if (offset < 0 || last >= elements)
            throw Refuse($"covers elements {offset} to {last} of a storage that has {elements}");
        return new StoredTensor(info, source, offset * width, rowMajor ? null : strides);

        InputException Refuse(string problem) => Refusal.ForFile(path, $"the tensor '{Refusal.Show(name)}' {problem}");
    }
}
