using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;

namespace Pfmvg.Imaging.Dicom;

/// <summary>
/// The elements of a data set that say what its pixels mean. Each stands once and in order, or the file is refused: which of two
/// rows or pixels is meant cannot be told. What is inside sequences, icons for one, never gets here.
/// </summary>
internal readonly ref struct DataSet
{
    private const int LongestNumber = 64;

    private static readonly SearchValues<byte> NumberLetters = SearchValues.Create("0123456789+-.eE"u8);

    private readonly ReadOnlySpan<byte> _bytes;
    private readonly PictureName _picture;
    private readonly Dictionary<Tag, DataElement> _elements;

    private DataSet(ReadOnlySpan<byte> bytes, DataEncoding encoding, PictureName picture, Dictionary<Tag, DataElement> elements)
    {
        _bytes = bytes;
        Encoding = encoding;
        _picture = picture;
        _elements = elements;
    }

    public DataEncoding Encoding { get; }

    /// <summary>Reads the elements from <paramref name="start"/> to <paramref name="end"/>.</summary>
    public static DataSet Read(ReadOnlySpan<byte> bytes, int start, int end,
        DataEncoding encoding, PictureName picture, Tag parent = default)
    {
        var elements = new Dictionary<Tag, DataElement>();
        var reader = new ElementReader(bytes, start, end, encoding, picture, parent);
        var last = default(Tag);
        while (!(last == Tag.PixelData && bytes[reader.Position..end].IndexOfAnyExcept((byte)0) < 0) && reader.MoveNext())
        {
            var tag = reader.Element.Tag;
            if (tag == last || elements.ContainsKey(tag)) throw picture.Broken(tag, "stands twice");
            if (tag.Number < last.Number) throw picture.Broken(tag, "is not in order: it must not stand behind a higher tag");
            last = tag;
            if (tag.Group is 0x0028 or 0x2050 or 0x7fe0 || tag == Tag.DirectoryRecords) elements.Add(tag, reader.Element);
        }

        return new DataSet(bytes, encoding, picture, elements);
    }

    /// <summary>Whether the element is there and not empty.</summary>
    public bool Has(Tag tag) => _elements.TryGetValue(tag, out var element) && element.Length > 0;

    public DataElement Element(Tag tag) => _elements[tag];

    public ReadOnlySpan<byte> Value(Tag tag) => _bytes.Slice(_elements[tag].Start, _elements[tag].Length);

    /// <summary>A whole number that the file must have.</summary>
    public int Required(Tag tag) =>
        Integer(tag) ?? throw _picture.Refuse(tag, "is missing", "the picture cannot be read without it; export it again");

    /// <summary>A whole number of 16 bits; null when the element is missing or empty.</summary>
    public int? Integer(Tag tag)
    {
        if (!Has(tag)) return null;
        var number = Number(tag, Vr.US);
        return number == Math.Floor(number!.Value) && Math.Abs(number.Value) <= int.MaxValue
            ? (int)number.Value : throw _picture.Broken(tag, "is no whole number that it can be");
    }

    /// <summary>The first number of an element, which may be text or binary; null when it is missing or empty.</summary>
    /// <param name="tag">The element.</param>
    /// <param name="usual">What it is where the file does not say it.</param>
    public double? Number(Tag tag, Vr usual)
    {
        if (!Has(tag)) return null;
        var vr = _elements[tag].Vr;
        var value = Value(tag);
        if (vr == Vr.None || vr == Vr.UN) vr = usual;
        var bytes = vr == Vr.US || vr == Vr.SS ? 2 : vr == Vr.UL || vr == Vr.SL || vr == Vr.FL ? 4 : vr == Vr.FD ? 8 : 0;
        if (bytes > value.Length || (vr == Vr.US && value.Length != 2)) throw _picture.Broken(tag, "has a length that it cannot have");
        if (bytes == 2) return vr == Vr.SS ? (short)Encoding.UInt16(value) : Encoding.UInt16(value);
        if (bytes == 4)
        {
            var word = Encoding.UInt32(value);
            return vr == Vr.UL ? word : vr == Vr.SL ? (int)word : Finite(tag, BitConverter.UInt32BitsToSingle(word));
        }

        if (bytes == 8)
            return Finite(tag, Encoding.BigEndian ? BinaryPrimitives.ReadDoubleBigEndian(value)
                : BinaryPrimitives.ReadDoubleLittleEndian(value));
        var text = First(value);
        return text.Length is > 0 and <= LongestNumber && !text.ContainsAnyExcept(NumberLetters)
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? Finite(tag, number) : throw _picture.Broken(tag, "is no number");
    }

    /// <summary>The first text of an element, without the spaces around it; "" when it is missing. Never printed.</summary>
    public string Text(Tag tag) => Has(tag) ? System.Text.Encoding.Latin1.GetString(First(Value(tag))) : "";

    /// <summary>The first item of a sequence.</summary>
    /// <returns>False when the sequence is missing or empty.</returns>
    public bool TryFirstItem(Tag tag, out DataSet item)
    {
        item = default;
        if (!Has(tag)) return false;
        var element = _elements[tag];
        var (inside, end) = (element.Vr == Vr.UN ? new DataEncoding(true, false) : Encoding, element.Start + element.Length);
        if (element.Length < 8 || inside.Tag(_bytes[element.Start..]) is var first && first != Tag.Item && first != Tag.SequenceEnd)
            throw _picture.Broken(tag, "is no sequence");
        if (first == Tag.SequenceEnd) return false;
        var length = inside.UInt32(_bytes[(element.Start + 4)..]);
        var start = element.Start + 8;
        if (length == uint.MaxValue)
        {
            var elements = new ElementReader(_bytes, start, end, inside, _picture, tag) { Open = true };
            while (elements.MoveNext())
            {
            }

            end = elements.Position - 8;
        }
        else if (length > end - start) throw _picture.Broken(tag, "has an item that is longer than what it stands in");
        else end = start + (int)length;
        item = Read(_bytes, start, end, inside, _picture, tag);
        return true;
    }

    private double Finite(Tag tag, double number) => double.IsFinite(number) ? number : throw _picture.Broken(tag, "is no number");

    private static ReadOnlySpan<byte> First(ReadOnlySpan<byte> value)
    {
        var end = value.IndexOf((byte)'\\');
        return (end < 0 ? value : value[..end]).Trim(" \0"u8);
    }
}
