using System.Buffers.Binary;

namespace Pfmvg.Imaging.Codecs;

/// <summary>How a JPEG 2000 picture is divided into tiles, resolutions, precincts and code blocks (ISO 15444-1, annex B).</summary>
internal readonly struct Jpeg2000Grid
{
    private readonly long _x0, _y0, _x1, _y1, _tileX, _tileY, _tileWidth, _tileHeight, _stepX, _stepY;

    /// <summary>Reads the SIZ marker's segment, which has at least one component.</summary>
    public Jpeg2000Grid(ReadOnlySpan<byte> size)
    {
        (_x1, _y1, _x0, _y0) = (Number(size, 2), Number(size, 6), Number(size, 10), Number(size, 14));
        (_tileWidth, _tileHeight, _tileX, _tileY) = (Number(size, 18), Number(size, 22), Number(size, 26), Number(size, 30));
        (_stepX, _stepY) = (size[37], size[38]);
    }

    /// <summary>Whether there are pixels, and the first tile holds some.</summary>
    public bool IsValid => _x1 > _x0 && _y1 > _y0 && _stepX > 0 && _stepY > 0 && _tileX <= _x0 && _tileY <= _y0
        && _tileX + _tileWidth > _x0 && _tileY + _tileHeight > _y0 && Picture is { Width: > 0, Height: > 0 };

    /// <summary>Pixels of the first component.</summary>
    public (long Width, long Height) Picture =>
        (Steps(_x1, _stepX) - Steps(_x0, _stepX), Steps(_y1, _stepY) - Steps(_y0, _stepY));

    /// <summary>How many tiles there are.</summary>
    public long Tiles => Across * Steps(_y1 - _tileY, _tileHeight);

    private long Across => Steps(_x1 - _tileX, _tileWidth);

    /// <summary>The precincts of a tile, each of which is a packet in every layer, and about how many code blocks they hold.</summary>
    public (long Precincts, long Blocks) Count(int tile, in Jpeg2000Coding coding)
    {
        var (left, top) = (_tileX + tile % Across * _tileWidth, _tileY + tile / Across * _tileHeight);
        var (x0, x1) = (Steps(Math.Max(left, _x0), _stepX), Steps(Math.Min(left + _tileWidth, _x1), _stepX));
        var (y0, y1) = (Steps(Math.Max(top, _y0), _stepY), Steps(Math.Min(top + _tileHeight, _y1), _stepY));
        long precincts = 0, blocks = 0;
        for (var resolution = 0; resolution <= coding.Levels; resolution++)
        {
            var scale = 1L << (coding.Levels - resolution);
            var (rx0, rx1, ry0, ry1) = (Steps(x0, scale), Steps(x1, scale), Steps(y0, scale), Steps(y1, scale));
            var (width, height) = coding.Precinct(resolution);
            precincts += Cells(rx0, rx1, width) * Cells(ry0, ry1, height);

            // All but the lowest resolution are three bands of half the size.
            var (half, bands) = resolution == 0 ? (0, 1) : (1, 3);
            blocks += bands * Cells(rx0, rx1, Math.Min(coding.BlockWidth + half, width))
                * Cells(ry0, ry1, Math.Min(coding.BlockHeight + half, height));
        }

        return (precincts, blocks);
    }

    // How many cells of 2^size hold a part of from..to.
    private static long Cells(long from, long to, int size) => to > from ? Steps(to, 1L << size) - (from >> size) : 0;

    private static long Steps(long length, long step) => (length + step - 1) / step;

    private static long Number(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
}

/// <summary>The coding style of a gray tile: COD and COC markers. Sizes are powers of two, told by their exponents.</summary>
internal readonly ref struct Jpeg2000Coding
{
    private const int LargestPrecinct = 15;

    private ReadOnlySpan<byte> Precincts { get; init; } // a byte a resolution; none: all are the largest

    /// <summary>Quality layers.</summary>
    public int Layers { get; private init; }

    /// <summary>Wavelet decompositions, one less than resolutions.</summary>
    public int Levels { get; private init; }

    /// <summary>Exponent of a code block's width.</summary>
    public int BlockWidth { get; private init; }

    /// <summary>Exponent of a code block's height.</summary>
    public int BlockHeight { get; private init; }

    /// <summary>Whether the standard allows it.</summary>
    public bool IsValid => Layers > 0 && Levels <= 32 && BlockWidth <= 10 && BlockHeight <= 10 && BlockWidth + BlockHeight <= 12
        && (Precincts.IsEmpty || Precincts.Length == Levels + 1);

    /// <summary>Reads a COD marker's segment.</summary>
    public static Jpeg2000Coding Read(ReadOnlySpan<byte> segment) => segment.Length < 10 ? default
        : new Jpeg2000Coding { Layers = BinaryPrimitives.ReadUInt16BigEndian(segment[2..]) }.With(segment[0], segment[5..]);

    /// <summary>This, with what a COC marker's segment says of the only component.</summary>
    public Jpeg2000Coding ReadComponent(ReadOnlySpan<byte> segment) => segment.Length < 7 ? default : With(segment[1], segment[2..]);

    /// <summary>Exponents of the width and height of a resolution's precincts.</summary>
    public (int Width, int Height) Precinct(int resolution) => Precincts.IsEmpty
        ? (LargestPrecinct, LargestPrecinct) : (Precincts[resolution] & 15, Precincts[resolution] >> 4);

    // Levels, width and height of blocks, style, transform, precincts.
    private Jpeg2000Coding With(byte style, ReadOnlySpan<byte> values) => new()
    {
        Layers = Layers, Levels = values[0], BlockWidth = (values[1] & 15) + 2, BlockHeight = (values[2] & 15) + 2,
        Precincts = (style & 1) == 0 ? default : values[5..Math.Min(values.Length, 5 + values[0] + 1)],
    };
}
