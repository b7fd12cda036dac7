using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Pfmvg.Imaging.Dicom;

/// <summary>The pixels as words of 8 or 16 bits, as they stand in the file or in a codec's memory.</summary>
internal readonly ref struct PixelWords
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly ReadOnlySpan<ushort> _words;
    private readonly bool _swapped;

    private PixelWords(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    private PixelWords(ReadOnlySpan<ushort> words, bool swapped) 
    {
        _words = words;
        _swapped = swapped;
    }

    /// <summary>Finds the words of a picture that is not compressed.</summary>
    public static PixelWords Read(DataSet set, PixelLayout layout, PictureName picture)
    {
        var element = set.Element(Tag.PixelData);
        if (element.Open) throw picture.Broken(Tag.PixelData, $"is in fragments, but {Tag.TransferSyntax} says that it is not compressed");
        var value = set.Value(Tag.PixelData);
        var bytes = (long)layout.Count * layout.Allocated / 8;
        if (value.Length < bytes) throw picture.Broken(Tag.PixelData, $"has fewer bytes than {Tag.Rows} and {Tag.Columns} ask for");
        if (layout.Allocated == 16) return new(MemoryMarshal.Cast<byte, ushort>(value[..(int)bytes]), set.Encoding.BigEndian);
        return new(value[..(int)bytes]);
    }

    /// <summary>How many pixels have each code.</summary>
    public long[] Count(PixelLayout layout)
    {
        var counts = new long[layout.Codes];
        if (layout.Allocated == 8)
        {
            foreach (var word in _bytes) counts[layout.Code(word)]++;
            return counts;
        }

        var words = new int[1 << 16];
        foreach (var word in _words) words[word]++;
        for (var word = 0; word < words.Length; word++) counts[layout.Code(InOrder(word))] += words[word];
        return counts;
    }

    /// <summary>Gives every pixel the level of its code.</summary>
    public void Map(byte[] levels, PixelLayout layout, Span<byte> pixels)
    {
        var table = new byte[1 << 16];
        for (var word = 0; word < table.Length; word++) table[word] = levels[layout.Code(InOrder(word))];
        if (layout.Allocated == 8)
            for (var i = 0; i < pixels.Length; i++) pixels[i] = table[_bytes[i]];
        else
            for (var i = 0; i < pixels.Length; i++) pixels[i] = table[_words[i]];
    }

    private int InOrder(int word) => _swapped ? BinaryPrimitives.ReverseEndianness((ushort)word) : word;
}
