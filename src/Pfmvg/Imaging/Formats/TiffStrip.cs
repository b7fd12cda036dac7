using System.IO.Compression;

namespace Pfmvg.Imaging.Formats;

/// <summary>
/// How many bytes the compressed strip of a TIFF unpacks to. A decoder that finds too few may leave the rest as it was, so
/// a picture that was cut would look whole.
/// </summary>
internal static class TiffStrip
{
    /// <summary>The unpacked length, counted no further than <paramref name="wanted"/>; less when the strip is short or broken.</summary>
    public static long UnpackedLength(ReadOnlySpan<byte> strip, int compression, long wanted) => compression switch
    {
        Tiff.Uncompressed => strip.Length,
        Tiff.PackBits => PackBits(strip, wanted),
        Tiff.Lzw => Lzw(strip, wanted),
        _ => Deflate(strip, wanted),
    };

    private static unsafe long Deflate(ReadOnlySpan<byte> strip, long wanted)
    {
        if (strip.Length == 0) return 0; // has no address
        fixed (byte* bytes = strip)
        {
            using var inflater = new ZLibStream(new UnmanagedMemoryStream(bytes, strip.Length), CompressionMode.Decompress);
            Span<byte> piece = stackalloc byte[4096];
            long length = 0;
            try
            {
                for (int read; length < wanted && (read = inflater.Read(piece)) > 0;) length += read;
            }
            catch (InvalidDataException)
            {
                // The bytes before the broken place count.
            }

            return length;
        }
    }

    private static long PackBits(ReadOnlySpan<byte> strip, long wanted)
    {
        long length = 0;
        for (var i = 0; i < strip.Length && length < wanted;)
        {
            var head = (sbyte)strip[i];
            var bytes = head >= 0 ? head + 1 : 1;
            if (head == -128) bytes = 0; // no operation
            else if (i + 1 + bytes > strip.Length) break;
            else length += head >= 0 ? head + 1 : 1 - head;
            i += 1 + bytes;
        }

        return length;
    }

    /// <summary>LZW as in the TIFF 6.0 specification, section 13: 9 to 12 bits, the highest bit first, wider one code early.</summary>
    private static long Lzw(ReadOnlySpan<byte> strip, long wanted)
    {
        const int clear = 256, end = 257, first = 258, full = 4096;
        var lengths = new int[full]; // of the string that a code stands for
        lengths.AsSpan(0, clear).Fill(1);
        var (next, width, before, length) = (first, 9, -1, 0L);
        var (word, held, position) = (0u, 0, 0);
        while (length < wanted)
        {
            for (; held < width; held += 8)
            {
                if (position == strip.Length) return length;
                word = word << 8 | strip[position++];
            }

            held -= width;
            var code = (int)(word >> held) & ((1 << width) - 1);
            if (code == end) break;
            if (code == clear)
            {
                (next, width, before) = (first, 9, -1);
                continue;
            }

            if (before >= 0 && next < full) lengths[next++] = lengths[before] + 1;
            if (code >= next) break;
            length += lengths[code];
            before = code;
            if (next == (1 << width) - 1 && width < 12) width++;
        }

        return length;
    }
}
