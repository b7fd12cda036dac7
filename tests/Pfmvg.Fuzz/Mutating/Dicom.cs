using System.Buffers.Binary;
using System.Text;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Elements of a DICOM file, as they follow each other in explicit little endian; items and fragments count as elements.</summary>
internal static class Dicom
{
    private const int Preamble = 132;

    private static readonly string[] Kinds = ["US", "SS", "UL", "SL", "OB", "OW", "UN", "SQ", "DS", "IS", "CS", "UI", "LO", "FD", "UT",
        "OV"];

    private static readonly string[] Syntaxes =
    [
        "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.201",
    ];

    private static readonly string[] Texts =
        ["0", "1", "-1", "NaN", "1e308", "1E-400", "65536", "2147483648", "-0", "0.5\\-1", "MONOCHROME1", "RGB", "PALETTE COLOR",
            "SIGMOID", "\\\\", ""];

    public static Mutation Elements { get; } = new Parts<byte[]>(Split, parts => [.. parts.SelectMany(part => part)], Change).Change;

    /// <summary>A compressed stream within its fragments, changed by whoever knows it, the fragment's length put right.</summary>
    public static Mutation Fragments(Mutation stream) => new Parts<byte[]>(Split, parts => [.. parts.SelectMany(part => part)], (part,
        dice) =>
    {
        if (part is not [0xfe, 0xff, 0x00, 0xe0, ..] || part.Length < 16) return Change(part, dice);
        var changed = stream(part[8..], dice);
        if (changed.Length % 2 == 1) changed = [.. changed, 0];
        byte[] item = [.. part[..8], .. changed];
        BinaryPrimitives.WriteInt32LittleEndian(item.AsSpan(4), changed.Length);
        return item;
    }).Change;

    private static List<byte[]>? Split(byte[] file)
    {
        if (file.Length < Preamble + 8) return null;
        List<byte[]> elements = [file[..Preamble]];
        for (var at = Preamble; at < file.Length;)
        {
            var end = Math.Min(End(file, at), file.Length);
            elements.Add(file[at..(int)end]);
            at = (int)end;
        }

        return elements;
    }

    /// <summary>Where the element ends; one without a length, or a sequence, ends after its head, so that its items are elements,
    /// too.</summary>
    private static long End(byte[] file, int at)
    {
        if (at + 8 > file.Length) return file.Length;
        var head = file.AsSpan(at);
        if (head[0] == 0xfe && head[1] == 0xff)
        {
            var size = BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
            return size == uint.MaxValue ? at + 8 : at + 8L + size;
        }

        if (!char.IsAsciiLetterUpper((char)head[4]) || !char.IsAsciiLetterUpper((char)head[5]))
            return at + 8L + BinaryPrimitives.ReadUInt32LittleEndian(head[4..]);
        if (Encoding.ASCII.GetString(head.Slice(4,
            2)) is not ("OB" or "OW" or "OF" or "OD" or "OL" or "OV" or "SQ" or "UN" or "UT" or "UC" or "UR"))
            return at + 8L + BinaryPrimitives.ReadUInt16LittleEndian(head[6..]);
        if (at + 12 > file.Length) return file.Length;
        var length = BinaryPrimitives.ReadUInt32LittleEndian(head[8..]);
        return length == uint.MaxValue || head[4] == 'S' ? at + 12 : at + 12L + length;
    }

    private static byte[] Change(byte[] element, Dice dice)
    {
        if (element.Length < 8 || element.Length == Preamble) return Bytes.Change(element, dice);
        byte[] changed = [.. element];
        if (element is [2, 0, 0x10, 0, ..] && dice.OneIn(2)) return Valued(element, dice.Pick(Syntaxes), '\0'); // another transfer syntax
        switch (dice.Below(7))
        {
            case 0: // another length, which is not true
                BinaryPrimitives.WriteInt32LittleEndian(changed.AsSpan(element.Length >= 12 && element[4] == 'O' ? 8 : 4),
                    (int)dice.Number());
                return changed;
            case 1:
                Encoding.ASCII.GetBytes(dice.Pick(Kinds), changed.AsSpan(4));
                return changed;
            case 2:
                BinaryPrimitives.WriteUInt16LittleEndian(changed.AsSpan(dice.OneIn(2) ? 0 : 2), (ushort)dice.Number());
                return changed;
            case 3 when element[4] != 'O' && element[0] != 0xfe:
                return Valued(element, dice.Pick(Texts), ' ');
            case 4 when element is [_, _, _, _, (byte)'U', (byte)'S', ..] && element.Length == 10:
                BinaryPrimitives.WriteUInt16LittleEndian(changed.AsSpan(8), (ushort)dice.Number());
                return changed;
            default:
                return [.. element[..8], .. Bytes.Change(element[8..], dice)];
        }
    }

    private static byte[] Valued(byte[] element, string text, char pad)
    {
        if (text.Length % 2 == 1) text += pad;
        return [.. element[..6], (byte)text.Length, 0, .. Encoding.ASCII.GetBytes(text)];
    }
}
