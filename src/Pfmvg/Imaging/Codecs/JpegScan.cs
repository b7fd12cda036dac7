using System.Buffers.Binary;
using Pfmvg.Imaging.Formats;

namespace Pfmvg.Imaging.Codecs;

/// <summary>The headers of a gray JPEG stream up to its entropy-coded data.</summary>
internal sealed class JpegScan
{
    /// <summary>The marker of the frame (SOFn), which names the coding process.</summary>
    public byte Process { get; private set; }

    /// <summary>Size and precision.</summary>
    public StreamHeader Frame { get; private set; }

    /// <summary>Where the entropy-coded data begin.</summary>
    public int Data { get; private set; }

    /// <summary>Samples or blocks from one restart marker to the next; 0 without such markers.</summary>
    public int RestartInterval { get; private set; }

    /// <summary>The four numbers that end the scan's header: Ss, Se, Ah and Al.</summary>
    public (int First, int Last, int High, int Low) Parameters { get; private set; }

    /// <summary>The component's table for DC coefficients or lossless differences.</summary>
    public HuffmanCode? Dc { get; private set; }

    /// <summary>The component's table for AC coefficients.</summary>
    public HuffmanCode? Ac { get; private set; }

    /// <summary>The component's quantization, in zigzag order.</summary>
    public int[]? Quantization { get; private set; }

    /// <summary>A Huffman code as the stream has it.</summary>
    /// <param name="Lengths">Number of codes of 1 to 16 bits.</param>
    /// <param name="Symbols">What the codes stand for, shortest first.</param>
    public sealed record HuffmanCode(byte[] Lengths, byte[] Symbols);

    /// <summary>Reads the frame's header only.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="wanted">The process that the caller decodes, in words.</param>
    /// <param name="processes">Its markers.</param>
    public static StreamHeader ReadFrame(ReadOnlySpan<byte> stream, string wanted, params ReadOnlySpan<byte> processes) =>
        Read(stream, wanted, processes, frameOnly: true).Frame;

    /// <summary>Reads everything up to the data of the first scan.</summary>
    public static JpegScan Read(ReadOnlySpan<byte> stream, string wanted, params ReadOnlySpan<byte> processes) =>
        Read(stream, wanted, processes, frameOnly: false);

    private static JpegScan Read(ReadOnlySpan<byte> stream, string wanted, ReadOnlySpan<byte> processes, bool frameOnly)
    {
        if (stream.Length < 4 || stream[0] != 0xff || stream[1] != 0xd8)
            throw new StreamException($"it is not a JPEG stream{Other(stream)}");
        var scan = new JpegScan();
        var (dc, ac, quantization) = (new HuffmanCode?[4], new HuffmanCode?[4], new int[]?[4]);
        var quantizer = 0;
        var segments = new JpegSegments(stream);
        while (segments.MoveNext())
        {
            if (!segments.IsWhole) throw new StreamException("the JPEG stream ends within its header");
            var content = segments.Content;
            switch (segments.Marker)
            {
                case 0xde or 0xf7:
                    throw Wrong(segments.Marker, wanted);
                case JpegSegments.HuffmanTables:
                    ReadHuffman(content, dc, ac);
                    break;
                case JpegSegments.QuantizationTables:
                    ReadQuantization(content, quantization);
                    break;
                case JpegSegments.RestartInterval:
                    if (content.Length != 2)
                        throw new StreamException("the JPEG stream's restart interval (DRI) is not a number of two bytes");
                    scan.RestartInterval = BinaryPrimitives.ReadUInt16BigEndian(content);
                    break;
                case JpegSegments.StartOfScan:
                    scan.Start(content, dc, ac, quantization[quantizer]);
                    scan.Data = segments.End;
                    return scan;
                case JpegSegments.EndOfImage:
                    throw new StreamException("the JPEG stream ends (EOI) before its first scan");
                case 0xcc:
                    throw new StreamException($"the JPEG stream uses arithmetic coding (DAC), which is not {wanted}");
                case var marker when segments.IsFrame:
                    if (!processes.Contains(marker)) throw Wrong(marker, wanted);
                    if (scan.Process != 0) throw new StreamException("the JPEG stream has two frame headers (SOF)");
                    quantizer = scan.ReadFrame(marker, segments);
                    if (frameOnly) return scan;
                    break;
            }
        }

        throw new StreamException(
            segments.Broken ? "the JPEG stream's header is damaged: no marker where one must be"
                : "the JPEG stream ends within its header");
    }

    private int ReadFrame(byte marker, JpegSegments segments)
    {
        var content = segments.Content;
        if (content.Length < 6 || content[5] == 0 || content.Length != 6 + 3 * content[5])
            throw new StreamException("the JPEG stream's frame header (SOF) has another length than its number of components needs");
        var (width, height) = segments.Size;
        if (width == 0) throw new StreamException("the JPEG stream says that its rows have 0 pixels");
        if (height == 0) throw new StreamException("the JPEG stream says that it has 0 lines, and no number of lines (DNL) is read");
        Process = marker;
        Frame = new StreamHeader(width, height, content[5], content[0], Signed: false);
        return content[8] & 3;
    }

    private void Start(ReadOnlySpan<byte> content, HuffmanCode?[] dc, HuffmanCode?[] ac, int[]? quantization)
    {
        if (Process == 0) throw new StreamException("the JPEG stream's scan (SOS) comes before its frame header (SOF)");
        if (Frame.Components != 1)
            throw new StreamException($"the JPEG stream has {Frame.Components} components, and only gray ones of one component are read");
        if (content.Length != 6 || content[0] != 1) throw new StreamException("the JPEG stream's scan header (SOS) is damaged");
        var (d, a) = (content[2] >> 4, content[2] & 15);
        if (d > 3 || a > 3) throw new StreamException("the JPEG stream's scan header (SOS) names a Huffman table above 3");
        (Dc, Ac, Quantization) = (dc[d], ac[a], quantization);
        Parameters = (content[3], content[4], content[5] >> 4, content[5] & 15);
    }

    private static void ReadQuantization(ReadOnlySpan<byte> content, int[]?[] tables)
    {
        while (content.Length > 0)
        {
            var (wide, slot) = (content[0] >> 4, content[0] & 15);
            var size = 1 + 64 * (wide + 1);
            if (wide > 1 || slot > 3 || content.Length < size)
                throw new StreamException("a quantization table (DQT) of the JPEG stream is damaged");
            var table = tables[slot] = new int[64];
            for (var i = 0; i < 64; i++)
                table[i] = wide == 0 ? content[1 + i] : BinaryPrimitives.ReadUInt16BigEndian(content[(1 + 2 * i)..]);
            content = content[size..];
        }
    }

    private static void ReadHuffman(ReadOnlySpan<byte> content, HuffmanCode?[] dc, HuffmanCode?[] ac)
    {
        while (content.Length > 0)
        {
            var count = 0;
            for (var length = 1; length <= 16 && length < content.Length; length++) count += content[length];
            var (kind, slot) = (content[0] >> 4, content[0] & 15);
            if (content.Length < 17 + count || kind > 1 || slot > 3 || count > 256)
                throw new StreamException("a Huffman table (DHT) of the JPEG stream is damaged");
            (kind == 0 ? dc : ac)[slot] = new HuffmanCode(content[1..17].ToArray(), content.Slice(17, count).ToArray());
            content = content[(17 + count)..];
        }
    }

    private static StreamException Wrong(byte marker, string wanted)
    {
        var kind = marker switch
        {
            0xc0 => "baseline (SOF0)",
            0xc1 => "extended sequential (SOF1)",
            0xc2 => "progressive (SOF2)",
            0xc3 => "lossless (SOF3)",
            0xc5 or 0xc6 or 0xc7 => $"hierarchical (SOF{marker - 0xc0})",
            0xc9 => "arithmetic-coded sequential (SOF9)",
            0xca => "arithmetic-coded progressive (SOF10)",
            0xcb => "arithmetic-coded lossless (SOF11)",
            0xde => "hierarchical (DHP)",
            0xf7 => "JPEG-LS (SOF55)",
            _ => $"arithmetic-coded hierarchical (SOF{marker - 0xc0})",
        };
        return new StreamException($"the JPEG stream is {kind}, not {wanted}");
    }

    private static string Other(ReadOnlySpan<byte> stream) =>
        stream.StartsWith<byte>([0xff, 0x4f]) || stream.StartsWith<byte>([0, 0, 0, 12, (byte)'j', (byte)'P']) ? ", but JPEG 2000" : "";
}
