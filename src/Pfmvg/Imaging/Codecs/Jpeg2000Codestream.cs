using System.Buffers.Binary;

namespace Pfmvg.Imaging.Codecs;

/// <summary>
/// The markers of a JPEG 2000 codestream (ISO 15444-1, annex A), followed before the library sees it: the library reserves for
/// tiles, code blocks and layers what a few bytes ask for, and takes a stream that ends early for one of lower quality.
/// </summary>
internal readonly ref struct Jpeg2000Codestream
{
    // They bound the library's memory: about 9 KB a tile, 0.6 KB a block.
    private const int MostTiles = 1 << 13, MostBlocks = 1 << 18;

    private const ushort Start = 0xFF4F, Capabilities = 0xFF50, Size = 0xFF51, Coding = 0xFF52, ComponentCoding = 0xFF53;
    private const ushort PackedMain = 0xFF60, PackedTile = 0xFF61, TilePart = 0xFF90, Data = 0xFF93, End = 0xFFD9;

    private readonly Jpeg2000Grid _grid;

    /// <summary>Reads the size of any stream, and follows a gray one to its end.</summary>
    /// <exception cref="StreamException">There is no codestream, it is cut, or it asks for too much memory.</exception>
    public Jpeg2000Codestream(ReadOnlySpan<byte> bytes)
    {
        Bytes = bytes;
        if (bytes.Length < 4 || Marker(0) != Start || Marker(2) != Size) throw new StreamException("there is no JPEG 2000 stream");
        var size = Segment(2);
        var components = size.Length >= 36 ? BinaryPrimitives.ReadUInt16BigEndian(size[34..]) : 0;
        if (components == 0 || size.Length < 36 + 3 * components) throw Nonsense;
        _grid = new Jpeg2000Grid(size);
        if (!_grid.IsValid) throw Nonsense;
        var (width, height) = _grid.Picture;
        if (width > int.MaxValue || height > int.MaxValue || _grid.Tiles > MostTiles) throw TooMuch;
        Header = new StreamHeader((int)width, (int)height, components, (size[36] & 0x7F) + 1, size[36] > 0x7F);
        if (components == 1) IsHighThroughput = Follow(2 + 2 + 2 + size.Length);
    }

    /// <summary>The codestream.</summary>
    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>What it says of the picture.</summary>
    public StreamHeader Header { get; }

    /// <summary>Whether it is HTJ2K, which the library decodes since 2.5.</summary>
    public bool IsHighThroughput { get; }

    // Follows the main header and every tile-part to the end. All tiles must be there, and at least one byte for each packet.
    private bool Follow(int at)
    {
        var highThroughput = false;
        long packets = 0, left = 0; // left: bytes that can hold packets
        var coding = default(Jpeg2000Coding);
        while (Marker(at) != TilePart)
        {
            var marker = Marker(at);
            var segment = Segment(at);
            if (marker == Capabilities) highThroughput = true;
            if (marker == PackedMain) left += segment.Length;
            coding = Read(marker, segment, coding);
            at += 4 + segment.Length;
        }

        var (parts, promised) = (new int[_grid.Tiles], new int[_grid.Tiles]);
        while (at < Bytes.Length && Marker(at) == TilePart)
        {
            var segment = Segment(at);
            if (segment.Length != 8) throw Nonsense;
            var tile = BinaryPrimitives.ReadUInt16BigEndian(segment);
            if (tile >= parts.Length) throw Nonsense;
            if (segment[7] > 0) promised[tile] = segment[7];
            var end = at + (long)BinaryPrimitives.ReadUInt32BigEndian(segment[2..]);
            if (end == at) end = LastByte; // the last one need not say its length
            if (end > Bytes.Length) throw Cut;
            var here = coding;
            for (at += 12; Marker(at) != Data; at += 4 + segment.Length)
            {
                segment = Segment(at);
                if (Marker(at) == PackedTile) left += segment.Length;
                here = Read(Marker(at), segment, here);
            }

            if (at + 2 > end) throw Nonsense;
            if (parts[tile]++ == 0)
            {
                var (precincts, blocks) = _grid.Count(tile, here);
                if (blocks > MostBlocks) throw TooMuch;
                packets += here.Layers * precincts;
            }

            var data = Bytes[(at + 2)..(int)end];
            if (highThroughput && (here.Layers > 1 || HasMark(data))) throw new StreamException(
                "the High-Throughput JPEG 2000 (HTJ2K) stream is damaged, or has quality layers or marks in its data, which are not read");
            left += data.Length;
            at = (int)end;
        }

        var whole = true;
        for (var tile = 0; tile < parts.Length; tile++)
            whole &= parts[tile] > 0 && (promised[tile] == 0 ? IsEnd(at) : parts[tile] >= promised[tile]);
        if (!whole || packets > left) throw Cut;
        return highThroughput;
    }

    // No byte above 8F follows FF in data without marks; the library ends the process where one does in High-Throughput code.
    private static bool HasMark(ReadOnlySpan<byte> data)
    {
        for (int at; (at = data.IndexOf((byte)0xFF)) >= 0; data = data[(at + 1)..])
            if (at + 1 == data.Length || data[at + 1] > 0x8F) return true;
        return false;
    }

    private static Jpeg2000Coding Read(ushort marker, ReadOnlySpan<byte> segment, Jpeg2000Coding coding)
    {
        var read = marker switch
        {
            Coding => Jpeg2000Coding.Read(segment),
            ComponentCoding => coding.ReadComponent(segment),
            _ => coding,
        };
        return read.IsValid || marker is not (Coding or ComponentCoding) ? read : throw Nonsense;
    }

    // Where the data of a tile-part without a length ends: before the end mark, after which there may be padding.
    private long LastByte
    {
        get
        {
            var trimmed = Bytes.TrimEnd((byte)0);
            return trimmed is [.., 0xFF, 0xD9] ? trimmed.Length - 2 : throw Cut;
        }
    }

    private bool IsEnd(int at) => at + 2 <= Bytes.Length && Marker(at) == End;

    private ushort Marker(int at) => at + 2 <= Bytes.Length ? BinaryPrimitives.ReadUInt16BigEndian(Bytes[at..]) : throw Cut;

    // What follows a marker's length.
    private ReadOnlySpan<byte> Segment(int at)
    {
        if (Marker(at) < 0xFF00) throw Nonsense;
        var length = Marker(at + 2);
        if (length < 2) throw Nonsense;
        return at + 2 + length <= Bytes.Length ? Bytes[(at + 4)..(at + 2 + length)] : throw Cut;
    }

    private static StreamException Cut => new("the JPEG 2000 stream is cut");

    private static StreamException Nonsense => new("the JPEG 2000 stream's header is damaged");

    private static StreamException TooMuch => new("the JPEG 2000 stream asks for more pixels, tiles or code blocks than a picture has");
}
