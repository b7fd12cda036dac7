using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pfmvg.Imaging.Dicom;

/// <summary>The pixels as words of 8 or 16 bits, as they stand in the file or in a codec's memory.</summary>
internal readonly ref struct PixelWords
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly ReadOnlySpan<ushort> _words;
    private readonly bool _swapped, _crossed;

    /// <summary>Words of 8 bits. <paramref name="crossed"/>: each two of them have changed places.</summary>
    public PixelWords(ReadOnlySpan<byte> bytes, bool crossed = false)
    {
        _bytes = bytes;
        _crossed = crossed;
    }

    /// <summary>Words of 16 bits. <paramref name="swapped"/>: their bytes are not in the machine's order.</summary>
    public PixelWords(ReadOnlySpan<ushort> words, bool swapped = false)
    {
        _words = words;
        _swapped = swapped;
    }

    /// <summary>Finds the words of a picture that is not compressed; they are not copied.</summary>
    public static PixelWords Find(DataSet set, PixelLayout layout, PictureName picture)
    {
        var element = set.Element(Tag.PixelData);
        if (element.Open) throw picture.Broken(Tag.PixelData, $"is in fragments, but {Tag.TransferSyntax} says that it is not compressed");
        var value = set.Value(Tag.PixelData);
        // Bytes in big-endian words (OW) stand in pairs, so that an odd number of them takes one more.
        var crossed = layout.Allocated == 8 && set.Encoding.BigEndian && element.Vr == Vr.OW;
        var bytes = (long)layout.Count * layout.Allocated / 8 + (crossed ? layout.Count & 1 : 0);
        if (value.Length < bytes)
            throw picture.Broken(Tag.PixelData, $"has fewer bytes than {Tag.Rows}, {Tag.Columns} and {Tag.BitsAllocated} ask for");
        return layout.Allocated == 16 ? new(MemoryMarshal.Cast<byte, ushort>(value[..(int)bytes]), set.Encoding.BigEndian)
            : new(value[..(int)bytes], crossed);
    }

    /// <summary>How many pixels have each code.</summary>
    public long[] Count(PixelLayout layout)
    {
        var counts = new long[layout.Codes];
        // Two tables in turns, since neighbours are often equal and would wait for each other.
        var (even, odd) = (new int[1 << 16], new int[1 << 16]);
        if (_words.IsEmpty)
        {
            for (var i = 0; i < layout.Count; i++) even[_bytes[_crossed ? i ^ 1 : i]]++;
        }
        else
        {
            var i = 0;
            for (; i + 1 < _words.Length; i += 2)
            {
                even[_words[i]]++;
                odd[_words[i + 1]]++;
            }

            if (i < _words.Length) even[_words[i]]++;
        }

        for (var word = 0; word < even.Length; word++) counts[layout.Code(InOrder(word))] += (long)even[word] + odd[word];
        return counts;
    }

    /// <summary>Gives every pixel the level of its code. The pixels may lie where the words of 8 bits are.</summary>
    public void Map<T>(T[] levels, PixelLayout layout, Span<T> pixels)
        where T : unmanaged
    {
        var table = new T[1 << 16];
        for (var word = 0; word < table.Length; word++) table[word] = levels[layout.Code(InOrder(word))];
        ref var level = ref MemoryMarshal.GetArrayDataReference(table);
        if (_words.IsEmpty)
            for (var i = 0; i < pixels.Length; i++) pixels[i] = Unsafe.Add(ref level, _bytes[_crossed ? i ^ 1 : i]);
        else
            for (var i = 0; i < pixels.Length; i++) pixels[i] = Unsafe.Add(ref level, _words[i]);
    }

    private int InOrder(int word) => _swapped ? BinaryPrimitives.ReverseEndianness((ushort)word) : word;
}
