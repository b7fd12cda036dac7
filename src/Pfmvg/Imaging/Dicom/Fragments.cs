using System.Buffers.Binary;

namespace Pfmvg.Imaging.Dicom;

/// <summary>Compressed Pixel Data: an offset table, then the fragments of the one frame (PS3.5, annex A.4).</summary>
internal static class Fragments
{
    private const int ItemHead = 8;

    /// <summary>The frame's bytes; copied only when it is in several fragments.</summary>
    public static ReadOnlySpan<byte> Frame(DataSet set, PictureName picture, DecodeBuffer buffer)
    {
        var element = set.Element(Tag.PixelData);
        if (!element.Open)
            throw picture.Broken(Tag.PixelData, $"is not in fragments, but {Tag.TransferSyntax} says that it is compressed");
        var items = set.Value(Tag.PixelData); // the reader has compared every length with what is there
        var table = Item(items, 0);
        var first = ItemHead + table.Length;
        var parts = new List<(int Start, int Length)>();
        var starts = new HashSet<uint>();
        for (var at = first; at + ItemHead <= items.Length && set.Encoding.Tag(items[at..]) == Tag.Item;)
        {
            var length = Item(items, at).Length;
            starts.Add((uint)(at - first));
            if (length > 0) parts.Add((at + ItemHead, length));
            at += ItemHead + length;
        }

        if (parts.Count == 0) throw picture.Broken(Tag.PixelData, "has no fragment");
        CheckTable(table, starts, picture);
        var last = CheckExtendedTable(set, parts, picture);
        if (parts.Count == 1) return items.Slice(parts[0].Start, last);

        var total = parts.Sum(part => part.Length);
        var joined = buffer.Scratch(total).AsSpan(0, total);
        var to = 0;
        foreach (var (start, length) in parts)
        {
            items.Slice(start, length).CopyTo(joined[to..]);
            to += length;
        }

        return joined;
    }

    private static ReadOnlySpan<byte> Item(ReadOnlySpan<byte> items, int at) => items.Length < at + ItemHead ? default
        : items.Slice(at + ItemHead, BinaryPrimitives.ReadInt32LittleEndian(items[(at + 4)..]));

    /// <summary>Every entry must be the beginning of a fragment: of the one frame, or of each of its fragments, as some write it.</summary>
    private static void CheckTable(ReadOnlySpan<byte> table, HashSet<uint> starts, PictureName picture)
    {
        var right = table.Length % 4 == 0;
        for (var i = 0; right && i < table.Length; i += 4)
        {
            var offset = BinaryPrimitives.ReadUInt32LittleEndian(table[i..]);
            right = starts.Contains(offset) && (i > 0 || offset == 0);
        }

        if (!right) throw picture.Broken(Tag.PixelData, "has an offset table that does not point to its fragments");
    }

    /// <summary>The extended table names one fragment and its length without padding.</summary>
    /// <returns>The frame's length, where it is in one fragment.</returns>
    private static int CheckExtendedTable(DataSet set, List<(int Start, int Length)> parts, PictureName picture)
    {
        var whole = parts[0].Length;
        foreach (var tag in (ReadOnlySpan<Tag>)[Tag.OffsetTable, Tag.OffsetTableLengths])
        {
            if (!set.Has(tag)) continue;
            var value = set.Value(tag);
            var number = value.Length == 8 ? BinaryPrimitives.ReadUInt64LittleEndian(value) : ulong.MaxValue;
            var most = tag == Tag.OffsetTable ? 0 : (ulong)whole;
            if (number > most || parts.Count > 1) throw picture.Broken(tag, $"does not fit the fragments of {Tag.PixelData}");
            if (tag == Tag.OffsetTableLengths && number > 0) whole = (int)number;
        }

        return whole;
    }
}
