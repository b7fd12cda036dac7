using System.Buffers.Binary;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>A text that is counted before it and bytes behind it: safetensors and .npy. The text is changed, and counted right.</summary>
internal static class Headed
{
    public static Mutation SafeTensors { get; } = (input, dice) => Change(input, 0, 8, Json.Tree, dice);

    public static Mutation Npy { get; } = (input, dice) => Change(input, 8, 2, Words.Tokens, dice);

    private static byte[] Change(byte[] input, int at, int size, Mutation text, Dice dice)
    {
        if (input.Length < at + size) return input;
        Span<byte> number = stackalloc byte[8];
        number.Clear();
        input.AsSpan(at, size).CopyTo(number);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(number);
        var start = at + size;
        if (length > (ulong)(input.Length - start)) return input;
        var changed = text(input[start..(start + (int)length)], dice);
        if (size == 2 && changed.Length > ushort.MaxValue) return input;
        BinaryPrimitives.WriteInt64LittleEndian(number, changed.Length);
        return [.. input[..at], .. number[..size], .. changed, .. input[(start + (int)length)..]];
    }
}
