using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Pfmvg.Imaging.Formats;

namespace Pfmvg.Imaging.Codecs;

/// <summary>
/// A decoder for gray sequential JPEG with Huffman codes and 12 bits (ITU-T T.81, process 4), the wider sister of
/// <see cref="GrayJpeg"/>. Its samples are those of the true transform, rounded to nearest; dcmtk and gdcm, which keep one spare bit
/// between its two passes, are up to 2 of 4,095 away.
/// </summary>
internal static class JpegExtended
{
    /// <summary>A stream of fewer bytes cannot hold its pixels: each block of 64 takes two bits at least.</summary>
    public const int MostPixelsPerByte = 256;

    private const string Wanted = "sequential with Huffman codes (SOF0, SOF1)";
    private const int Half = 2048;

    private static readonly Vector256<float>[] Basis = MakeBasis();

    /// <summary>What the stream says of itself, whether it can be decoded or not.</summary>
    /// <exception cref="StreamException">It is no sequential JPEG stream with Huffman codes, or has no size.</exception>
    public static StreamHeader ReadHeader(ReadOnlySpan<byte> stream) => JpegScan.ReadFrame(stream, Wanted, 0xc0, 0xc1);

    /// <summary>Decodes a whole stream of 12 bits.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="header">What <see cref="ReadHeader"/> gave for it.</param>
    /// <param name="values">Takes the samples, row by row.</param>
    /// <exception cref="StreamException">The stream is cut, damaged, or of another kind.</exception>
    public static void Decode(ReadOnlySpan<byte> stream, in StreamHeader header, Span<ushort> values)
    {
        var scan = JpegScan.Read(stream, Wanted, 0xc0, 0xc1);
        var (width, height, _, precision, _) = scan.Frame;
        ArgumentOutOfRangeException.ThrowIfNotEqual(header, scan.Frame);
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, width * height);
        if (precision != 12) throw new StreamException($"the JPEG stream says that its samples have {precision} bits, not 12");
        if (scan.Parameters != (0, 63, 0, 0)) throw new StreamException("the JPEG stream's scan header (SOS) is damaged");
        if (scan.Quantization is null) throw new StreamException("the JPEG stream names a quantization table that it does not have");
        if (scan.Dc is null || scan.Ac is null) throw new StreamException("the JPEG stream names a Huffman table that it does not have");
        if (values.Length > MostPixelsPerByte * (long)(stream.Length - scan.Data))
            throw new StreamException("the JPEG stream is too short for its number of pixels");
        DecodeScan(
            stream[scan.Data..],
            new GrayJpeg.Header(width, height, 0, scan.RestartInterval, scan.Quantization, Table(scan.Dc, false), Table(scan.Ac, true)),
            values);
    }

    private static HuffmanTable Table(JpegScan.HuffmanCode code, bool withValues) =>
        HuffmanTable.Make(code.Lengths, code.Symbols, withValues)
        ?? throw new StreamException("the codes of a Huffman table (DHT) of the JPEG stream overlap");

    private static void DecodeScan(ReadOnlySpan<byte> data, GrayJpeg.Header header, Span<ushort> values)
    {
        var (width, height) = (header.Width, header.Height);
        Span<int> block = stackalloc int[64];
        var bits = new BitReader(data);
        var (predictor, untilRestart) = (0, header.RestartInterval);
        for (var y = 0; y < height; y += 8)
        {
            for (var x = 0; x < width; x += 8)
            {
                if (header.RestartInterval > 0 && untilRestart-- == 0)
                {
                    if (!bits.Restart()) throw new StreamException("a restart marker of the JPEG stream is missing");
                    (predictor, untilRestart) = (0, header.RestartInterval - 1);
                }

                if (GrayJpeg.DecodeBlock(ref bits, header, block, ref predictor) < 0)
                    throw new StreamException("the data of the JPEG stream are cut or damaged");
                Transform(block);
                for (var row = 0; row < Math.Min(8, height - y); row++)
                {
                    var samples = block.Slice(8 * row, Math.Min(8, width - x));
                    var target = values.Slice((y + row) * width + x, samples.Length);
                    for (var i = 0; i < target.Length; i++) target[i] = (ushort)Math.Clamp(samples[i], 0, 2 * Half - 1);
                }
            }
        }

        if (bits.Overrun) throw new StreamException("the data of the JPEG stream are cut");
    }

    /// <summary>
    /// The inverse cosine transform in float32, columns first; nothing is rounded between the passes. Products and sums stay apart,
    /// so that every processor gives the same bits.
    /// </summary>
    private static void Transform(Span<int> block)
    {
        ref var values = ref MemoryMarshal.GetReference(block);
        Span<Vector256<float>> rows = stackalloc Vector256<float>[8], sums = stackalloc Vector256<float>[8];
        for (var v = 0; v < 8; v++) rows[v] = Vector256.ConvertToSingle(Vector256.LoadUnsafe(ref values, (nuint)(8 * v)));
        for (var y = 0; y < 8; y++)
        {
            var sum = Vector256<float>.Zero;
            for (var v = 0; v < 8; v++) sum += rows[v] * Basis[v].GetElement(y);
            sums[y] = sum;
        }

        for (var y = 0; y < 8; y++)
        {
            var row = Vector256.Create(Half + 0.5f);
            for (var u = 0; u < 8; u++) row += Basis[u] * sums[y].GetElement(u);
            Vector256.ConvertToInt32(Vector256.Floor(row)).StoreUnsafe(ref values, (nuint)(8 * y));
        }
    }

    /// <summary>For each frequency, the cosine at the eight places of a block, with its factor.</summary>
    private static Vector256<float>[] MakeBasis()
    {
        var basis = new Vector256<float>[8];
        Span<float> places = stackalloc float[8];
        for (var k = 0; k < 8; k++)
        {
            for (var n = 0; n < 8; n++)
                places[n] = (float)((k == 0 ? Math.Sqrt(0.125) : 0.5) * Math.Cos((2 * n + 1) * k * Math.PI / 16));
            basis[k] = Vector256.Create<float>(places);
        }

        return basis;
    }
}
