namespace Pfmvg.Weights.Torch;

// What a pickle of weights is made of, beside null, bool, long, BigInteger, double, string, byte[], object?[] (a tuple),
// List<object?> (a list or a set), PickledTensor and PickledStorage.

/// <summary>A dict or OrderedDict: pairs in the order of their insertion; a later pair of the same key counts.</summary>
internal sealed class PickledDictionary
{
    public List<KeyValuePair<object?, object?>> Pairs { get; } = [];
}

/// <summary>The names a pickle of weights may refer to. Each stands for plain data; none is ever looked up or called.</summary>
internal enum PickleName
{
    OrderedDictionary,
    Size,
    Set,
    Bytes,
    Encode,
    Tensor,
    RebuildTensor,
    RebuildTypedTensor,
    RebuildParameter,
    RebuildFromType,
}

/// <summary>
/// A name that has nothing to do with weights, or a value of it: what the pickle says to make it from, kept as data. Nothing of it is
/// imported, made or called.
/// </summary>
internal sealed class Placeholder(string name, object?[] arguments)
{
    /// <summary>Module and name, for example "argparse.Namespace".</summary>
    public string Name => name;

    /// <summary>What it would be called with; empty also for a name that stands alone.</summary>
    public object?[] Arguments => arguments;

    /// <summary>What it would be given as its attributes.</summary>
    public object? State { get; set; }

    /// <summary>What would be appended; null for nothing.</summary>
    public List<object?>? Items { get; set; }

    /// <summary>What would be set by key; null for nothing.</summary>
    public List<KeyValuePair<object?, object?>>? Pairs { get; set; }
}
