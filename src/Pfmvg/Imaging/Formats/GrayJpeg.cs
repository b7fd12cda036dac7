using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Imaging.Formats;

/// <summary>
/// A fast decoder for the usual chest radiograph: gray, baseline, Huffman-coded JPEG in one scan. Its pixels are those of
/// libjpeg's accurate integer transform to the bit, and so Pillow's. Everything else, damaged files included, is left to
/// libjpeg-turbo, which SkiaSharp carries without its vector code.
/// </summary>
internal static class GrayJpeg
{
    /// <summary>Where the coefficients of a block go: the zigzag order, with room for runs that lead past its end.</summary>
    private static readonly byte[] Natural =
    [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];

    /// <summary>Decodes a picture of the known kind.</summary>
    /// <returns>False for every other file, which another decoder must read.</returns>
    public static bool TryDecode(
        ReadOnlySpan<byte> file, DecodeBuffer buffer, PictureName picture, [NotNullWhen(true)] out DecodedImage? image)
    {
        image = null;
        if (!Avx2.IsSupported || ReadHeader(file) is not { } header) return false;
        picture.CheckSize(header.Width, header.Height, file.Length * Jpeg.MostPixelsPerByte);
        var pixels = buffer.Pixels(header.Width * header.Height);
        if (!DecodeScan(file[header.Scan..], header, pixels)) return false;
        image = new DecodedImage(header.Width, header.Height, 1, pixels);
        return true;
    }

    /// <summary>What a scan is decoded with.</summary>
    internal sealed record Header(
        int Width, int Height, int Scan, int RestartInterval, int[] Quantization, HuffmanTable Dc, HuffmanTable Ac);

    /// <summary>Everything up to the scan; null when the file is not of the known kind.</summary>
    private static Header? ReadHeader(ReadOnlySpan<byte> file)
    {
        int width = 0, height = 0, quantizer = 0, restart = 0;
        var quantization = new int[4][];
        HuffmanTable?[] dc = new HuffmanTable?[4], ac = new HuffmanTable?[4];
        var segments = new JpegSegments(file);
        while (segments.MoveNext() && segments.IsWhole)
        {
            var content = segments.Content;
            switch (segments.Marker)
            {
                case 0xc0 or 0xc1: // sequential, Huffman
                    if (content.Length != 9 || content[0] != 8 || content[5] != 1 || width != 0) return null;
                    (width, height) = segments.Size;
                    quantizer = content[8];
                    if (width == 0 || height == 0 || quantizer > 3) return null;
                    break;
                case JpegSegments.HuffmanTables:
                    if (!ReadHuffman(content, dc, ac)) return null;
                    break;
                case JpegSegments.QuantizationTables:
                    if (!ReadQuantization(content, quantization)) return null;
                    break;
                case JpegSegments.RestartInterval:
                    if (content.Length != 2) return null;
                    restart = BinaryPrimitives.ReadUInt16BigEndian(content);
                    break;
                case JpegSegments.StartOfScan:
                    if (content.Length != 6 || content[0] != 1 || width == 0 || content[3] != 0 || content[4] != 63 || content[5] != 0)
                        return null;
                    var (d, a) = (content[2] >> 4, content[2] & 15);
                    return d < 4 && a < 4 && dc[d] is { } forDc && ac[a] is { } forAc && quantization[quantizer] is { } table
                        ? new Header(width, height, segments.End, restart, table, forDc, forAc)
                        : null;
                case >= 0xe0 and <= 0xfe: // application data and comments
                    break;
                default:
                    return null;
            }
        }

        return null;
    }

    private static bool ReadQuantization(ReadOnlySpan<byte> content, int[][] tables)
    {
        while (content.Length > 0)
        {
            var (wide, slot) = (content[0] >> 4, content[0] & 15);
            var size = 1 + 64 * (wide + 1);
            if (wide > 1 || slot > 3 || content.Length < size) return false;
            var table = tables[slot] = new int[64];
            for (var i = 0; i < 64; i++)
                table[i] = wide == 0 ? content[1 + i] : BinaryPrimitives.ReadUInt16BigEndian(content[(1 + 2 * i)..]);
            content = content[size..];
        }

        return true;
    }

    /// <summary>Reads a segment of code tables into their places; false when it is broken.</summary>
    internal static bool ReadHuffman(ReadOnlySpan<byte> content, HuffmanTable?[] dc, HuffmanTable?[] ac)
    {
        while (content.Length > 0)
        {
            if (content.Length < 17) return false;
            var (kind, slot) = (content[0] >> 4, content[0] & 15);
            var count = 0;
            foreach (var codes in content[1..17]) count += codes;
            if (kind > 1 || slot > 3 || count > 256 || content.Length < 17 + count) return false;
            if (HuffmanTable.Make(content[1..17], content.Slice(17, count), withValues: kind == 1) is not { } table) return false;
            (kind == 0 ? dc : ac)[slot] = table;
            content = content[(17 + count)..];
        }

        return true;
    }

    [SkipLocalsInit]
    private static bool DecodeScan(ReadOnlySpan<byte> data, Header header, byte[] pixels)
    {
        var (width, height) = (header.Width, header.Height);
        Span<int> block = stackalloc int[64];
        Span<byte> edge = stackalloc byte[64];
        var bits = new BitReader(data);
        var (predictor, untilRestart) = (0, header.RestartInterval);
        for (var y = 0; y < height; y += 8)
        {
            for (var x = 0; x < width; x += 8)
            {
                if (header.RestartInterval > 0 && untilRestart-- == 0)
                {
                    if (!bits.Restart()) return false;
                    (predictor, untilRestart) = (0, header.RestartInterval - 1);
                }

                var last = DecodeBlock(ref bits, header, block, ref predictor);
                if (last < 0) return false;
                if (x + 8 <= width && y + 8 <= height) Transform(block, last, ref pixels[y * width + x], width);
                else
                {
                    Transform(block, last, ref edge[0], 8);
                    for (var row = 0; row < Math.Min(8, height - y); row++)
                        edge.Slice(8 * row, Math.Min(8, width - x)).CopyTo(pixels.AsSpan((y + row) * width + x));
                }
            }
        }

        return !bits.Overrun;
    }

    /// <summary>Reads one block's coefficients, multiplied by their quantization, in natural order.</summary>
    /// <returns>Zigzag position of the last one; -1 when the data are broken.</returns>
    internal static int DecodeBlock(ref BitReader bits, Header header, scoped Span<int> block, ref int predictor)
    {
        block.Clear();
        ref var coefficient = ref MemoryMarshal.GetReference(block);
        ref var quantization = ref MemoryMarshal.GetArrayDataReference(header.Quantization);
        ref var natural = ref MemoryMarshal.GetArrayDataReference(Natural);
        bits.Fill();
        var size = header.Dc.Symbol(ref bits);
        if (size is < 0 or > 15) return -1;
        predictor += bits.Value(size);
        coefficient = predictor * quantization;

        ref var combined = ref MemoryMarshal.GetArrayDataReference(header.Ac.Combined);
        var last = 0;
        var ahead = bits.Ahead; // in registers as long as it goes well
        for (var k = 1; k < 64; k++)
        {
            if (ahead.Count < 32) bits.Fill(ref ahead);
            var entry = Unsafe.Add(ref combined, (int)(ahead.Bits >> (64 - HuffmanTable.Bits)));
            int value;
            if (entry != 0) // run, value and length in one look
            {
                k += (entry >> 8) & 0xff;
                value = entry >> 16;
                ahead.Bits <<= entry & 0xff;
                ahead.Count -= entry & 0xff;
            }
            else
            {
                bits.Ahead = ahead;
                var symbol = header.Ac.Symbol(ref bits);
                if (symbol < 0) return -1;
                size = symbol & 15;
                value = bits.Value(size);
                ahead = bits.Ahead;
                if (size == 0)
                {
                    if (symbol != 0xf0) break; // end of block
                    k += 15;
                    continue;
                }

                k += symbol >> 4;
            }

            if (k > 63) return -1;
            Unsafe.Add(ref coefficient, (int)Unsafe.Add(ref natural, k)) = value * Unsafe.Add(ref quantization, k);
            last = k;
        }

        bits.Ahead = ahead;
        return bits.Overrun ? -1 : last;
    }

    /// <summary>libjpeg's inverse transform "islow": columns, then rows, 13-bit constants; all eight at a time.</summary>
    /// <remarks>The eight rows are passed one by one, because a structure of them would not stay in registers.</remarks>
    private static void Transform(Span<int> block, int last, ref byte target, int stride)
    {
        if (last == 0)
        {
            var gray = (byte)Math.Clamp((((block[0] << 2) + 16) >> 5) + 128, 0, 255);
            for (var row = 0; row < 8; row++) Unsafe.InitBlockUnaligned(ref Unsafe.Add(ref target, row * stride), gray, 8);
            return;
        }

        ref var c = ref MemoryMarshal.GetReference(block);
        Vector256<int> r0 = Vector256.LoadUnsafe(ref c, 0), r1 = Vector256.LoadUnsafe(ref c, 8);
        Vector256<int> r2 = Vector256.LoadUnsafe(ref c, 16), r3 = Vector256.LoadUnsafe(ref c, 24);
        Vector256<int> r4 = Vector256.LoadUnsafe(ref c, 32), r5 = Vector256.LoadUnsafe(ref c, 40);
        Vector256<int> r6 = Vector256.LoadUnsafe(ref c, 48), r7 = Vector256.LoadUnsafe(ref c, 56);
        Pass(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7, 11, Vector256.Create(1 << 10));
        Transpose(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        Pass(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7, 18, Vector256.Create((1 << 17) + (128 << 18)));
        Transpose(ref r0, ref r1, ref r2, ref r3, ref r4, ref r5, ref r6, ref r7);
        Store(r0, r1, r2, r3, ref target, stride);
        Store(r4, r5, r6, r7, ref Unsafe.Add(ref target, 4 * stride), stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pass(
        ref Vector256<int> r0, ref Vector256<int> r1, ref Vector256<int> r2, ref Vector256<int> r3,
        ref Vector256<int> r4, ref Vector256<int> r5, ref Vector256<int> r6, ref Vector256<int> r7, int shift, Vector256<int> rounding)
    {
        var z1 = (r2 + r6) * 4433;
        Vector256<int> even2 = z1 - r6 * 15137, even3 = z1 + r2 * 6270;
        Vector256<int> even0 = ((r0 + r4) << 13) + rounding, even1 = ((r0 - r4) << 13) + rounding;
        Vector256<int> e0 = even0 + even3, e3 = even0 - even3, e1 = even1 + even2, e2 = even1 - even2;

        var z5 = (r7 + r3 + r5 + r1) * 9633;
        var z3 = z5 - (r7 + r3) * 16069;
        var z4 = z5 - (r5 + r1) * 3196;
        z1 = (r7 + r1) * -7373;
        var z2 = (r5 + r3) * -20995;
        var o0 = r7 * 2446 + z1 + z3;
        var o1 = r5 * 16819 + z2 + z4;
        var o2 = r3 * 25172 + z2 + z3;
        var o3 = r1 * 12299 + z1 + z4;

        r0 = (e0 + o3) >> shift;
        r7 = (e0 - o3) >> shift;
        r1 = (e1 + o2) >> shift;
        r6 = (e1 - o2) >> shift;
        r2 = (e2 + o1) >> shift;
        r5 = (e2 - o1) >> shift;
        r3 = (e3 + o0) >> shift;
        r4 = (e3 - o0) >> shift;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(
        ref Vector256<int> r0, ref Vector256<int> r1, ref Vector256<int> r2, ref Vector256<int> r3,
        ref Vector256<int> r4, ref Vector256<int> r5, ref Vector256<int> r6, ref Vector256<int> r7)
    {
        var (a0, a1, a2, a3) = Quads(r0, r1, r2, r3);
        var (b0, b1, b2, b3) = Quads(r4, r5, r6, r7);
        (r0, r1) = (Avx2.Permute2x128(a0, b0, 0x20), Avx2.Permute2x128(a1, b1, 0x20));
        (r2, r3) = (Avx2.Permute2x128(a2, b2, 0x20), Avx2.Permute2x128(a3, b3, 0x20));
        (r4, r5) = (Avx2.Permute2x128(a0, b0, 0x31), Avx2.Permute2x128(a1, b1, 0x31));
        (r6, r7) = (Avx2.Permute2x128(a2, b2, 0x31), Avx2.Permute2x128(a3, b3, 0x31));
    }

    /// <summary>Transposes four rows within each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<int>, Vector256<int>, Vector256<int>, Vector256<int>) Quads(
        Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d)
    {
        Vector256<long> ab0 = Avx2.UnpackLow(a, b).AsInt64(), ab1 = Avx2.UnpackHigh(a, b).AsInt64();
        Vector256<long> cd0 = Avx2.UnpackLow(c, d).AsInt64(), cd1 = Avx2.UnpackHigh(c, d).AsInt64();
        return (Avx2.UnpackLow(ab0, cd0).AsInt32(), Avx2.UnpackHigh(ab0, cd0).AsInt32(), Avx2.UnpackLow(ab1, cd1).AsInt32(),
            Avx2.UnpackHigh(ab1, cd1).AsInt32());
    }

    /// <summary>Four rows of eight pixels, clamped to bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<int> a, Vector256<int> b, Vector256<int> c, Vector256<int> d, ref byte target, int stride)
    {
        var bytes = Avx2.PackUnsignedSaturate(Avx2.PackSignedSaturate(a, b), Avx2.PackSignedSaturate(c, d)).AsInt32();
        var rows = Avx2.PermuteVar8x32(bytes, Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsUInt64();
        for (var row = 0; row < 4; row++) Unsafe.WriteUnaligned(ref Unsafe.Add(ref target, row * stride), rows[row]);
    }
}
