using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Pfmvg.Weights.Torch;

/// <summary>
/// Reads pickles (protocols 0 to 5) that hold weights. It is a reader of data, not an interpreter of Python: it knows
/// tensors, their storages and plain containers, and keeps every other value as a <see cref="Placeholder"/>. Names that run
/// code are refused when they are met. Its memory is bounded by the length of the pickle and a limit on containers.
/// </summary>
internal sealed class PickleReader
{
    /// <summary>The largest pickle that is read, in bytes. A checkpoint of thousands of tensors has a few hundred kilobytes.</summary>
    public const int MaxBytes = 16 << 20;

    // A pickle can ask for a container with one byte; this bounds what that costs.
    private const int MaxItems = 1_000_000;
    private const int MaxIntegerBytes = 4096;
    private const int MaxDigits = 10_000;

    private static readonly object True = true, False = false;

    private readonly byte[] _data;
    private readonly string _path, _place;
    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _items, _opcode;

    /// <param name="data">The bytes; one pickle may follow another.</param>
    /// <param name="path">The file, for messages.</param>
    /// <param name="place">What the bytes are, for messages: "data.pkl" or "pickle".</param>
    public PickleReader(byte[] data, string path, string place)
    {
        (_data, _path, _place) = (data, path, place);
        Names = new PickledNames(Refuse, data.Length);
    }

    /// <summary>Where the next pickle begins.</summary>
    public int Position { get; private set; }

    /// <summary>The names met so far, and the storages.</summary>
    public PickledNames Names { get; }

    /// <summary>Reads one pickle.</summary>
    /// <exception cref="InputException">It is broken, too large, or names what runs code.</exception>
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
    public InputException Refuse(string problem, string? advice = null)
    {
        var whole = $"{_place}, byte {_opcode}: {problem}";
        return advice is null ? Refusal.ForFile(_path, whole) : Refusal.ForFile(_path, whole, advice);
    }

    private void Execute(byte opcode)
    {
        switch (opcode)
        {
            case 0x80: if (Byte() is var protocol and > 5) throw Refuse($"unknown pickle protocol {protocol}"); break;
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
            case (byte)'a': { var item = Pop(); Items().Add(item); break; }
            case (byte)'e' or 0x90: { var items = PopToMark(); Items().AddRange(items); break; }
            case (byte)'s': SetItems(PopTuple(2)); break;
            case (byte)'u': SetItems(PopToMark()); break;
            case (byte)'q': Memoize(Byte()); break;
            case (byte)'r': Memoize((uint)UInt32()); break;
            case 0x94: Memoize((uint)_memo.Count); break;
            case (byte)'h': Push(Recall(Byte())); break;
            case (byte)'j': Push(Recall((uint)UInt32())); break;
            case (byte)'c': Push(Counted(Names.Resolve(Line(), Line()))); break;
            case 0x93: { var name = Pop<string>(); Push(Counted(Names.Resolve(Pop<string>(), name))); break; }
            case (byte)'i': { var what = Names.Resolve(Line(), Line()); Push(Counted(Names.Make(what, PopToMark()))); break; }
            case (byte)'o': { var parts = PopToMark(); Push(Counted(Names.Make(parts.FirstOrDefault(), [.. parts.Skip(1)]))); break; }
            case (byte)'R' or 0x81: { var arguments = Pop<object?[]>(); Push(Counted(Names.Make(Pop(), arguments))); break; }
            case 0x92: { var named = Pop(); object?[] all = [.. Pop<object?[]>(), named]; Push(Counted(Names.Make(Pop(), all))); break; }
            case (byte)'b': Build(); break;
            case (byte)'Q': Push(Counted(Names.Persistent(Pop<object?[]>()))); break;
            case (byte)'I' or (byte)'L' or (byte)'F' or (byte)'S' or (byte)'V': Push(FromLine(opcode, Line(Encoding.Latin1))); break;
            case (byte)'l': Push(Counted(new List<object?>(PopToMark()))); break;
            case (byte)'d': { var pairs = PopToMark(); Push(Counted(new PickledDictionary())); SetItems(pairs); break; }
            case (byte)'p': Memoize(Index()); break;
            case (byte)'g': Push(Recall(Index())); break;
            default: throw Refuse($"the operation 0x{opcode:x2} is not used in weight files");
        }
    }

    // OrderedDict may carry attributes (a state dict has "_metadata"); they are not weights and are left out.
    private void Build()
    {
        var state = Pop();
        if (Peek() is Placeholder foreign) foreign.State = state;
        else Peek<PickledDictionary>();
    }

    private void SetItems(object?[] pairs)
    {
        if (pairs.Length % 2 != 0) throw Refuse("a key has no value");
        var all = Peek() is Placeholder foreign ? foreign.Pairs ??= [] : Peek<PickledDictionary>().Pairs;
        for (var index = 0; index < pairs.Length; index += 2) all.Add(new(pairs[index], pairs[index + 1]));
    }

    private List<object?> Items() => Peek() is Placeholder foreign ? foreign.Items ??= [] : Peek<List<object?>>();

    private object? Counted(object? item)
    {
        CountItem();
        return item;
    }

    private void CountItem()
    {
        if (++_items > MaxItems) throw Refuse($"it has more than {MaxItems} containers, as no weight file does");
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
        if (count > (ulong)(_data.Length - Position)) throw Refuse($"it ends {count - (ulong)(_data.Length - Position)} bytes early");
        var bytes = _data.AsSpan(Position, (int)count);
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

    private string Line(Encoding? encoding = null)
    {
        var length = _data.AsSpan(Position).IndexOf((byte)'\n');
        if (length < 0) throw Refuse("a line of text does not end");
        var line = (encoding ?? Encoding.UTF8).GetString(Take((ulong)length));
        Position++;
        return line;
    }

    private uint Index() => uint.TryParse(Line(), NumberStyles.None, CultureInfo.InvariantCulture, out var index)
        ? index : throw Refuse("a place to remember is not a number");

    // Protocol 0 writes values as lines of text.
    private object FromLine(byte opcode, string line)
    {
        if (opcode == 'V') return PickledText.Unescape(line, unicodeOnly: true);
        if (opcode == 'S')
            return line is [('\'' or '"') and var quote, .. var inner, var last] && last == quote
                ? PickledText.Unescape(inner, unicodeOnly: false) : throw Refuse("a text is not in quotes");
        if (opcode == 'F' && PickledText.Number(line) is { } real) return real;
        if (opcode == 'I' && line is "00" or "01") return line == "01" ? True : False;
        if (opcode != 'F' && line.Length <= MaxDigits
            && BigInteger.TryParse(line.TrimEnd('L'), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            return number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number;
        throw Refuse($"'{Refusal.Show(line, 40)}' is not a number");
    }
}
