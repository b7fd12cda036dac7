using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace Pfmvg.Tests.Imaging.Formats;

/// <summary>Writes PNG files of any layout, unfiltered, to have something to decode.</summary>
internal static class PngWriter
{
    private static readonly (int X, int Y, int StepX, int StepY)[] Adam7 =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    /// <summary>The file for samples given as [row][column * samples per pixel]; some of its compressed bytes can be missing.</summary>
    public static byte[] Write(
        int colour, int depth, int[][] samples, bool interlaced = false, byte[]? palette = null, int? claimWidth = null,
        int? claimHeight = null,
        int missing = 0)
    {
        var perPixel = colour switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };
        var (height, width) = (samples.Length, samples[0].Length / perPixel);
        using var raw = new MemoryStream();
        foreach (var (x0, y0, stepX, stepY) in interlaced ? Adam7 : [(0, 0, 1, 1)])
        {
            if (x0 >= width) continue;
            for (var y = y0; y < height; y += stepY)
            {
                raw.WriteByte(0);
                var (bits, filled) = (0, 0);
                for (var x = x0; x < width; x += stepX)
                {
                    for (var s = 0; s < perPixel; s++)
                    {
                        var value = samples[y][x * perPixel + s];
                        if (depth == 16) raw.WriteByte((byte)(value >> 8));
                        if (depth >= 8) raw.WriteByte((byte)value);
                        else
                        {
                            (bits, filled) = (bits << depth | value, filled + depth);
                            if (filled < 8) continue;
                            raw.WriteByte((byte)bits);
                            (bits, filled) = (0, 0);
                        }
                    }
                }

                if (filled > 0) raw.WriteByte((byte)(bits << (8 - filled)));
            }
        }

        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, claimWidth ?? width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), claimHeight ?? height);
        (header[8], header[9], header[12]) = ((byte)depth, (byte)colour, (byte)(interlaced ? 1 : 0));
        Chunk(file, "IHDR", header);
        if (palette is not null) Chunk(file, "PLTE", palette);
        using var compressed = new MemoryStream();
        using (var deflater = new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true)) deflater.Write(raw.ToArray());
        Chunk(file, "IDAT", compressed.ToArray()[..^missing]);
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    private static void Chunk(Stream file, string type, byte[] data)
    {
        byte[] body = [.. System.Text.Encoding.ASCII.GetBytes(type), .. data];
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc32.HashToUInt32(body));
        file.Write(number);
    }
}
