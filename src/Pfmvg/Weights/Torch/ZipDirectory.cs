using System.Buffers.Binary;
using System.Text;

namespace Pfmvg.Weights.Torch;

/// <summary>
/// The directory of a zip file, read so that the place of every entry's bytes in the file is known and strictly enough
/// that two readers cannot see two different archives. Nothing is ever unpacked to disk.
/// </summary>
internal static class ZipDirectory
{
    private const uint EndSignature = 0x06054b50, End64Signature = 0x06064b50, Locator64Signature = 0x07064b50;
    private const uint CentralSignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int EndSize = 22, End64Size = 56, Locator64Size = 20, CentralSize = 46, LocalSize = 30;

    // A checkpoint has one entry per storage; its directory is some kilobytes.
    private const long MaxDirectory = 16 << 20;

    // What deflate can reach at most; a claim beyond it is a lie.
    private const long MaxExpansion = 1032;

    /// <summary>All entries by name.</summary>
    /// <exception cref="InputException">The directory breaks the format, claims more than the file has, or an entry's
    /// name climbs out.</exception>
    public static Dictionary<string, ByteSource> Read(FileBytes file)
    {
        var (start, size, count) = FindDirectory(file);
        var directory = new byte[size];
        file.Read(start, directory);
        var entries = new Dictionary<string, ByteSource>();
        var at = 0;
        for (ulong index = 0; index < count; index++)
        {
            if (directory.Length - at < CentralSize || U32(directory, at) != CentralSignature)
                throw Refusal.ForFile(file.Path, $"entry {index} of its zip directory is broken");
            int nameLength = U16(directory, at + 28), extraLength = U16(directory, at + 30), commentLength = U16(directory, at + 32);
            if (directory.Length - at - CentralSize < nameLength + extraLength + commentLength)
                throw Refusal.ForFile(file.Path, $"entry {index} of its zip directory reaches beyond it");
            var nameBytes = directory.AsSpan(at + CentralSize, nameLength);
            var name = Name(file, nameBytes);
            var (central, extra) = (at, at + CentralSize + nameLength);
            var source = Entry(
                file, name, nameBytes, directory.AsSpan(central, CentralSize), directory.AsSpan(extra, extraLength), start);
            if (!entries.TryAdd(name, source)) throw Refusal.ForFile(file.Path, $"its zip directory has '{Refusal.Show(name)}' twice");
            at += CentralSize + nameLength + extraLength + commentLength;
        }

        if (at != directory.Length) throw Refusal.ForFile(file.Path, "its zip directory has more bytes than its entries");
        return entries;
    }

    private static (long Start, long Size, ulong Count) FindDirectory(FileBytes file)
    {
        var tail = new byte[Math.Min(file.Length, EndSize + ushort.MaxValue)];
        file.Read(file.Length - tail.Length, tail);
        var at = tail.Length - EndSize;
        while (at >= 0 && !(U32(tail, at) == EndSignature && U16(tail, at + 20) == tail.Length - at - EndSize)) at--;
        if (at < 0) throw Refusal.ForFile(file.Path, "is a zip file without its directory at the end");

        var end = file.Length - tail.Length + at;
        var (count, size, start) = ((ulong)U16(tail, at + 10), (ulong)U32(tail, at + 12), (ulong)U32(tail, at + 16));
        if (end >= Locator64Size + End64Size)
        {
            var locator = new byte[Locator64Size];
            file.Read(end - Locator64Size, locator);
            if (U32(locator, 0) == Locator64Signature)
            {
                var end64 = U64(locator, 8);
                if (end64 > (ulong)(end - Locator64Size - End64Size))
                    throw Refusal.ForFile(file.Path, "its 64-bit zip directory lies outside the file");
                var record = new byte[End64Size];
                file.Read((long)end64, record);
                if (U32(record, 0) != End64Signature) throw Refusal.ForFile(file.Path, "its 64-bit zip directory is broken");
                (count, size, start) = (U64(record, 32), U64(record, 40), U64(record, 48));
                end = (long)end64;
            }
        }

        if (size > MaxDirectory || start > (ulong)end || size > (ulong)end - start)
            throw Refusal.ForFile(file.Path, $"its zip directory claims {size} bytes from {start} on");
        return ((long)start, (long)size, count);
    }

    private static ByteSource Entry(
        FileBytes file, string name, ReadOnlySpan<byte> nameBytes, ReadOnlySpan<byte> central, ReadOnlySpan<byte> extra,
        long directoryStart)
    {
        var shown = Refusal.Show(name);
        var (flags, method) = (U16(central, 8), U16(central, 10));
        var (compressed, size, local) = Sizes(file, shown, central, extra);
        if ((flags & 1) != 0) throw Refusal.ForFile(file.Path, $"its entry '{shown}' is encrypted", "save it without a password");

        // The bytes lie between the local header and the directory, and the local header names the same entry.
        var header = new byte[LocalSize + nameBytes.Length];
        if (local > (ulong)directoryStart || header.Length > directoryStart - (long)local)
            throw Refusal.ForFile(file.Path, $"its entry '{shown}' lies outside the file");
        file.Read((long)local, header);
        if (U32(header, 0) != LocalSignature || U16(header, 26) != nameBytes.Length || !header.AsSpan(LocalSize).SequenceEqual(nameBytes))
            throw Refusal.ForFile(file.Path, $"the zip directory and the place of '{shown}' disagree");
        var data = (long)local + header.Length + U16(header, 28);
        if (data > directoryStart || compressed > (ulong)(directoryStart - data))
            throw Refusal.ForFile(file.Path, $"its entry '{shown}' claims {compressed} bytes, more than there are");

        var bytes = file.Slice(data, (long)compressed);
        return method switch
        {
            0 when size == compressed => bytes,
            8 when size / MaxExpansion <= compressed => new DeflatedBytes(bytes, (long)size, name),
            0 or 8 => throw Refusal.ForFile(file.Path, $"its entry '{shown}' claims {size} bytes in {compressed}"),
            _ => throw Refusal.ForFile(
                file.Path, $"its entry '{shown}' is compressed by method {method}", "save it uncompressed or deflated"),
        };
    }

    // 32-bit fields that are full stand for 64-bit ones in the extra field with tag 1, in this order.
    private static (ulong Compressed, ulong Size, ulong Local) Sizes(
        FileBytes file, string shown, ReadOnlySpan<byte> central, ReadOnlySpan<byte> extra)
    {
        ulong compressed = U32(central, 20), size = U32(central, 24), local = U32(central, 42);
        if (compressed < uint.MaxValue && size < uint.MaxValue && local < uint.MaxValue) return (compressed, size, local);
        while (extra.Length >= 4)
        {
            int tag = U16(extra, 0), length = U16(extra, 2);
            if (length > extra.Length - 4) break;
            var wide = extra.Slice(4, length);
            extra = extra[(4 + length)..];
            if (tag != 1) continue;
            if (Take(ref wide, ref size) && Take(ref wide, ref compressed) && Take(ref wide, ref local)) return (compressed, size, local);
            break;
        }

        throw Refusal.ForFile(file.Path, $"its entry '{shown}' lacks its 64-bit sizes");

        static bool Take(ref ReadOnlySpan<byte> wide, ref ulong value)
        {
            if (value != uint.MaxValue) return true;
            if (wide.Length < 8) return false;
            value = U64(wide, 0);
            wide = wide[8..];
            return true;
        }
    }

    private static string Name(FileBytes file, ReadOnlySpan<byte> bytes)
    {
        var name = Encoding.UTF8.GetString(bytes);
        var climbs = name.StartsWith('/') || name.Contains('\\', StringComparison.Ordinal) || name.Contains('\0', StringComparison.Ordinal)
            || name.Contains(':', StringComparison.Ordinal) || name.Split('/').Contains("..");
        if (climbs)
            throw Refusal.ForFile(
                file.Path, $"its entry '{Refusal.Show(name)}' would lie outside the archive, as no checkpoint's does",
                "nothing was written; get the file from a source you trust");
        return name;
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
