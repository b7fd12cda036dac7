using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Chunks of a PNG, with their checksums put right.</summary>
internal static class Png
{
    private const int Signature = 8, Type = 4;

    private static readonly string[] Types =
        ["IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "iCCP", "sBIT", "eXIf", "acTL", "fcTL", "fdAT", "tEXt", "zTXt", "QQQQ"];

    public static Mutation Chunks { get; } = new Parts<byte[]>(Split, Join, Change).Change;

    /// <summary>Type and data of each chunk.</summary>
    private static List<byte[]>? Split(byte[] file)
    {
        List<byte[]> chunks = [];
        for (var at = Signature; at + 12 <= file.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(at));
            if (length > file.Length - at - 12) break;
            chunks.Add(file[(at + 4)..(at + 8 + (int)length)]);
            at += 12 + (int)length;
        }

        return chunks;
    }

    private static byte[] Join(List<byte[]> chunks)
    {
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a]);
        var number = new byte[4];
        foreach (var chunk in chunks)
        {
            BinaryPrimitives.WriteInt32BigEndian(number, chunk.Length - Type);
            file.Write(number);
            file.Write(chunk);
            BinaryPrimitives.WriteUInt32BigEndian(number, Crc32.HashToUInt32(chunk));
            file.Write(number);
        }

        return file.ToArray();
    }

    private static byte[] Change(byte[] chunk, Dice dice)
    {
        var (type, data) = (chunk[..Type], chunk[Type..]);
        if (dice.OneIn(8)) type = System.Text.Encoding.ASCII.GetBytes(dice.Pick(Types));
        else if (type.AsSpan().SequenceEqual("IDAT"u8) && dice.OneIn(2) && Inflate(data) is { } rows) data = Deflate(Bytes.Change(rows,
            dice));
        else data = Bytes.Change(data, dice);
        return [.. type, .. data];
    }

    private static byte[]? Inflate(byte[] data)
    {
        try
        {
            using var inflated = new ZLibStream(new MemoryStream(data), CompressionMode.Decompress);
            var rows = new byte[Dice.LargestInput];
            return rows[..inflated.ReadAtLeast(rows, rows.Length, throwOnEndOfStream: false)];
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static byte[] Deflate(byte[] rows)
    {
        using var deflated = new MemoryStream();
        using (var stream = new ZLibStream(deflated, CompressionLevel.Fastest, leaveOpen: true)) stream.Write(rows);
        return deflated.ToArray();
    }
}
