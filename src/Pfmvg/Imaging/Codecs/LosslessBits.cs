using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pfmvg.Imaging.Codecs;

/// <summary>The Huffman code of lossless JPEG: each symbol is the number of bits of a difference, which follow it.</summary>
internal sealed class LosslessTable
{
    /// <summary>Bits looked up at once.</summary>
    public const int Bits = 10;

    private readonly int[] _end = new int[17];    // behind the last code of each length, left-aligned to 16 bits
    private readonly int[] _offset = new int[17]; // from code to place in the symbols
    private readonly byte[] _symbols;

    /// <summary>Builds the table; <see cref="StreamException"/> for a code that is none.</summary>
    public LosslessTable(JpegScan.HuffmanCode spec)
    {
        _symbols = spec.Symbols;
        var (code, index) = (0, 0);
        for (var length = 1; length <= 16; length++)
        {
            _offset[length] = index - code;
            for (var i = 0; i < spec.Lengths[length - 1]; i++, code++, index++)
            {
                if (code >= 1 << length) throw new StreamException("the codes of a Huffman table (DHT) of the JPEG stream overlap");
                var size = _symbols[index];
                if (size > 16) throw new StreamException("a Huffman table (DHT) of the JPEG stream has differences of more than 16 bits");
                if (length > Bits) continue;
                Entries.AsSpan(code << (Bits - length), 1 << (Bits - length)).Fill(Entry(length, size));
            }

            _end[length] = code << (16 - length);
            code <<= 1;
        }
    }

    /// <summary>
    /// By the next bits: the length of code and difference together, from bit 8 on that of the difference, from bit 16 on
    /// what is to be added to it; 0 for longer codes.
    /// </summary>
    public uint[] Entries { get; } = new uint[1 << Bits];

    /// <summary>The entry of any code, from the next 16 bits.</summary>
    public uint Find(int code)
    {
        for (var length = 1; length <= 16; length++)
        {
            if (code >= _end[length]) continue;
            return Entry(length, _symbols[(code >> (16 - length)) + _offset[length]]);
        }

        throw new StreamException("the data of the JPEG stream are damaged: a code that is in no table");
    }

    /// <summary>The size 16 stands for the difference 32,768 alone, so no bits follow.</summary>
    private static uint Entry(int length, int size) => size == 16 ? (uint)length | 32768u << 16 : (uint)(length + size | size << 8);
}

/// <summary>Reads the differences of a lossless scan. The stream is unpacked in pieces, without its stuffed bytes.</summary>
internal ref struct LosslessBits
{
    /// <summary>So many differences are read at most at a time.</summary>
    public const int Most = 4096;

    private const int Reach = 4 * Most + 32; // no difference has more than 31 bits; some bytes are read ahead

    private readonly ReadOnlySpan<byte> _stream;
    private readonly byte[] _buffer = new byte[3 * Most * 4 + Reach];
    private int _next;  // in the stream
    private int _end;   // in the buffer
    private int _bit;   // in the buffer: the next one
    private bool _last; // nothing but a marker follows what is in the buffer

    /// <summary>Reads from a place of the stream on.</summary>
    public LosslessBits(ReadOnlySpan<byte> stream, int start)
    {
        _stream = stream;
        _next = start;
    }

    /// <summary>Reads the next differences, modulo 65,536.</summary>
    public void Read(LosslessTable table, scoped Span<ushort> differences)
    {
        Unpack();
        ref var entries = ref MemoryMarshal.GetArrayDataReference(table.Entries);
        ref var next = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_buffer), _bit >> 3);
        var count = 64 - (_bit & 7);
        var ahead = BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<ulong>(ref next)) << (_bit & 7);
        next = ref Unsafe.Add(ref next, 8);
        for (var i = 0; i < differences.Length; i++)
        {
            var entry = Unsafe.Add(ref entries, (int)(ahead >> (64 - LosslessTable.Bits)));
            if (entry == 0) entry = table.Find((int)(ahead >> 48));
            var size = (byte)(entry >> 8);
            var value = (int)(ahead >> -(int)entry) & ((1 << size) - 1);
            value += ((value - (1 << size >> 1)) >> 31) & (1 - (1 << size)); // below half: negative
            differences[i] = (ushort)(value + (entry >> 16));
            ahead <<= (int)entry;
            count -= (int)(entry & 63);
            if (count < 32)
            {
                ahead |= (ulong)BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<uint>(ref next)) << (32 - count);
                count += 32;
                next = ref Unsafe.Add(ref next, 4);
            }
        }

        _bit = 8 * (int)Unsafe.ByteOffset(ref MemoryMarshal.GetArrayDataReference(_buffer), ref next) - count;
        if (_last && _bit > 8 * _end) throw new StreamException("the JPEG stream ends before its last sample, or a part of it is missing");
    }

    /// <summary>Fills the buffer so that the longest differences are in it, or zeros behind the end.</summary>
    private void Unpack()
    {
        var first = _bit >> 3;
        if (_last || _end - first >= Reach) return;
        _buffer.AsSpan(first, _end - first).CopyTo(_buffer);
        (_end, _bit) = (_end - first, _bit & 7);
        while (!_last && _end < _buffer.Length - Reach)
        {
            var rest = _stream.Slice(_next, Math.Min(_stream.Length - _next, _buffer.Length - Reach - _end));
            var run = rest.IndexOf((byte)0xff);
            if (run < 0) run = rest.Length;
            rest[..run].CopyTo(_buffer.AsSpan(_end));
            (_next, _end) = (_next + run, _end + run);
            if (run < rest.Length || _next == _stream.Length) TakeMark();
        }

        if (_last) _buffer.AsSpan(_end, Reach).Clear();
    }

    /// <summary>At a byte 0xff: a stuffed one, a marker, or the end.</summary>
    private void TakeMark()
    {
        while (_next < _stream.Length && _stream[_next] == 0xff) _next++;
        _last = _next == _stream.Length || _stream[_next] != 0;
        if (_last) return;
        _buffer[_end++] = 0xff;
        _next++;
    }

    /// <summary>The marker behind the data, which must have been used up; 0 at the end of the stream.</summary>
    public byte Finish()
    {
        Unpack();
        var left = _last ? _buffer.AsSpan((_bit + 7) >> 3, _end - ((_bit + 7) >> 3)) : _buffer;
        if (!_last || (left.ContainsAnyExcept((byte)0) && left.ContainsAnyExcept((byte)0xff)))
            throw new StreamException("the data of the JPEG stream are damaged: some are left over behind the last sample");
        return _next < _stream.Length ? _stream[_next] : (byte)0;
    }

    /// <summary>Goes on behind a restart marker.</summary>
    public void Restart(int number)
    {
        if (Finish() != 0xd0 + (number & 7)) throw new StreamException("a restart marker of the JPEG stream is missing or out of turn");
        _next++;
        (_end, _bit, _last) = (0, 0, false);
    }
}
