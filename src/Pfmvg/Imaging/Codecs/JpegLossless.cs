namespace Pfmvg.Imaging.Codecs;

/// <summary>
/// A decoder for gray lossless JPEG (ITU-T T.81, process 14): Huffman-coded differences from one of seven predictions.
/// No library that Linux distributions have reads it through a stable interface.
/// </summary>
internal static class JpegLossless
{
    /// <summary>A stream of fewer bytes cannot hold its pixels: each takes one bit at least.</summary>
    public const int MostPixelsPerByte = 8;

    private const string Wanted = "lossless (SOF3)";
    private const byte Process = 0xc3;

    /// <summary>What the stream says of itself, whether it can be decoded or not.</summary>
    /// <exception cref="StreamException">It is no lossless JPEG stream, or has no size.</exception>
    public static StreamHeader ReadHeader(ReadOnlySpan<byte> stream) => JpegScan.ReadFrame(stream, Wanted, Process);

    /// <summary>Decodes a whole stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="header">What <see cref="ReadHeader"/> gave for it.</param>
    /// <param name="values">
    /// Takes the samples, row by row. A sample may have more bits than the stream's precision when the writer kept the
    /// sign of a 16-bit word.
    /// </param>
    /// <exception cref="StreamException">The stream is cut, damaged, or of another kind.</exception>
    public static void Decode(ReadOnlySpan<byte> stream, in StreamHeader header, Span<ushort> values)
    {
        var scan = JpegScan.Read(stream, Wanted, Process);
        var (width, height, _, precision, _) = scan.Frame;
        ArgumentOutOfRangeException.ThrowIfNotEqual(header, scan.Frame);
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, width * height);
        if (precision is < 2 or > 16)
            throw new StreamException($"the JPEG stream says that its samples have {precision} bits, not 2 to 16");
        var (predictor, last, high, shift) = scan.Parameters;
        if (predictor is < 1 or > 7) throw new StreamException($"the JPEG stream's predictor is {predictor}, not 1 to 7");
        if (last != 0 || high != 0 || shift >= precision) throw new StreamException("the JPEG stream's scan header (SOS) is damaged");
        if (scan.RestartInterval % width != 0)
            throw new StreamException("the JPEG stream's restart interval (DRI) is not a number of whole rows");
        if (scan.Dc is null) throw new StreamException("the JPEG stream names a Huffman table that it does not have");
        if ((long)values.Length > (long)MostPixelsPerByte * (stream.Length - scan.Data))
            throw new StreamException("the JPEG stream is too short for its number of pixels");
        var table = new LosslessTable(scan.Dc);

        var bits = new LosslessBits(stream, scan.Data);
        var interval = scan.RestartInterval == 0 ? height : scan.RestartInterval / width;
        for (var y = 0; y < height; y++)
        {
            var row = values.Slice(y * width, width);
            if (y > 0 && y % interval == 0) bits.Restart(y / interval - 1);
            for (var x = 0; x < width; x += LosslessBits.Most) bits.Read(table, row[x..Math.Min(x + LosslessBits.Most, width)]);
            if (y % interval == 0)
            {
                row[0] += (ushort)(1 << (precision - shift - 1));
                Predict<Left>(row, row);
            }
            else
            {
                var above = values.Slice((y - 1) * width, width);
                row[0] += above[0];
                Predict(predictor, row, above);
            }

            CheckRange(row, precision - shift);
        }

        if (bits.Finish() is not (0 or 0xd9)) throw new StreamException("the JPEG stream goes on behind its last sample");
        if (shift == 0) return;
        foreach (ref var value in values) value <<= shift;
    }

    private static void Predict(int predictor, Span<ushort> row, ReadOnlySpan<ushort> above)
    {
        switch (predictor)
        {
            case 1: Predict<Left>(row, above); break;
            case 2: Predict<Above>(row, above); break;
            case 3: Predict<Corner>(row, above); break;
            case 4: Predict<Plane>(row, above); break;
            case 5: Predict<LeftAndSlope>(row, above); break;
            case 6: Predict<AboveAndSlope>(row, above); break;
            default: Predict<Mean>(row, above); break;
        }
    }

    /// <summary>Adds the predictions to the differences of a row, whose first sample is complete.</summary>
    private static void Predict<T>(Span<ushort> row, ReadOnlySpan<ushort> above)
        where T : struct, IPredictor
    {
        above = above[..row.Length];
        int left = row[0], corner = above[0];
        for (var x = 1; x < row.Length; x++)
        {
            int up = above[x];
            left = (ushort)(T.Of(left, up, corner) + row[x]);
            corner = up;
            row[x] = (ushort)left;
        }
    }

    /// <summary>A sample beyond the precision, with or without sign, comes from damaged data.</summary>
    private static void CheckRange(ReadOnlySpan<ushort> row, int bits)
    {
        if (bits == 16) return;
        var half = 1 << (bits - 1);
        var most = 0;
        foreach (var value in row) most = Math.Max(most, (ushort)(value + half));
        if (most >= 3 * half) throw new StreamException($"the data of the JPEG stream are damaged: a sample has more than {bits} bits");
    }

    /// <summary>Ra, Rb and Rc of the standard: the samples on the left, above, and above on the left.</summary>
    private interface IPredictor
    {
        static abstract int Of(int left, int above, int corner);
    }

    private readonly struct Left : IPredictor
    {
        public static int Of(int left, int above, int corner) => left;
    }

    private readonly struct Above : IPredictor
    {
        public static int Of(int left, int above, int corner) => above;
    }

    private readonly struct Corner : IPredictor
    {
        public static int Of(int left, int above, int corner) => corner;
    }

    private readonly struct Plane : IPredictor
    {
        public static int Of(int left, int above, int corner) => left + above - corner;
    }

    private readonly struct LeftAndSlope : IPredictor
    {
        public static int Of(int left, int above, int corner) => left + ((above - corner) >> 1);
    }

    private readonly struct AboveAndSlope : IPredictor
    {
        public static int Of(int left, int above, int corner) => above + ((left - corner) >> 1);
    }

    private readonly struct Mean : IPredictor
    {
        public static int Of(int left, int above, int corner) => (left + above) >> 1;
    }
}
