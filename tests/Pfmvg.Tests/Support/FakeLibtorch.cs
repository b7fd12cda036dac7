using System.Text;

namespace Pfmvg.Tests.Support;

/// <summary>Folders that look like a libtorch of any version: libraries with the one function that tells it, and nothing else.</summary>
internal static class FakeLibtorch
{
    private const int HeaderSize = 64, Address = 0x5000;

    /// <summary>Writes a folder of this version; returns its path.</summary>
    public static string Write(string folder, string version)
    {
        Directory.CreateDirectory(folder);
        foreach (var name in (string[])["libc10.so", "libtorch.so"]) File.WriteAllBytes(Path.Combine(folder, name), [0]);
        File.WriteAllBytes(Path.Combine(folder, "libtorch_cpu.so"), Library(version));
        return folder;
    }

    /// <summary>A shared library whose exported function aoti_torch_abi_version returns this version.</summary>
    public static byte[] Library(string version)
    {
        var number = Version.Parse(version);
        var constant = (ulong)number.Major << 56 | (ulong)number.Minor << 48 | (ulong)number.Build << 40;
        byte[] code = [0xF3, 0x0F, 0x1E, 0xFA, 0x48, 0xB8, .. BitConverter.GetBytes(constant), 0xC3];
        var names = Encoding.ASCII.GetBytes("\0other\0aoti_torch_abi_version\0");
        byte[] symbols = [.. Symbol(0, 0, 0), .. Symbol(1, 3, Address), .. Symbol(7, 3, Address)];

        var (symbolsAt, namesAt) = (HeaderSize, HeaderSize + symbols.Length);
        var codeAt = namesAt + names.Length;
        byte[] header = [0x7F, .. "ELF"u8, 2, 1, 1, .. new byte[33],
            .. BitConverter.GetBytes((long)(codeAt + code.Length)), .. new byte[10],
            .. BitConverter.GetBytes((ushort)64), .. BitConverter.GetBytes((ushort)4), .. new byte[2]];
        return [.. header, .. symbols, .. names, .. code,
            .. new byte[64], .. Section(11, 0, symbolsAt, symbols.Length, link: 2), .. Section(3, 0, namesAt, names.Length),
            .. Section(1, Address, codeAt, code.Length)];
    }

    private static byte[] Symbol(int name, ushort section, long address) =>
        [.. BitConverter.GetBytes(name), 0x12, 0, .. BitConverter.GetBytes(section), .. BitConverter.GetBytes(address), .. new byte[8]];

    private static byte[] Section(int type, long address, long offset, long size, int link = 0) =>
        [.. new byte[4], .. BitConverter.GetBytes(type), .. new byte[8], .. BitConverter.GetBytes(address),
            .. BitConverter.GetBytes(offset), .. BitConverter.GetBytes(size), .. BitConverter.GetBytes(link), .. new byte[20]];
}
