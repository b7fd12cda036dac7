using System.Buffers.Binary;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Entries of a TIFF's directories, where they stand: tag, type, count or value.</summary>
internal static class Tiff
{
    public static byte[] Entry(byte[] file, Dice dice)
    {
        if (file.Length < 16) return file;
        byte[] changed = [.. file];
        var little = file[0] == 'I';
        long directory = Number(file.AsSpan(4), 4, little);
        if (directory > file.Length - 2) return file;
        var count = (int)Math.Min(Number(file.AsSpan((int)directory), 2, little), (file.Length - directory - 2) / 12);
        if (count == 0) return file;
        var entry = changed.AsSpan((int)directory + 2 + 12 * dice.Below(count), 12);
        switch (dice.Below(6))
        {
            case 0:
                Write(entry, 2, dice.Pick<long>([254, 256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 330, 338]));
                break;
            case 1:
                Write(entry[2..], 2, dice.Below(16));
                break;
            case 2:
                Write(entry[4..], 4, dice.Number());
                break;
            case 3 when Number(entry, 2, little) == 259: // compression
                Write(entry[8..], 2, dice.Pick<long>([1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 50000]));
                break;
            default:
                Write(entry[8..], dice.OneIn(2) ? 2 : 4, dice.Number());
                break;
        }

        return changed;

        void Write(Span<byte> place, int size, long value)
        {
            if (size == 2 && little) BinaryPrimitives.WriteUInt16LittleEndian(place, (ushort)value);
            else if (size == 2) BinaryPrimitives.WriteUInt16BigEndian(place, (ushort)value);
            else if (little) BinaryPrimitives.WriteUInt32LittleEndian(place, (uint)value);
            else BinaryPrimitives.WriteUInt32BigEndian(place, (uint)value);
        }
    }

    private static uint Number(ReadOnlySpan<byte> place, int size, bool little) => (size, little) switch
    {
        (2, true) => BinaryPrimitives.ReadUInt16LittleEndian(place),
        (2, false) => BinaryPrimitives.ReadUInt16BigEndian(place),
        (_, true) => BinaryPrimitives.ReadUInt32LittleEndian(place),
        _ => BinaryPrimitives.ReadUInt32BigEndian(place),
    };
}
