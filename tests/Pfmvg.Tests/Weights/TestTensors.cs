using Pfmvg.Weights;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

/// <summary>Comparing tensors bit by bit, and reading a whole file.</summary>
internal static class TestTensors
{
    public static void AssertSame(Tensor expected, Tensor actual, string what)
    {
        Assert.True(expected.dtype == actual.dtype, $"{what}: {expected.dtype} and {actual.dtype}");
        Assert.Equal(expected.shape, actual.shape);
        if (expected.numel() > 0)
            Assert.True(expected.contiguous().bytes.SequenceEqual(actual.contiguous().bytes), $"{what}: other values");
    }

    /// <summary>Asserts that two files have the same tensors; a rename gives null for what is left out.</summary>
    public static void AssertSameWeights(ITensorFile expected, ITensorFile actual, Func<string, string?>? rename = null)
    {
        rename ??= name => name;
        var (left, right) = (Renamed(expected), Renamed(actual));
        Assert.Equal(left.Keys.Order(StringComparer.Ordinal), right.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, stored) in left)
        {
            using var scope = NewDisposeScope();
            AssertSame(expected.Read(stored), actual.Read(right[name]), name);
        }

        Dictionary<string, string> Renamed(ITensorFile file) =>
            file.Tensors.Keys.Where(name => rename(name) is not null).ToDictionary(name => rename(name)!);
    }

    /// <summary>Every tensor that the file names, whether a weight or, in the metadata, another one.</summary>
    public static IEnumerable<TensorInfo> All(ITensorFile file) => file.Tensors.Values.Concat(InTree(file.Metadata));

    /// <summary>Reads every tensor once.</summary>
    public static void ReadAll(ITensorFile file)
    {
        foreach (var info in All(file))
        {
            using var scope = NewDisposeScope();
            var tensor = file.Read(info.Name);
            Assert.Equal(info.Shape, tensor.shape);
            Assert.Equal(info.Type, tensor.dtype);
        }
    }

    private static IEnumerable<TensorInfo> InTree(object? value) => value switch
    {
        TensorInfo info => [info],
        IReadOnlyDictionary<string, object?> dictionary => dictionary.Values.SelectMany(InTree),
        IEnumerable<object?> items => items.SelectMany(InTree),
        _ => [],
    };
}
