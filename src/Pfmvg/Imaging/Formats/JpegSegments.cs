using System.Buffers.Binary;

namespace Pfmvg.Imaging.Formats;

/// <summary>Walks through the segments of a JPEG file, from behind its first mark to a scan or the end mark.</summary>
/// <param name="file">The file, or its beginning.</param>
internal ref struct JpegSegments(ReadOnlySpan<byte> file)
{
    /// <summary>Markers that stand before a segment, or alone.</summary>
    public const byte HuffmanTables = 0xc4, EndOfImage = 0xd9, StartOfScan = 0xda, QuantizationTables = 0xdb, RestartInterval = 0xdd;

    private const int Shortest = 9; // a frame's segment up to and with its size

    private readonly ReadOnlySpan<byte> _file = file;

    /// <summary>The marker of the segment.</summary>
    public byte Marker { get; private set; }

    /// <summary>What follows the segment's length; cut off where the file ends.</summary>
    public ReadOnlySpan<byte> Content { get; private set; }

    /// <summary>Where the segment ends, which may be behind the end of the file.</summary>
    public int End { get; private set; } = 2;

    /// <summary>No segment can stand where the last one ended.</summary>
    public bool Broken { get; private set; }

    /// <summary>Whether the segment holds the picture's size: a frame of any process.</summary>
    public readonly bool IsFrame => Marker is >= 0xc0 and <= 0xcf and not (HuffmanTables or 0xc8 or 0xcc);

    /// <summary>Whether the segment is in the file as a whole.</summary>
    public readonly bool IsWhole => End <= _file.Length;

    /// <summary>Rows and pixels per row, from the content of a frame.</summary>
    public readonly (int Width, int Height) Size =>
        (BinaryPrimitives.ReadUInt16BigEndian(Content[3..]), BinaryPrimitives.ReadUInt16BigEndian(Content[1..]));

    /// <summary>Goes to the next segment, or to a marker without content.</summary>
    /// <returns>False at the end of the file and where it is broken.</returns>
    public bool MoveNext()
    {
        var start = End;
        while (start + Shortest <= _file.Length && _file[start] == 0xff && _file[start + 1] == 0xff) start++; // fill bytes
        if (start + Shortest > _file.Length) return false;
        Broken = _file[start] != 0xff;
        if (Broken) return false;
        Marker = _file[start + 1];
        if (Marker is 0x01 or (>= 0xd0 and <= EndOfImage)) // these have no content
        {
            Content = default;
            End = start + 2;
            return true;
        }

        var length = BinaryPrimitives.ReadUInt16BigEndian(_file[(start + 2)..]);
        Broken = length < 2;
        End = start + 2 + length;
        if (!Broken) Content = _file[(start + 4)..Math.Min(End, _file.Length)];
        return !Broken;
    }

    /// <summary>Goes over the compressed data behind a scan's header, to the marker that ends them.</summary>
    public void SkipScan()
    {
        for (var at = End; at + 1 < _file.Length; at++)
        {
            var next = _file[at..^1].IndexOf((byte)0xff);
            if (next < 0) break;
            at += next;
            if (_file[at + 1] is 0 or 0xff or (>= 0xd0 and <= 0xd7)) continue;
            End = at;
            return;
        }

        End = _file.Length;
    }
}
