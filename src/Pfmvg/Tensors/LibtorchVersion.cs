using System.Buffers.Binary;

namespace Pfmvg.Tensors;

/// <summary>
/// Reads the version out of a libtorch_cpu.so without loading it: a library that does not fit may end the process. Since 2.9 the
/// library exports a function that returns its version as a constant, so the constant stands in the function's code.
/// </summary>
internal static class LibtorchVersion
{
    private const uint DynamicSymbols = 11; // SHT_DYNSYM
    private const int SectionSize = 64, SymbolSize = 24, LargestTable = 256 << 20;

    private static ReadOnlySpan<byte> Function => "aoti_torch_abi_version\0"u8;
    private static ReadOnlySpan<byte> EndBranch => [0xF3, 0x0F, 0x1E, 0xFA]; // endbr64, where a compiler puts it
    private static ReadOnlySpan<byte> MoveConstant => [0x48, 0xB8];           // movabs rax, the next eight bytes
    private const byte Return = 0xC3;

    /// <summary>The version; null where the file is no such library or is older than 2.9.</summary>
    public static Version? Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return Code(file) is { } code ? Decode(code) : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException
            or OverflowException)
        {
            return null;
        }
    }

    private static Version? Decode(ReadOnlySpan<byte> code)
    {
        if (code.StartsWith(EndBranch)) code = code[EndBranch.Length..];
        if (!code.StartsWith(MoveConstant) || code[MoveConstant.Length + sizeof(ulong)] != Return) return null;
        var constant = BinaryPrimitives.ReadUInt64LittleEndian(code[MoveConstant.Length..]);
        return new Version((int)(constant >> 56), (int)(constant >> 48 & 0xFF), (int)(constant >> 40 & 0xFF)); // one byte each
    }

    // The first bytes of the function.
    private static byte[]? Code(FileStream file)
    {
        var header = Bytes(file, 0, 64);
        if (!header.AsSpan().StartsWith("\x7F"u8) || !header.AsSpan(1).StartsWith("ELF"u8) || header[4] != 2) return null;
        var start = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(40));
        var sections = Bytes(file, start, SectionSize * BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(60)));
        for (var at = 0; at < sections.Length; at += SectionSize)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(sections.AsSpan(at + 4)) != DynamicSymbols) continue;
            var symbols = Content(at);
            var names = Content(SectionSize * BinaryPrimitives.ReadInt32LittleEndian(sections.AsSpan(at + 40)));
            for (var symbol = 0; symbol + SymbolSize <= symbols.Length; symbol += SymbolSize)
            {
                var section = SectionSize * BinaryPrimitives.ReadUInt16LittleEndian(symbols.AsSpan(symbol + 6));
                var name = BinaryPrimitives.ReadInt32LittleEndian(symbols.AsSpan(symbol));
                if (section == 0 || !names.AsSpan(name).StartsWith(Function)) continue;
                var address = BinaryPrimitives.ReadInt64LittleEndian(symbols.AsSpan(symbol + 8));
                var (loaded, offset, _) = Place(section);
                return Bytes(file, address - loaded + offset, EndBranch.Length + MoveConstant.Length + sizeof(ulong) + 1);
            }
        }

        return null;

        byte[] Content(int section)
        {
            var (_, offset, size) = Place(section);
            return Bytes(file, offset, size);
        }

        (long Address, long Offset, long Size) Place(int section)
        {
            var entry = sections.AsSpan(section, SectionSize);
            return (BinaryPrimitives.ReadInt64LittleEndian(entry[16..]), BinaryPrimitives.ReadInt64LittleEndian(entry[24..]),
                BinaryPrimitives.ReadInt64LittleEndian(entry[32..]));
        }
    }

    private static byte[] Bytes(FileStream file, long offset, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, LargestTable);
        var bytes = new byte[count];
        file.Position = offset;
        file.ReadExactly(bytes);
        return bytes;
    }
}
