namespace Pfmvg.Fuzz.Mutating;

/// <summary>Fields of a protobuf message, lengths put right; those of a counted field may be fields again.</summary>
internal static class Protobuf
{
    public static Mutation Fields { get; } = new Parts<byte[]>(Split, parts => [.. parts.SelectMany(part => part)], Change).Change;

    private static List<byte[]>? Split(byte[] message)
    {
        List<byte[]> fields = [];
        for (var at = 0; at < message.Length;)
        {
            var end = at;
            var key = Varint(message, ref end);
            long length = (key & 7) switch { 1 => 8, 5 => 4, 2 => (long)Math.Min(Varint(message, ref end), int.MaxValue), _ => 0 };
            if ((key & 7) == 0) Varint(message, ref end);
            if (end + length > message.Length) length = message.Length - end;
            fields.Add(message[at..(int)(end + length)]);
            at = (int)(end + length);
        }

        return fields;
    }

    private static byte[] Change(byte[] field, Dice dice)
    {
        var at = 0;
        var key = Varint(field, ref at);
        if (dice.OneIn(6)) return [.. Number(dice.OneIn(2) ? key ^ (1UL << dice.Below(8)) : (ulong)dice.Number()), .. field[at..]];
        if ((key & 7) == 0) return [.. Number(key), .. Number((ulong)dice.Number())];
        if ((key & 7) != 2) return Bytes.Change(field, dice);
        var length = Varint(field, ref at);
        var content = dice.OneIn(2) ? Fields(field[at..], dice) : Bytes.Change(field[at..], dice);
        return [.. Number(key), .. Number(dice.OneIn(10) ? length : (ulong)content.Length), .. content];
    }

    private static ulong Varint(byte[] bytes, ref int at)
    {
        var value = 0UL;
        for (var shift = 0; at < bytes.Length && shift < 70; shift += 7)
        {
            var next = bytes[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80) break;
        }

        return value;
    }

    private static byte[] Number(ulong value)
    {
        List<byte> bytes = [];
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }
}
