using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights.Torch;

/// <summary>
/// Reads pickles (protocols 2 to 5) that hold weights. It is a reader of data, not an interpreter of Python: it knows
/// tensors, their storages and plain containers, and refuses every other name when it meets it, before anything could
/// be made of it. Its memory is bounded by the length of the pickle and a limit on containers.
/// </summary>
/// <param name="data">The bytes; one pickle may follow another.</param>
/// <param name="path">The file, for messages.</param>
/// <param name="place">What the bytes are, for messages: "data.pkl" or "pickle".</param>
internal sealed class PickleReader(byte[] data, string path, string place)
{
    /// <summary>The largest pickle that is read, in bytes. A checkpoint of thousands of tensors has a few hundred kilobytes.</summary>
    public const int MaxBytes = 16 << 20;

    // A pickle can ask for a container with one byte; this bounds what that costs.
    private const int MaxItems = 1_000_000;
    private const int MaxIntegerBytes = 32;
    private const int MaxKey = 100;

    private static readonly object True = true, False = false;

    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _items, _opcode;
    private long _copied;

    /// <summary>Where the next pickle begins.</summary>
    public int Position { get; private set; }

    /// <summary>Every storage met so far, by key.</summary>
    public Dictionary<string, PickledStorage> Storages { get; } = [];

    /// <summary>Reads one pickle.</summary>
    /// <exception cref="InputException">It is broken, too large, or refers to anything that is not plain weights.</exception>
    public object? Read()
    {
        _stack.Clear();
        _marks.Clear();
        _memo.Clear();
        while (true)
        {
            _opcode = Position;
            var opcode = Byte();
            if (opcode == '.') return Pop();
            Execute(opcode);
        }
    }

    /// <summary>The exception for what is wrong at the current operation.</summary>
    public InputException Refuse(string problem) => Refusal.ForFile(path, $"{place}, byte {_opcode}: {problem}");

    private void Execute(byte opcode)
    {
        switch (opcode)
        {
            case 0x80: if (Byte() is var protocol and (< 2 or > 5)) throw Refuse($"unknown pickle protocol {protocol}"); break;
            case 0x95: Take(8); break;                                                       // FRAME: a hint for readers of pipes
            case (byte)'N': Push(null); break;
            case 0x88: Push(True); break;
            case 0x89: Push(False); break;
            case (byte)'K': Push((long)Byte()); break;
            case (byte)'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case (byte)'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); break;
            case 0x8a: PushInteger(Byte()); break;
            case 0x8b: PushInteger(UInt32()); break;
            case (byte)'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;
            case (byte)'X': Push(Text(UInt32())); break;
            case 0x8c: Push(Text(Byte())); break;
            case 0x8d: Push(Text(UInt64())); break;
            case (byte)'T': Push(Text(UInt32())); break;                                     // Python 2's str: text in checkpoints
            case (byte)'U': Push(Text(Byte())); break;
            case (byte)'B': Push(Take(UInt32()).ToArray()); break;
            case (byte)'C': Push(Take(Byte()).ToArray()); break;
            case 0x8e or 0x96: Push(Take(UInt64()).ToArray()); break;
            case (byte)'}': Push(Counted(new PickledDictionary())); break;
            case (byte)']' or 0x8f: Push(Counted(new List<object?>())); break;
            case (byte)')': Push(Array.Empty<object?>()); break;
            case (byte)'t': Push(Counted(PopToMark())); break;
            case 0x85: Push(Counted(PopTuple(1))); break;
            case 0x86: Push(Counted(PopTuple(2))); break;
            case 0x87: Push(Counted(PopTuple(3))); break;
            case 0x91: Push(Counted(new List<object?>(PopToMark()))); break;
            case (byte)'(': _marks.Add(_stack.Count); Counted(null); break;
            case (byte)'0': Pop(); break;
            case (byte)'1': PopToMark(); break;
            case (byte)'2': Push(Peek()); break;
            case (byte)'a': { var item = Pop(); Peek<List<object?>>().Add(item); break; }
            case (byte)'e' or 0x90: { var items = PopToMark(); Peek<List<object?>>().AddRange(items); break; }
            case (byte)'s': SetItems(PopTuple(2)); break;
            case (byte)'u': SetItems(PopToMark()); break;
            case (byte)'q': Memoize(Byte()); break;
            case (byte)'r': Memoize((uint)UInt32()); break;
            case 0x94: Memoize((uint)_memo.Count); break;
            case (byte)'h': Push(Recall(Byte())); break;
            case (byte)'j': Push(Recall((uint)UInt32())); break;
            case (byte)'c': Push(Resolve(Line(), Line())); break;
            case 0x93: { var name = Pop<string>(); Push(Resolve(Pop<string>(), name)); break; }
            case (byte)'i': throw RefuseName(Line(), Line());                                // INST would construct it
            case (byte)'R' or 0x81: { var arguments = Pop<object?[]>(); Push(Counted(Make(Pop(), arguments))); break; }
            case (byte)'b': Build(); break;
            case (byte)'Q': Push(Counted(Storage(Pop<object?[]>()))); break;
            default: throw Refuse($"the operation 0x{opcode:x2} is not used in weight files");
        }
    }

    private object Resolve(string module, string name) => (module, name) switch
    {
        ("collections", "OrderedDict") => PickleName.OrderedDictionary,
        ("torch", "Size") => PickleName.Size,
        ("builtins" or "__builtin__", "set" or "frozenset") => PickleName.Set,
        ("builtins" or "__builtin__", "bytes") => PickleName.Bytes,
        ("_codecs", "encode") => PickleName.Encode,
        ("torch._utils", "_rebuild_tensor_v2") => PickleName.RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => PickleName.RebuildParameter,
        ("torch", _) when TensorTypes.FromStorageName(name) is { } type => type,
        _ => throw RefuseName(module, name),
    };

    private InputException RefuseName(string module, string name) => Refusal.ForFile(
        path, $"{place}, byte {_opcode}: asks for {Refusal.Show($"{module}.{name}")}, which no weight file needs",
        "nothing was run; do not open this file elsewhere unless you trust its source, and then save only its state_dict()");

    // What the names stand for, as data. Arguments are checked one by one: the file is untrusted.
    private object? Make(object? what, object?[] arguments) => (what, arguments) switch
    {
        (PickleName.OrderedDictionary, []) => new PickledDictionary(),
        (PickleName.OrderedDictionary, [List<object?> pairs]) => Ordered(pairs),
        (PickleName.Size, [object?[] sizes]) => sizes,
        (PickleName.Set, []) => new List<object?>(),
        (PickleName.Set, [List<object?> items]) => items,
        (PickleName.Bytes, []) => Array.Empty<byte>(),
        (PickleName.Encode, [string text, "latin1" or "latin-1"]) => Latin1(text),
        (PickleName.RebuildTensor, [PickledStorage storage, long offset, object?[] shape, object?[] strides, bool, _, ..]) =>
            new PickledTensor(storage, offset, Numbers(shape), Numbers(strides)),
        (PickleName.RebuildParameter, [PickledTensor tensor, bool, _]) => tensor,
        (PickleName or ScalarType, _) => throw Refuse($"'{what}' is given arguments that no weight file has"),
        _ => throw Refuse("something that is not a name is called"),
    };

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
                _ => throw Refuse("an OrderedDict is made from something that is not a pair"),
            };
            dictionary.Pairs.Add(new(key, value));
        }

        return dictionary;
    }

    private byte[] Latin1(string text)
    {
        CountCopies(text.Length);
        return text.All(character => character <= 0xFF)
            ? Encoding.Latin1.GetBytes(text) : throw Refuse("bytes are encoded from wider characters");
    }

    private long[] Numbers(object?[] values) => values.Length <= TensorInfo.MaxDimensions
        ? [.. values.Select(value => value as long? ?? throw Refuse("a tensor's sizes are not whole numbers"))]
        : throw Refuse($"a tensor has {values.Length} dimensions");

    private PickledStorage Storage(object?[] identifier)
    {
        if (identifier is not ["storage", ScalarType type, string key, string, long elements, .. var view]
            || !view.All(part => part is null))
            throw Refuse("a storage is described in a way that torch.save does not use");
        if (key.Length > MaxKey) throw Refuse($"a storage's key has {key.Length} characters");
        var storage = new PickledStorage(key, type, elements);
        if (Storages.TryGetValue(key, out var known) && known != storage)
            throw Refuse($"the storage '{Refusal.Show(key)}' is described in two ways");
        return Storages[key] = storage;
    }

    // OrderedDict may carry attributes (a state dict has "_metadata"); they are not weights and are left out.
    private void Build()
    {
        Pop<PickledDictionary>();
        Peek<PickledDictionary>();
    }

    private void SetItems(object?[] pairs)
    {
        if (pairs.Length % 2 != 0) throw Refuse("a key has no value");
        var dictionary = Peek<PickledDictionary>();
        for (var index = 0; index < pairs.Length; index += 2) dictionary.Pairs.Add(new(pairs[index], pairs[index + 1]));
    }

    private object? Counted(object? item)
    {
        CountItem();
        return item;
    }

    private void CountItem()
    {
        if (++_items > MaxItems) throw Refuse($"it has more than {MaxItems} containers, as no weight file does");
    }

    // What is copied has its own bytes in an honest pickle; remembering one value and copying it again and again is not honest.
    private void CountCopies(int count)
    {
        if ((_copied += count) > data.Length) throw Refuse("it copies the same values again and again");
    }

    private void Memoize(uint index)
    {
        CountItem();
        _memo[index] = Peek();
    }

    private object? Recall(uint index) =>
        _memo.TryGetValue(index, out var value) ? value : throw Refuse($"nothing is remembered under {index}");

    private void Push(object? value)
    {
        if (_stack.Count >= MaxItems) throw Refuse($"it holds more than {MaxItems} values at once, as no weight file does");
        _stack.Add(value);
    }

    // Values below the innermost mark are out of reach.
    private object? Peek() =>
        _stack.Count > (_marks.Count > 0 ? _marks[^1] : 0) ? _stack[^1] : throw Refuse("it takes more values than it has");

    private T Peek<T>() => Peek() is T value ? value : throw Refuse("a value of another kind is expected");

    private object? Pop()
    {
        var value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private T Pop<T>() => Pop() is T value ? value : throw Refuse("a value of another kind is expected");

    private object?[] PopTuple(int length)
    {
        var tuple = new object?[length];
        while (length-- > 0) tuple[length] = Pop();
        return tuple;
    }

    private object?[] PopToMark()
    {
        if (_marks.Count == 0) throw Refuse("a mark is missing");
        var mark = _marks[^1];
        _marks.RemoveAt(_marks.Count - 1);
        var values = _stack.GetRange(mark, _stack.Count - mark).ToArray();
        _stack.RemoveRange(mark, values.Length);
        return values;
    }

    private byte Byte() => Take(1)[0];

    private ulong UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    private ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)(data.Length - Position)) throw Refuse($"it ends {count - (ulong)(data.Length - Position)} bytes early");
        var bytes = data.AsSpan(Position, (int)count);
        Position += (int)count;
        return bytes;
    }

    private void PushInteger(ulong length)
    {
        if (length > MaxIntegerBytes) throw Refuse($"it has a whole number of {length} bytes");
        var number = new BigInteger(Take(length));
        if (number >= long.MinValue && number <= long.MaxValue) Push((long)number);
        else Push(number);
    }

    // Lone surrogates, which Python can pickle, become the replacement character.
    private string Text(ulong length) => Encoding.UTF8.GetString(Take(length));

    private string Line()
    {
        var length = data.AsSpan(Position).IndexOf((byte)'\n');
        if (length < 0) throw Refuse("a name does not end");
        var line = Encoding.UTF8.GetString(Take((ulong)length));
        Position++;
        return line;
    }
}
