using System.Buffers.Binary;

namespace Pfmvg.Imaging.Formats;

/// <summary>The directory of a TIFF file, each of whose values lies inside the file.</summary>
internal readonly ref struct TiffDirectory
{
    private const int EntrySize = 12, Byte = 1, Short = 3, Long = 4;
    private const uint MostNumbers = ImageLimits.Side + 1; // there is no more of anything than of strips

    private readonly ReadOnlySpan<byte> _file, _entries;
    private readonly PictureName _picture;

    /// <summary>Finds the directory.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="picture">Names it in errors.</param>
    public TiffDirectory(ReadOnlySpan<byte> file, PictureName picture)
    {
        _file = file;
        _picture = picture;
        var start = file.Length < 8 ? 0 : UInt32(file[4..]);
        if (start < 8 || start + 2L > file.Length) throw picture.Damaged("it has no directory");
        var size = EntrySize * UInt16(file[(int)start..]);
        if (start + 2L + size + 4 > file.Length) throw picture.Damaged("its directory ends early");
        _entries = file.Slice((int)start + 2, size);
        if (UInt32(file[((int)start + 2 + size)..]) != 0) throw picture.SeveralPictures();
    }

    /// <summary>The numbers of a tag; none when the tag is missing.</summary>
    public uint[] Numbers(int tag)
    {
        for (var entry = _entries; entry.Length > 0; entry = entry[EntrySize..])
        {
            if (UInt16(entry) != tag) continue;
            int type = UInt16(entry[2..]), width = type switch { Byte => 1, Short => 2, Long => 4, _ => 0 };
            var count = UInt32(entry[4..]);
            var size = (long)count * width;
            var start = UInt32(entry[8..]);
            if (width == 0 || count > MostNumbers || (size > 4 && start + size > _file.Length))
                throw _picture.Damaged($"the values of its tag {tag} are broken");
            var values = size <= 4 ? entry[8..] : _file[(int)start..];
            var numbers = new uint[count];
            for (var i = 0; i < numbers.Length; i++)
                numbers[i] = type == Byte ? values[i] : type == Short ? UInt16(values[(2 * i)..]) : UInt32(values[(4 * i)..]);
            return numbers;
        }

        return [];
    }

    /// <summary>The only number of a tag.</summary>
    /// <param name="tag">The tag.</param>
    /// <param name="otherwise">Its value when the tag is missing.</param>
    public uint Number(int tag, uint otherwise) => Numbers(tag) switch
    {
        [] => otherwise,
        [var number] => number,
        _ => throw _picture.Damaged($"its tag {tag} has several values"),
    };

    private bool IsBigEndian => _file[0] == 'M';

    private ushort UInt16(ReadOnlySpan<byte> bytes) =>
        IsBigEndian ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : BinaryPrimitives.ReadUInt16LittleEndian(bytes);

    private uint UInt32(ReadOnlySpan<byte> bytes) =>
        IsBigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
}
