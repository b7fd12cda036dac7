using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>A map of similarity or attention over a picture, from NumPy's .npy format (versions 1 to 3).</summary>
/// <remarks>
/// Each value covers its cell of the picture: a 14 x 14 map of a 2544 x 3056 picture has cells of 181.7 x 218.3 pixels.
/// That is nearest-neighbour enlargement, as BioViL's own tools do by default, with areas measured exactly.
/// </remarks>
internal sealed partial class HeatMap
{
    /// <summary>The thresholds of BioViL's protocol.</summary>
    public static readonly double[] Thresholds = [0.1, 0.2, 0.3, 0.4, 0.5];

    private static readonly double[] AsSingle = [.. Thresholds.Select(t => (double)(float)t)];
    private static readonly double[] AsHalf = [.. Thresholds.Select(t => (double)(System.Half)t)];

    private const int MostCells = 1 << 26;
    private const long MostBytes = 8L * MostCells + 65536;

    private readonly byte[] _levels; // row by row: how many thresholds the value is above
    private readonly int _rows, _columns;

    private HeatMap(byte[] levels, double[]? values, int rows, int columns, bool hasHoles) =>
        (_levels, Values, _rows, _columns, HasHoles) = (levels, values, rows, columns, hasHoles);

    /// <summary>Rows of the map.</summary>
    public int Rows => _rows;

    /// <summary>Columns of the map.</summary>
    public int Columns => _columns;

    /// <summary>The values row by row; null unless they were to be kept.</summary>
    public double[]? Values { get; }

    /// <summary>The largest finite value; -infinity where there is none.</summary>
    public double Most { get; private init; } = double.NegativeInfinity;

    /// <summary>
    /// Some value is NaN or infinite. NaN is above no threshold. What lies outside of a map's place is no such value.
    /// </summary>
    public bool HasHoles { get; }

    /// <summary>
    /// Intersection over union and Dice of the cells above each threshold with the union of the boxes, averaged over
    /// the thresholds.
    /// </summary>
    /// <param name="truth">Boxes in pixels.</param>
    /// <param name="width">Width of the picture in pixels.</param>
    /// <param name="height">Height of the picture in pixels.</param>
    /// <returns>Valid is false when no cell is above the lowest threshold.</returns>
    public (double Iou, double Dice, bool Valid) Score(IReadOnlyList<Box> truth, int width, int height)
    {
        var (iou, dice) = (0.0, 0.0);
        foreach (var overlap in Overlaps(truth, width, height)) (iou, dice) = (iou + overlap.Iou, dice + overlap.Dice);
        return (iou / Thresholds.Length, dice / Thresholds.Length, Array.Exists(_levels, level => level > 0));
    }

    /// <summary>Intersection over union and Dice at each of the thresholds.</summary>
    public (double Iou, double Dice)[] Overlaps(IReadOnlyList<Box> truth, int width, int height)
    {
        var (cellWidth, cellHeight) = ((double)width / _columns, (double)height / _rows);
        var picture = new Box(0, 0, width, height);
        var parts = Disjoint([.. truth.Select(box => box.Intersect(picture)).Where(box => !box.IsEmpty)]);
        var truthArea = new Region(truth).Area;
        var over = new long[Thresholds.Length];
        var inside = new double[Thresholds.Length];
        foreach (var level in _levels)
            for (var t = 0; t < level; t++) over[t]++;

        foreach (var part in parts)
        {
            var (top, bottom) = ((int)(part.Top / cellHeight), Math.Min(_rows, (int)Math.Ceiling(part.Bottom / cellHeight)));
            var (left, right) = ((int)(part.Left / cellWidth), Math.Min(_columns, (int)Math.Ceiling(part.Right / cellWidth)));
            for (var row = top; row < bottom; row++)
            {
                var high = Math.Min(part.Bottom, (row + 1) * cellHeight) - Math.Max(part.Top, row * cellHeight);
                for (var column = left; column < right; column++)
                {
                    var level = _levels[row * _columns + column];
                    if (level == 0) continue;
                    var area = high * (Math.Min(part.Right, (column + 1) * cellWidth) - Math.Max(part.Left, column * cellWidth));
                    for (var t = 0; t < level; t++) inside[t] += area;
                }
            }
        }

        return [.. Thresholds.Select((_, t) =>
        {
            var area = over[t] * cellWidth * cellHeight;
            return (inside[t] / (area + truthArea - inside[t]), 2 * inside[t] / (area + truthArea));
        })];
    }

    /// <summary>Reads the map of an answer; one with a place becomes a map of the whole picture, NaN outside of the place.</summary>
    /// <exception cref="InputException">Not such a file, or larger than any picture.</exception>
    public static HeatMap Of(Prediction answer, MapScale scale, bool keepValues = false)
    {
        var file = Open(answer.HeatMap!);
        if (answer.MapPlace is not { } place) return Build(file, scale, keepValues);
        float[] cells = [.. Enumerable.Range(0, file.Rows * file.Columns).Select(i => (float)file.At(i))];
        var full = place.Enlarge(cells, file.Rows, file.Columns, answer.Width, answer.Height);
        var hasHoles = !Array.TrueForAll(cells, float.IsFinite);
        return Build(new Cells(answer.Height, answer.Width, i => full[i], AsSingle), scale, keepValues, hasHoles);
    }

    /// <summary>Reads a map of two dimensions; leading dimensions of 1 are dropped.</summary>
    /// <param name="path">The file.</param>
    /// <param name="keepValues">Keeps the values themselves, too: 8 bytes each.</param>
    /// <exception cref="InputException">Not such a file, or larger than any picture.</exception>
    public static HeatMap Read(string path, bool keepValues = false) => Build(Open(path), MapScale.Raw, keepValues);

    /// <summary>The values of a map row by row, with the thresholds as its type has them.</summary>
    private sealed record Cells(int Rows, int Columns, Func<int, double> At, double[] Cuts);

    private static Cells Open(string path)
    {
        InputException Wrong(string what) => new($"{path}: {what}.");
        byte[] file;
        try
        {
            if (new FileInfo(path).Length > MostBytes) throw Wrong($"larger than a map of {MostCells:N0} values");
            file = InputFile.ReadBytes(path, (int)MostBytes);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path}: the heat map cannot be read (no such file, or no permission).", cause);
        }

        if (file.Length < 12 || file[0] != 0x93 || !file.AsSpan(1).StartsWith("NUMPY"u8)) throw Wrong("is not a NumPy .npy file");
        var start = file[6] >= 2 ? 12 : 10;
        long length = file[6] >= 2 ? BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(8))
            : BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(8));
        if (start + length > file.Length) throw Wrong("the header is longer than the file");
        var header = Encoding.UTF8.GetString(file, start, (int)length);
        if (Header().Match(header) is not { Success: true } match) throw Wrong("the header does not name descr, fortran_order and shape");

        long[] shape = [.. match.Groups["shape"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(n => long.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? size : -1)];
        while (shape.Length > 2 && shape[0] == 1) shape = shape[1..];
        if (shape.Length != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > MostCells || shape[1] > MostCells
            || shape[0] * shape[1] > MostCells)
            throw Wrong($"has the shape ({match.Groups["shape"].Value}); a heat map has two dimensions, rows and columns");
        var (rows, columns) = ((int)shape[0], (int)shape[1]);

        var data = file.AsMemory((int)(start + length));
        var (size, read, cuts) = Reader(match.Groups["type"].Value)
            ?? throw Wrong($"has values of type {match.Groups["type"].Value}; floats (f2, f4, f8), integers and booleans can be read");
        if (data.Length != (long)rows * columns * size)
            throw Wrong($"holds {data.Length:N0} bytes of values where its shape means {(long)rows * columns * size:N0}");
        var isFortran = match.Groups["order"].Value == "True";
        return new Cells(
            rows, columns, i => read(data.Span[((isFortran ? i % columns * rows + i / columns : i) * size)..]), cuts);
    }

    private static HeatMap Build(Cells source, MapScale scale, bool keepValues, bool? hasHoles = null)
    {
        var levels = new byte[source.Rows * source.Columns];
        var values = keepValues ? new double[levels.Length] : null;
        var (holes, most, scaled) = (false, double.NegativeInfinity, scale == MapScale.Minmax ? Scaled(source) : source);
        for (var i = 0; i < levels.Length; i++)
        {
            var value = scaled.At(i);
            holes |= !double.IsFinite(value);
            if (value > most && double.IsFinite(value)) most = value;
            byte level = 0;
            while (level < scaled.Cuts.Length && value > scaled.Cuts[level]) level++;
            levels[i] = level;
            if (values is not null) values[i] = value;
        }

        return new HeatMap(levels, values, source.Rows, source.Columns, hasHoles ?? holes) { Most = most };
    }

    /// <summary>The finite values from -1 to 1, in float32 whatever they were.</summary>
    private static Cells Scaled(Cells source)
    {
        var (least, most) = (double.PositiveInfinity, double.NegativeInfinity);
        for (var i = 0; i < source.Rows * source.Columns; i++)
            if (source.At(i) is var value && double.IsFinite(value)) (least, most) = (Math.Min(least, value), Math.Max(most, value));
        var range = most > least ? most - least : 1;
        return source with
        {
            At = i => source.At(i) is var value && double.IsFinite(value) ? (float)((value - least) / range * 2 - 1) : value,
            Cuts = AsSingle,
        };
    }

    /// <summary>Writes a map in float32, row by row.</summary>
    public static void Write(string path, float[] values, int rows, int columns)
    {
        const int version = 10, unit = 64; // the values begin at a multiple of the unit
        var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}";
        header = header.PadRight((version + header.Length + unit) / unit * unit - version - 1) + "\n";
        AtomicFile.Write(path, stream =>
        {
            stream.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, (byte)(header.Length >> 8), .. Encoding.ASCII.GetBytes(header)]);
            stream.Write(MemoryMarshal.AsBytes<float>(values)); // no copy: a map of a radiograph's size takes 31 MB
        });
    }

    private delegate double ReadValue(ReadOnlySpan<byte> at);

    /// <summary>A type's size, how to read it, and the thresholds rounded to it, as NumPy and PyTorch compare.</summary>
    private static (int Size, ReadValue Read, double[] Cuts)? Reader(string type) => type switch
    {
        "<f4" => (4, at => BinaryPrimitives.ReadSingleLittleEndian(at), AsSingle),
        ">f4" => (4, at => BinaryPrimitives.ReadSingleBigEndian(at), AsSingle),
        "<f8" => (8, BinaryPrimitives.ReadDoubleLittleEndian, Thresholds),
        ">f8" => (8, BinaryPrimitives.ReadDoubleBigEndian, Thresholds),
        "<f2" => (2, at => (double)BinaryPrimitives.ReadHalfLittleEndian(at), AsHalf),
        ">f2" => (2, at => (double)BinaryPrimitives.ReadHalfBigEndian(at), AsHalf),
        "|u1" => (1, at => at[0], Thresholds),
        "|i1" => (1, at => (sbyte)at[0], Thresholds),
        "|b1" => (1, at => at[0], Thresholds),
        "<i2" => (2, at => BinaryPrimitives.ReadInt16LittleEndian(at), Thresholds),
        "<i4" => (4, at => BinaryPrimitives.ReadInt32LittleEndian(at), Thresholds),
        "<i8" => (8, at => BinaryPrimitives.ReadInt64LittleEndian(at), Thresholds),
        _ => null,
    };

    /// <summary>The union of the boxes as cells that do not overlap, cut along all edges.</summary>
    internal static List<Box> Disjoint(IReadOnlyList<Box> boxes)
    {
        if (boxes.Count == 1) return [.. boxes];
        double[] xs = [.. boxes.SelectMany(box => new[] { box.Left, box.Right }).Distinct().Order()];
        double[] ys = [.. boxes.SelectMany(box => new[] { box.Top, box.Bottom }).Distinct().Order()];
        List<Box> parts = [];
        for (var x = 0; x + 1 < xs.Length; x++)
            for (var y = 0; y + 1 < ys.Length; y++)
            {
                var cell = new Box(xs[x], ys[y], xs[x + 1], ys[y + 1]);
                if (boxes.Any(box => box.Intersect(cell) == cell)) parts.Add(cell);
            }

        return parts;
    }

    [GeneratedRegex(@"^\{(?=.*'descr': '(?<type>[^']*)')(?=.*'fortran_order': (?<order>True|False))(?=.*'shape': \((?<shape>[0-9, ]*)\))",
        RegexOptions.Singleline)]
    private static partial Regex Header();
}
