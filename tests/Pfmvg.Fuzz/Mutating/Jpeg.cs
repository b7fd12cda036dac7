using System.Buffers.Binary;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Segments of a JPEG stream, lengths put right; what follows a start of scan belongs to it.</summary>
internal static class Jpeg
{
    private static readonly byte[] Markers =
        [0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc9, 0xcc, 0xd0, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xe0, 0xe1, 0xe2, 0xee, 0xf7, 0xf8,
            0xfe];

    public static Mutation Segments { get; } = new Parts<byte[]>(Split, parts => [.. parts.SelectMany(part => part)], Change).Change;

    /// <summary>Marker, length and data of each segment.</summary>
    public static List<byte[]>? Split(byte[] file)
    {
        if (file is not [0xff, 0xd8, ..]) return null;
        List<byte[]> segments = [file[..2]];
        for (var at = 2; at < file.Length;)
        {
            var end = at + 4 <= file.Length && file[at] == 0xff && file[at + 1] is not (0 or 0x01 or >= 0xd0 and <= 0xd9)
                ? at + 2 + BinaryPrimitives.ReadUInt16BigEndian(file.AsSpan(at + 2)) : at + 2;
            end = Math.Min(end, file.Length);
            if (at + 1 < file.Length && file[at + 1] == 0xda) // the scan, up to a marker that is no restart and no stuffed byte
                while (end < file.Length && !(file[end - 1] == 0xff && file[end] is not (0 or 0xff or >= 0xd0 and <= 0xd7))) end++;
            if (end < file.Length && file[end - 1] == 0xff) end--;
            if (end <= at) end = file.Length;
            segments.Add(file[at..end]);
            at = end;
        }

        return segments;
    }

    private static byte[] Change(byte[] segment, Dice dice)
    {
        if (segment.Length < 5) return Bytes.Change(segment, dice);
        var marker = dice.OneIn(10) ? dice.Pick(Markers) : segment[1];
        if (marker == 0xda && dice.OneIn(2)) return [.. segment[..4], .. Bytes.Change(segment[4..], dice)];
        var length = Math.Min(segment.Length, 2 + BinaryPrimitives.ReadUInt16BigEndian(segment.AsSpan(2)));
        var data = length < 4 ? [] : Bytes.Change(segment[4..length], dice);
        byte[] changed = [0xff, marker, 0, 0, .. data, .. segment[Math.Max(4, length)..]];
        BinaryPrimitives.WriteUInt16BigEndian(changed.AsSpan(2), (ushort)(dice.OneIn(10) ? dice.Number() : data.Length + 2));
        return changed;
    }
}
