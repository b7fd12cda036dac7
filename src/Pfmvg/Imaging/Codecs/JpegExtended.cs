using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Pfmvg.Imaging.Formats;

namespace Pfmvg.Imaging.Codecs;

/// <summary>
/// A decoder for gray sequential JPEG with Huffman codes and 12 bits (ITU-T T.81, process 4), the wider sister of
/// <see cref="GrayJpeg"/>. Its samples are those of libjpeg's accurate integer transform, compiled for 12 bits.
/// </summary>
internal static class JpegExtended
{
    /// <summary>A stream of fewer bytes cannot hold its pixels: each block of 64 takes two bits at least.</summary>
    public const int MostPixelsPerByte = 256;

    private const string Wanted = "sequential with Huffman codes (SOF0, SOF1)";
    private const int Half = 2048;

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
                    for (var i = 0; i < target.Length; i++) target[i] = (ushort)Math.Clamp(samples[i] + Half, 0, 2 * Half - 1);
                }
            }
        }

        if (bits.Overrun) throw new StreamException("the data of the JPEG stream are cut");
    }

    /// <summary>The transform "islow" with the one spare bit between its passes that 12-bit samples leave.</summary>
    private static void Transform(Span<int> block)
    {
        Columns(block, 12);
        Columns(block, 17);
    }

    /// <summary>A pass over columns, whose result is transposed.</summary>
    private static void Columns(Span<int> block, int shift)
    {
        ref var c = ref MemoryMarshal.GetReference(block);
        Vector256<int> r0 = Vector256.LoadUnsafe(ref c, 0), r1 = Vector256.LoadUnsafe(ref c, 8);
        Vector256<int> r2 = Vector256.LoadUnsafe(ref c, 16), r3 = Vector256.LoadUnsafe(ref c, 24);
        Vector256<int> r4 = Vector256.LoadUnsafe(ref c, 32), r5 = Vector256.LoadUnsafe(ref c, 40);
        Vector256<int> r6 = Vector256.LoadUnsafe(ref c, 48), r7 = Vector256.LoadUnsafe(ref c, 56);
        GrayJpeg.Pass(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7, shift, Vector256.Create(1 << (shift - 1)));
        r0.StoreUnsafe(ref c, 0);
        r1.StoreUnsafe(ref c, 8);
        r2.StoreUnsafe(ref c, 16);
        r3.StoreUnsafe(ref c, 24);
        r4.StoreUnsafe(ref c, 32);
        r5.StoreUnsafe(ref c, 40);
        r6.StoreUnsafe(ref c, 48);
        r7.StoreUnsafe(ref c, 56);
        for (var row = 1; row < 8; row++)
            for (var column = 0; column < row; column++)
            {
                ref var a = ref Unsafe.Add(ref c, 8 * row + column);
                ref var b = ref Unsafe.Add(ref c, 8 * column + row);
                (a, b) = (b, a);
            }
    }
}
