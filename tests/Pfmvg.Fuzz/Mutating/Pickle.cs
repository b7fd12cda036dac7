using System.Buffers.Binary;
using System.Text;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Operations of pickles, with their arguments whole.</summary>
internal static class Pickle
{
    // What torch's files and hostile ones hold, and operations that few readers meet.
    private static readonly byte[][] Vocabulary =
    [
        .. new[]
        {
            "cposix\nsystem\n", "cbuiltins\neval\n", "ctorch\nload\n", "ccollections\nOrderedDict\n", "ctorch._utils\n_rebuild_tensor_v2\n",
            "ctorch._utils\n_rebuild_parameter\n", "ctorch\nFloatStorage\n", "ctorch\nSize\n", "c_codecs\nencode\n", "c__builtin__\nset\n",
            "ctorch._tensor\n_rebuild_from_type_v2\n", "cnumpy.core.multiarray\n_reconstruct\n", "ca\nb\n", "(iposix\nsystem\n", "\u0093",
            "R", "b", "o",
            "\u0081", "\u0092", "Q", "Pid\n", "t", ")", "\u0085", "\u0086", "\u0087", "l", "]", "a", "e", "d", "}", "s", "u", "(", "0",
            "1", "2", "N",
            "\u0088", "\u0089", "q\0", "h\0", "\u0094", "K\u0001", "M\u00ff\u00ff", "J\u00ff\u00ff\u00ff\u007f", "J\0\0\0\u0080", "I99\n",
            "L1L\n",
            "F1e308\n", "G\u007f\u00f0\0\0\0\0\0\0", "\u008a\u0001\u00ff", "X\u0001\0\0\0a", "\u008c\u0007storage", "\u008f", "\u0090",
            "\u0091",
            "\u0095\u00ff\0\0\0\0\0\0\0", "\u0097", "\u0098", ".", "}.", "\u0080\u0002",
        }.Select(Encoding.Latin1.GetBytes),
    ];

    public static Mutation Operations { get; } = new Parts<byte[]>(Split, parts => [.. parts.SelectMany(part => part)], Change).Change;

    /// <summary>The operations; what follows the last one that is known is a part of its own.</summary>
    private static List<byte[]>? Split(byte[] pickle)
    {
        List<byte[]> operations = [];
        for (var at = 0; at < pickle.Length;)
        {
            var length = Length(pickle.AsSpan(at));
            // After the end of the last pickle the values follow, which are no operations.
            if (length == 0 || at + length > pickle.Length || pickle.Length - at > 4096 && operations.Count > 0
                && operations[^1] is [(byte)'.']
                && pickle[at] != 0x80) length = pickle.Length - at;
            operations.Add(pickle[at..(int)(at + length)]);
            at += (int)length;
        }

        return operations;
    }

    /// <summary>Bytes of an operation and its argument; 0 where it is cut off.</summary>
    private static long Length(ReadOnlySpan<byte> rest) => (char)rest[0] switch
    {
        'K' or 'h' or 'q' or '\u0082' or '\u0080' => 2,
        'M' or '\u0083' => 3,
        'J' or 'j' or 'r' or '\u0084' => 5,
        'G' or '\u0095' => 9,
        'I' or 'L' or 'F' or 'S' or 'V' or 'P' or 'g' or 'p' => Line(rest),
        'c' or 'i' => Line(rest) is > 0 and var first && Line(rest[(int)first..]) is > 0 and var second ? first + second : 0,
        'U' or 'C' or '\u008c' or '\u008a' => rest.Length < 2 ? 0 : 2 + rest[1],
        'T' or 'B' or 'X' or '\u008b' => rest.Length < 5 ? 0 : 5L + BinaryPrimitives.ReadUInt32LittleEndian(rest[1..]),
        '\u008d' or '\u008e' or '\u0096' => rest.Length < 9 ? 0 : 9 + (long)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(rest[1..]),
            1L << 40),
        _ => 1,
    };

    private static long Line(ReadOnlySpan<byte> rest) => rest.IndexOf((byte)'\n') + 1;

    private static byte[] Change(byte[] operation, Dice dice)
    {
        if (operation.Length == 1 || dice.OneIn(3)) return dice.OneIn(2) ? dice.Pick(Vocabulary) : [.. operation, .. dice.Pick(Vocabulary)];
        var head = (char)operation[0] switch { 'U' or 'C' or '\u008c' or '\u008a' => 2, 'T' or 'B' or 'X' or '\u008b' => 5, _ => 0 };
        if (head == 0 || head > operation.Length || dice.OneIn(4)) return [operation[0], .. Bytes.Change(operation[1..], dice)];
        var text = dice.OneIn(4) ? Encoding.UTF8.GetBytes(dice.Pick(Words.Odd)) : Bytes.Change(operation[head..], dice); // counted right
        if (head == 2 && text.Length > 255) text = text[..255];
        byte[] changed = [.. operation[..head], .. text];
        if (head == 2) changed[1] = (byte)text.Length;
        else BinaryPrimitives.WriteInt32LittleEndian(changed.AsSpan(1), text.Length);
        return changed;
    }
}
