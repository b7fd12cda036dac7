using System.Buffers.Binary;

namespace Pfmvg.Imaging.Dicom;

/// <summary>How the elements of a data set are written.</summary>
/// <param name="Implicit">The elements do not say their value representation.</param>
/// <param name="BigEndian">Numbers begin with the highest byte.</param>
internal readonly record struct DataEncoding(bool Implicit, bool BigEndian)
{
    public ushort UInt16(ReadOnlySpan<byte> bytes) =>
        BigEndian ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : BinaryPrimitives.ReadUInt16LittleEndian(bytes);

    public uint UInt32(ReadOnlySpan<byte> bytes) =>
        BigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);

    public Tag Tag(ReadOnlySpan<byte> bytes) => new((uint)UInt16(bytes) << 16 | UInt16(bytes[2..]));
}

/// <summary>One data element.</summary>
/// <param name="Tag">What it is.</param>
/// <param name="Vr">Its value representation; <see cref="Dicom.Vr.None"/> where the encoding leaves it out.</param>
/// <param name="Start">Where its value begins.</param>
/// <param name="Length">The value's bytes, with delimiters.</param>
/// <param name="Open">The file does not say the length: it holds items up to a delimiter.</param>
internal readonly record struct DataElement(Tag Tag, Vr Vr, int Start, int Length, bool Open);

/// <summary>
/// Goes from element to element of a data set or item. Every length is compared with what is there before it is used, sequences are
/// walked to their end, and their depth has a limit.
/// </summary>
/// <remarks>Items of a manufacturer's sequence are not looked into when their length is known: these are not always in order.</remarks>
internal ref struct ElementReader(
    ReadOnlySpan<byte> bytes, int start, int end, DataEncoding encoding, PictureName picture, Tag parent = default, int depth = 0)
{
    private const int Deepest = 64; // real files stay below 20
    private const uint Undefined = 0xffffffff;

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Where the next element begins.</summary>
    public int Position { get; private set; } = start;

    /// <summary>The element that was read last.</summary>
    public DataElement Element { get; private set; }

    /// <summary>An item without length, which ends with a delimiter.</summary>
    public bool Open { get; init; }

    /// <summary>Reads one element and finds its end.</summary>
    /// <returns>False behind the last one.</returns>
    public bool MoveNext()
    {
        if (Position == end && !Open) return false;
        if (end - Position < 8) throw Cut();
        var head = _bytes[Position..end];
        var tag = encoding.Tag(head);
        if (Open && tag == Tag.ItemEnd)
        {
            Position += 8;
            return false;
        }

        var vr = encoding.Implicit ? Vr.None : new Vr(head[4], head[5]);
        if (!encoding.Implicit && !vr.IsPlausible) throw picture.Broken(tag, "has no value representation");
        var wide = encoding.Implicit || vr.HasWideLength;
        var size = !encoding.Implicit && wide ? 12 : 8;
        if (head.Length < size) throw Cut();
        var length = wide ? encoding.UInt32(head[(size - 4)..]) : encoding.UInt16(head[6..]);
        var value = Position + size;
        if (length == Undefined) Position = EndOfOpen(tag, vr, value);
        else
        {
            if (length > end - value)
                throw picture.Broken(tag, $"is longer than {(depth == 0 ? "the file is, or may be when deflated" : "what it stands in")}");
            Position = value + (int)length;
            if (vr == Vr.SQ && tag.IsStandard) EndOfItems(tag, value, Position, false, encoding, false);
        }

        Element = new DataElement(tag, vr, value, Position - value, length == Undefined);
        return true;
    }

    private readonly int EndOfOpen(Tag tag, Vr vr, int value)
    {
        if (tag == Tag.PixelData || vr == Vr.OB || vr == Vr.OW) return EndOfItems(tag, value, end, true, encoding, true);
        if (vr == Vr.UN) return EndOfItems(tag, value, end, true, new DataEncoding(true, false), false); // PS3.5, 6.2.2
        if (vr == Vr.SQ || vr == Vr.None) return EndOfItems(tag, value, end, true, encoding, false);
        throw picture.Broken(tag, "has no length");
    }

    /// <summary>Walks through the items of a sequence, or of pixels in fragments, whose content is not elements.</summary>
    private readonly int EndOfItems(Tag tag, int position, int limit, bool open, DataEncoding inside, bool fragments)
    {
        if (depth >= Deepest) throw picture.Broken(tag, "is nested too deep");
        while (open || position < limit)
        {
            if (fragments && position == limit) break; // some writers leave the last delimiter out
            if (limit - position < 8) throw picture.Broken(tag, "has no end");
            var (item, length) = (inside.Tag(_bytes[position..]), inside.UInt32(_bytes[(position + 4)..]));
            position += 8;
            if (open && item == Tag.SequenceEnd) break;
            if (item != Tag.Item) throw picture.Broken(tag, "holds something else than items");
            var endless = length == Undefined && !fragments;
            if (!endless && length > limit - position) throw picture.Broken(tag, "has an item that is longer than what it stands in");
            if (endless || (!fragments && tag.IsStandard))
            {
                var itemEnd = endless ? limit : position + (int)length;
                var elements = new ElementReader(_bytes, position, itemEnd, inside, picture, tag, depth + 1) { Open = endless };
                while (elements.MoveNext())
                {
                }

                position = elements.Position;
            }
            else position += (int)length;
        }

        return position;
    }

    private readonly InputException Cut() => Open ? picture.Broken(parent, "has an item without end")
        : Element.Tag != default ? picture.Broken(Element.Tag, "is followed by half an element")
        : parent != default ? picture.Broken(parent, "ends in the middle of an element")
        : picture.Broken(Tag.PixelData, "is missing: the file ends in the middle of its first element");
}

/// <summary>A value representation: two letters that say how a value is written.</summary>
internal readonly record struct Vr(ushort Letters)
{
    public static readonly Vr None = new(0), OB = new("OB"), OW = new("OW"), SQ = new("SQ"), UN = new("UN"),
        US = new("US"), SS = new("SS"), UL = new("UL"), SL = new("SL"), FL = new("FL"), FD = new("FD"), DS = new("DS");

    private static readonly Vr[] Narrow =
    [
        US, SS, UL, SL, FL, FD, DS, new("AE"), new("AS"), new("AT"), new("CS"), new("DA"), new("DT"), new("IS"), new("LO"), new("LT"),
        new("PN"), new("SH"), new("ST"), new("TM"), new("UI"),
    ];

    public Vr(byte first, byte second) : this((ushort)(first << 8 | second)) { }

    private Vr(string letters) : this((byte)letters[0], (byte)letters[1]) { }

    /// <summary>Two capital letters; the standard may add more, and every one that it adds has a wide length.</summary>
    public bool IsPlausible => Letters >> 8 is >= 'A' and <= 'Z' && (Letters & 0xff) is >= 'A' and <= 'Z';

    /// <summary>Whether the length has 32 bits behind two that mean nothing, and not 16.</summary>
    public bool HasWideLength => Array.IndexOf(Narrow, this) < 0;
}
