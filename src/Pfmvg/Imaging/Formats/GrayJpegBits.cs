using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pfmvg.Imaging.Formats;

/// <summary>Bits of a scan that were read ahead.</summary>
internal struct BitsAhead
{
    /// <summary>The next bit is the highest.</summary>
    public ulong Bits;

    /// <summary>How many there are.</summary>
    public int Count;
}

/// <summary>Reads the bits of a JPEG scan: byte stuffing taken out, zeros behind the end or a marker.</summary>
internal ref struct BitReader(ReadOnlySpan<byte> data)
{
    private readonly ReadOnlySpan<byte> _data = data;
    private int _position;
    private int _padding; // of the bits ahead, the zeros behind the end

    /// <summary>What is read ahead. A caller may keep it in a variable of its own and put it back.</summary>
    public BitsAhead Ahead;

    /// <summary>More bits were taken than there are.</summary>
    public readonly bool Overrun => Ahead.Count < _padding;

    /// <summary>Makes at least 32 bits ready: the longest code and its value need 31.</summary>
    public void Fill()
    {
        if (Ahead.Count < 32) Fill(ref Ahead);
    }

    /// <summary>Reads on; there must be fewer than 32 bits ahead.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Fill(ref BitsAhead ahead)
    {
        if (_position + 4 <= _data.Length)
        {
            ref var next = ref Unsafe.Add(ref MemoryMarshal.GetReference(_data), _position);
            var four = BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<uint>(ref next));
            if (((~four - 0x01010101) & four & 0x80808080) == 0) // no byte is 0xff
            {
                ahead.Bits |= (ulong)four << (32 - ahead.Count);
                ahead.Count += 32;
                _position += 4;
                return;
            }
        }

        ahead = FillBytes(ahead);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private BitsAhead FillBytes(BitsAhead ahead)
    {
        while (ahead.Count <= 56)
        {
            ulong next = 0;
            if (_position < _data.Length && _data[_position] != 0xff) next = _data[_position++];
            else if (_position + 1 < _data.Length && _data[_position + 1] == 0)
            {
                next = 0xff;
                _position += 2;
            }
            else _padding += 8; // a marker or the end

            ahead.Bits |= next << (56 - ahead.Count);
            ahead.Count += 8;
        }

        return ahead;
    }

    /// <summary>The next bits without taking them; 1 to 32, after <see cref="Fill()"/>.</summary>
    public readonly int Peek(int count) => (int)(Ahead.Bits >> (64 - count));

    /// <summary>Takes bits.</summary>
    public void Skip(int count)
    {
        Ahead.Bits <<= count;
        Ahead.Count -= count;
    }

    /// <summary>Takes a number of the given size class (JPEG's EXTEND).</summary>
    public int Value(int size)
    {
        if (size == 0) return 0;
        var value = Peek(size);
        Skip(size);
        return value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
    }

    /// <summary>Continues behind a restart marker; false when none is next.</summary>
    public bool Restart()
    {
        if (Overrun || Ahead.Count - _padding >= 8) return false; // whole bytes are left over
        while (_position < _data.Length && _data[_position] == 0xff && _position + 1 < _data.Length && _data[_position + 1] == 0xff)
            _position++;
        return Restart(IsAtRestart);
    }

    /// <summary>Whether a restart marker is next.</summary>
    public readonly bool IsAtRestart =>
        _position + 1 < _data.Length && _data[_position] == 0xff && _data[_position + 1] is >= 0xd0 and <= 0xd7;

    /// <summary>Continues behind the next restart marker; false when another marker or the end comes first.</summary>
    public bool SkipToRestart()
    {
        if (Overrun) return false;
        while (_position + 1 < _data.Length && !IsAtRestart && (_data[_position] != 0xff || _data[_position + 1] is 0 or 0xff))
            _position++;
        return Restart(IsAtRestart);
    }

    private bool Restart(bool isThere)
    {
        if (!isThere) return false;
        _position += 2;
        (Ahead, _padding) = (default, 0);
        return true;
    }
}

/// <summary>A Huffman table, laid out for looking up several bits at once.</summary>
internal sealed class HuffmanTable
{
    /// <summary>Bits looked up at once.</summary>
    public const int Bits = 12;

    private readonly ushort[] _short = new ushort[1 << Bits]; // symbol and length of codes of at most so many bits; 0 for longer ones
    private readonly int[] _end = new int[18];                // behind the last code of each length, left-aligned to 16 bits
    private readonly int[] _offset = new int[17];             // from code to place in the symbols
    private readonly byte[] _symbols;

    private HuffmanTable(byte[] symbols) => _symbols = symbols;

    /// <summary>
    /// For codes whose value fits, too: value, run of zeros and length together; 0 where it does not. Empty without
    /// values.
    /// </summary>
    public int[] Combined { get; private init; } = [];

    /// <summary>Builds the table; null when the code lengths overlap.</summary>
    public static HuffmanTable? Make(ReadOnlySpan<byte> lengths, ReadOnlySpan<byte> symbols, bool withValues)
    {
        var table = new HuffmanTable(symbols.ToArray()) { Combined = withValues ? new int[1 << Bits] : [] };
        var (code, index) = (0, 0);
        for (var length = 1; length <= 16; length++)
        {
            table._offset[length] = index - code;
            for (var i = 0; i < lengths[length - 1]; i++, code++, index++)
            {
                if (code >= 1 << length) return null;
                if (length > Bits) continue;
                var (first, same) = (code << (Bits - length), 1 << (Bits - length));
                table._short.AsSpan(first, same).Fill((ushort)(symbols[index] << 8 | length));
            }

            table._end[length] = code << (16 - length);
            code <<= 1;
        }

        for (var bits = 0; bits < table.Combined.Length; bits++)
        {
            var (symbol, length) = (table._short[bits] >> 8, table._short[bits] & 0xff);
            var size = symbol & 15;
            if (length == 0 || size == 0 || length + size > Bits) continue;
            var value = (bits >> (Bits - length - size)) & ((1 << size) - 1);
            if (value < 1 << (size - 1)) value += 1 - (1 << size);
            table.Combined[bits] = value << 16 | (symbol >> 4) << 8 | (length + size);
        }

        return table;
    }

    /// <summary>Takes a code; -1 when there is no such one.</summary>
    public int Symbol(ref BitReader bits)
    {
        int entry = _short[bits.Peek(Bits)];
        if (entry != 0)
        {
            bits.Skip(entry & 0xff);
            return entry >> 8;
        }

        var code = bits.Peek(16);
        for (var length = 1; length <= 16; length++)
        {
            if (code >= _end[length]) continue;
            bits.Skip(length);
            var place = (code >> (16 - length)) + _offset[length];
            return place >= 0 && place < _symbols.Length ? _symbols[place] : -1;
        }

        return -1;
    }
}
