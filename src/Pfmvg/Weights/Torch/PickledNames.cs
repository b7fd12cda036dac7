using System.Text;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights.Torch;

/// <summary>The exception for what is wrong at a pickle's current operation; without advice, the file is said to be damaged.</summary>
internal delegate InputException PickleRefusal(string problem, string? advice = null);

/// <summary>
/// What the names in a pickle stand for, as data. Those of weights give tensors, their storages and plain containers; names that run code
/// are refused; every other one gives a <see cref="Placeholder"/>.
/// </summary>
/// <param name="refuse">Names the file and the place.</param>
/// <param name="budget">How much may be copied in all: an honest pickle has the bytes of every copy.</param>
internal sealed class PickledNames(PickleRefusal refuse, long budget)
{
    private const int MaxKey = 100;

    private static readonly UnreadableTensor Sparse = new("is sparse", "save it dense: tensor.to_dense()");
    private static readonly UnreadableTensor Distributed = new(
        "is a DTensor, whose values are spread over several processes", "gather it with full_tensor() before it is saved");

    private readonly HashSet<string> _foreign = [];
    private long _copied;

    /// <summary>Every storage met so far, by key.</summary>
    public Dictionary<string, PickledStorage> Storages { get; } = [];

    /// <summary>The names that became placeholders, in the order of their first use.</summary>
    public List<string> Foreign { get; } = [];

    /// <summary>What a name stands for.</summary>
    /// <exception cref="InputException">It is a name that runs code.</exception>
    public object Resolve(string module, string name) => (module, name) switch
    {
        ("collections", "OrderedDict") => PickleName.OrderedDictionary,
        ("torch", "Size") => PickleName.Size,
        ("builtins" or "__builtin__", "set" or "frozenset") => PickleName.Set,
        ("builtins" or "__builtin__", "bytes") => PickleName.Bytes,
        ("_codecs", "encode") => PickleName.Encode,
        ("torch", "Tensor") or ("torch.nn.parameter", "Parameter" or "Buffer") => PickleName.Tensor,
        ("torch._utils", "_rebuild_tensor" or "_rebuild_tensor_v2") => PickleName.RebuildTensor,
        ("torch._utils", "_rebuild_tensor_v3") => PickleName.RebuildTypedTensor,
        ("torch._utils", "_rebuild_parameter" or "_rebuild_parameter_with_state") => PickleName.RebuildParameter,
        ("torch._tensor", "_rebuild_from_type" or "_rebuild_from_type_v2") => PickleName.RebuildFromType,
        ("torch._utils", "_rebuild_sparse_tensor" or "_rebuild_sparse_csr_tensor") => Sparse,
        ("torch._utils", "_rebuild_qtensor") => new UnreadableTensor("is quantised", "save it as plain numbers: tensor.dequantize()"),
        ("torch._utils", "_rebuild_meta_tensor_no_storage") => new UnreadableTensor(
            "is on the device meta, so it has no values", "load the model's values before it is saved"),
        ("torch._utils", "_rebuild_wrapper_subclass") => Distributed,
        ("torch._utils", _) when name.StartsWith("_rebuild_", StringComparison.Ordinal) =>
            new UnreadableTensor($"is made by {Refusal.Show(name)}", "save a plain tensor: tensor.detach().cpu()"),
        ("torch", "UntypedStorage" or "QInt8Storage" or "QUInt8Storage" or "QUInt4x2Storage" or "QUInt2x4Storage") => ScalarType.Byte,
        ("torch.storage", "UntypedStorage") => ScalarType.Byte,
        ("torch", "QInt32Storage") => ScalarType.Int32,
        ("torch" or "torch.cuda", _) when TensorTypes.FromStorageName(name) is { } type => type,
        _ => MakeForeign(module, name),
    };

    /// <summary>What a name gives for its arguments. They are checked one by one: the file is untrusted.</summary>
    public object? Make(object? what, object?[] arguments) => (what, arguments) switch
    {
        (PickleName.OrderedDictionary, []) => new PickledDictionary(),
        (PickleName.OrderedDictionary, [List<object?> pairs]) => Ordered(pairs),
        (PickleName.Size, [object?[] sizes]) => sizes,
        (PickleName.Set, []) => new List<object?>(),
        (PickleName.Set, [List<object?> items]) => items,
        (PickleName.Bytes, []) => Array.Empty<byte>(),
        (PickleName.Encode, [string text, "latin1" or "latin-1"]) => Latin1(text),
        (PickleName.RebuildTensor, [PickledStorage storage, long offset, object?[] shape, object?[] strides, ..]) =>
            new PickledTensor(storage, offset, Numbers(shape), Numbers(strides)),
        (PickleName.RebuildTypedTensor,
            [PickledStorage storage, long offset, object?[] shape, object?[] strides, bool, _, Placeholder type, ..]) =>
            Typed(storage, offset, shape, strides, type.Name),
        (PickleName.RebuildParameter, [PickledTensor or UnreadableTensor, bool, ..]) => arguments[0],
        (PickleName.RebuildParameter, [Placeholder foreign, bool, ..]) => OfClass(foreign.Name),
        (PickleName.RebuildFromType, [PickleName.RebuildTensor or PickleName.RebuildTypedTensor, PickleName.Tensor, object?[] inner, ..]) =>
            Make(arguments[0], inner),
        (PickleName.RebuildFromType, [UnreadableTensor, PickleName.Tensor, ..]) => arguments[0],
        (PickleName.RebuildFromType, [_, Placeholder type, object?[], ..]) => OfClass(type.Name),
        (UnreadableTensor, _) => what,
        (Placeholder foreign, _) => new Placeholder(foreign.Name, arguments),
        (PickleName or ScalarType, _) => throw refuse($"'{what}' is given arguments that no weight file has"),
        _ => throw refuse("something that is not a name is called"),
    };

    /// <summary>What a persistent id stands for: a storage, or a class that the oldest format wraps with its source.</summary>
    public object? Persistent(object?[] identifier)
    {
        if (identifier is ["module", Placeholder type, ..]) return type;
        if (identifier is not ["storage", ScalarType scalar, string key, string, long elements, .. var view]
            || !view.All(part => part is null))
            throw refuse("a storage is described in a way that torch.save does not use");
        if (key.Length > MaxKey) throw refuse($"a storage's key has {key.Length} characters");
        var storage = new PickledStorage(key, scalar, elements);
        if (Storages.TryGetValue(key, out var known) && known != storage)
            throw refuse($"the storage '{Refusal.Show(key)}' is described in two ways");
        return Storages[key] = storage;
    }

    private Placeholder MakeForeign(string module, string name)
    {
        var whole = $"{module}.{name}";
        if (!_foreign.Add(whole)) return new Placeholder(whole, []);
        if (CodeNames.Has(module, name))
            throw refuse($"asks for {Refusal.Show(whole)}, which no weight file needs: it can run code",
                name == "_load_from_bytes" ? "it was written by pickle.dump: write it with torch.save"
                    : "nothing was run; do not open this file elsewhere unless you trust its source, and then save only its state_dict()");
        Foreign.Add(whole);
        return new Placeholder(whole, []);
    }

    private static UnreadableTensor OfClass(string type) => type.Contains("DTensor", StringComparison.Ordinal)
        ? Distributed
        : new UnreadableTensor($"is of the tensor class {Refusal.Show(type)}", "save its plain values instead");

    private object Typed(PickledStorage storage, long offset, object?[] shape, object?[] strides, string type)
    {
        var name = type.StartsWith("torch.", StringComparison.Ordinal) ? type["torch.".Length..] : type;
        return TensorTypes.FromName(name) is { } known
            ? new PickledTensor(storage with { Type = known, Elements = storage.Elements * TensorTypes.Size(storage.Type)
                / TensorTypes.Size(known) }, offset, Numbers(shape), Numbers(strides))
            : UnreadableTensor.OfType(name);
    }

    private PickledDictionary Ordered(List<object?> pairs)
    {
        CountCopies(pairs.Count);
        var dictionary = new PickledDictionary();
        foreach (var pair in pairs)
        {
            var (key, value) = pair switch
            {
                object?[] { Length: 2 } tuple => (tuple[0], tuple[1]),
                List<object?> { Count: 2 } list => (list[0], list[1]),
                _ => throw refuse("an OrderedDict is made from something that is not a pair"),
            };
            dictionary.Pairs.Add(new(key, value));
        }

        return dictionary;
    }

    private byte[] Latin1(string text)
    {
        CountCopies(text.Length);
        return text.All(character => character <= 0xFF)
            ? Encoding.Latin1.GetBytes(text) : throw refuse("bytes are encoded from wider characters");
    }

    private long[] Numbers(object?[] values) => values.Length <= TensorInfo.MaxDimensions
        ? [.. values.Select(value => value as long? ?? throw refuse("a tensor's sizes are not whole numbers"))]
        : throw refuse($"a tensor has {values.Length} dimensions");

    // What is copied has its own bytes in an honest pickle; remembering one value and copying it again and again is not honest.
    private void CountCopies(int count)
    {
        if ((_copied += count) > budget) throw refuse("it copies the same values again and again");
    }
}
