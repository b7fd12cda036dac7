namespace Pfmvg.Weights.Torch;

// What a pickle of weights is made of, beside null, bool, long, BigInteger, double, string, byte[], object?[] (a tuple)
// and List<object?> (a list or a set).

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
    RebuildTensor,
    RebuildParameter,
}
