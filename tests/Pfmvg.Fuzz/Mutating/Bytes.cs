using System.Buffers.Binary;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Changes that know nothing of the format.</summary>
internal static class Bytes
{
    public static byte[] Change(byte[] input, Dice dice)
    {
        if (input.Length == 0) return dice.Noise(dice.Below(64));
        var (start, length) = dice.Span(input.Length);
        var end = start + length;
        return dice.Below(12) switch
        {
            0 => Set(input, start, (byte)(input[start] ^ (1 << dice.Below(8)))),
            1 => Set(input, start, (byte)dice.Below(256)),
            2 or 3 => Number(input, start, dice),
            4 => input[..start],
            5 => input[..^Math.Min(input.Length, dice.Below(64))],
            6 => [.. input[..start], .. input[end..]],
            7 => [.. input[..start], .. dice.Noise(length), .. input[start..]],
            8 => [.. input[..start], .. dice.Noise(length), .. input[end..]],
            9 => Repeat(input, start, length, dice),
            10 => Splice(input, start, dice),
            _ => Move(input, start, length, dice),
        };
    }

    private static byte[] Set(byte[] input, int at, byte value)
    {
        byte[] changed = [.. input];
        changed[at] = value;
        return changed;
    }

    /// <summary>A number of 1 to 8 bytes in either order: another one, or a little more or less.</summary>
    private static byte[] Number(byte[] input, int at, Dice dice)
    {
        byte[] changed = [.. input];
        var size = 1 << dice.Below(4);
        if (at + size > changed.Length) return Set(input, at, (byte)dice.Number());
        Span<byte> whole = stackalloc byte[8];
        whole.Clear();
        var place = changed.AsSpan(at, size);
        var bigEndian = dice.OneIn(2);
        place.CopyTo(bigEndian ? whole[(8 - size)..] : whole);
        var old = bigEndian ? BinaryPrimitives.ReadInt64BigEndian(whole) : BinaryPrimitives.ReadInt64LittleEndian(whole);
        var value = dice.OneIn(3) ? old + dice.Below(9) - 4 : dice.OneIn(8) ? ~old : dice.Number();
        if (bigEndian) BinaryPrimitives.WriteInt64BigEndian(whole, value);
        else BinaryPrimitives.WriteInt64LittleEndian(whole, value);
        (bigEndian ? whole[(8 - size)..] : whole[..size]).CopyTo(place);
        return changed;
    }

    private static byte[] Repeat(byte[] input, int start, int length, Dice dice)
    {
        var times = 1 + dice.Below(1 << dice.Below(9));
        times = Math.Min(times, (Dice.LargestInput - input.Length) / length);
        return times <= 0 ? input
            : [.. input[..start], .. Enumerable.Repeat(input[start..(start + length)], times).SelectMany(block => block),
                .. input[start..]];
    }

    private static byte[] Splice(byte[] input, int start, Dice dice)
    {
        var other = dice.Other();
        var (from, length) = dice.Span(other.Length);
        return dice.OneIn(2) ? [.. input[..start], .. other[from..]]
            : [.. input[..start], .. other[from..(from + length)], .. input[Math.Min(input.Length, start + length)..]];
    }

    private static byte[] Move(byte[] input, int start, int length, Dice dice)
    {
        var block = input[start..(start + length)];
        byte[] rest = [.. input[..start], .. input[(start + length)..]];
        var to = dice.Below(rest.Length + 1);
        return [.. rest[..to], .. block, .. rest[to..]];
    }
}
