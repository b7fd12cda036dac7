namespace Pfmvg.Imaging.Dicom;

/// <summary>A Modality or VOI look-up table (PS3.3, C.11.1 and C.11.2).</summary>
/// <param name="First">The value that the first entry is for.</param>
/// <param name="Bits">Bits of an entry.</param>
/// <param name="Entries">The entries.</param>
internal sealed record LookupTable(int First, int Bits, ushort[] Entries)
{
    /// <summary>Values below the first take the first entry, values beyond the last take the last.</summary>
    public int At(double value) => Entries[(int)Math.Clamp(Math.Floor(value) - First, 0, Entries.Length - 1)];

    /// <summary>The table in the first item of a sequence; null when there is none.</summary>
    /// <param name="set">The data set.</param>
    /// <param name="sequence">Which table.</param>
    /// <param name="signed">Whether the picture's values have a sign, and so the first value mapped.</param>
    /// <param name="picture">Names it in errors.</param>
    public static LookupTable? Read(DataSet set, Tag sequence, bool signed, PictureName picture)
    {
        if (!set.TryFirstItem(sequence, out var item)) return null;
        foreach (var tag in (ReadOnlySpan<Tag>)[Tag.TableDescriptor, Tag.TableData])
            if (!item.Has(tag)) throw picture.Broken(tag, $"is missing in {sequence}");
        var encoding = item.Encoding;
        var descriptor = item.Value(Tag.TableDescriptor);
        if (descriptor.Length != 6) throw picture.Broken(Tag.TableDescriptor, $"of {sequence} does not have three numbers");
        int count = encoding.UInt16(descriptor), first = encoding.UInt16(descriptor[2..]), bits = encoding.UInt16(descriptor[4..]);
        if (count == 0) count = 1 << 16; // PS3.3: it does not fit 16 bits
        if (signed || item.Element(Tag.TableDescriptor).Vr == Vr.SS) first = (short)first;
        if (bits is < 1 or > 16) throw picture.Broken(Tag.TableDescriptor, $"of {sequence} has no depth from 1 to 16 bits");

        var data = item.Value(Tag.TableData);
        var entries = new ushort[count];
        var packed = bits <= 8 && data.Length == count + (count & 1); // two entries in a word, the first in its lower byte
        if (!packed && data.Length < 2 * count)
            throw picture.Broken(Tag.TableData, $"of {sequence} has fewer entries than {Tag.TableDescriptor} says");
        var swapped = packed && encoding.BigEndian && item.Element(Tag.TableData).Vr != Vr.OB ? 1 : 0;
        for (var i = 0; i < count; i++) entries[i] = packed ? data[i ^ swapped] : encoding.UInt16(data[(2 * i)..]);
        return new LookupTable(first, bits, entries);
    }
}
