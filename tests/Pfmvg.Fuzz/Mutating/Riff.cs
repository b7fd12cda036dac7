using System.Buffers.Binary;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Chunks of a WebP, lengths put right.</summary>
internal static class Riff
{
    private const int Head = 12;

    private static readonly string[] Types = ["VP8 ", "VP8L", "VP8X", "ANIM", "ANMF", "ALPH", "ICCP", "EXIF"];

    public static Mutation Chunks { get; } = new Parts<byte[]>(Split, Join, (chunk, dice) =>
    [
        .. dice.OneIn(8) ? System.Text.Encoding.ASCII.GetBytes(dice.Pick(Types)) : chunk[..4], .. Bytes.Change(chunk[4..], dice),
    ]).Change;

    private static List<byte[]>? Split(byte[] file)
    {
        List<byte[]> chunks = [];
        for (var at = Head; at + 8 <= file.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 4));
            if (length > file.Length - at - 8) break;
            chunks.Add([.. file[at..(at + 4)], .. file[(at + 8)..(at + 8 + (int)length)]]);
            at += 8 + (int)(length + (length & 1));
        }

        return chunks;
    }

    private static byte[] Join(List<byte[]> chunks)
    {
        using var body = new MemoryStream();
        body.Write("WEBP"u8);
        var number = new byte[4];
        foreach (var chunk in chunks)
        {
            BinaryPrimitives.WriteInt32LittleEndian(number, chunk.Length - 4);
            body.Write(chunk, 0, 4);
            body.Write(number);
            body.Write(chunk, 4, chunk.Length - 4);
            if (chunk.Length % 2 == 1) body.WriteByte(0);
        }

        BinaryPrimitives.WriteInt32LittleEndian(number, (int)body.Length);
        return [.. "RIFF"u8, .. number, .. body.ToArray()];
    }
}
