using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Pfmvg.Data.Loading;

/// <summary>
/// A file of a cache: a version, some numbers, the SHA-256 of the content, the content. The hash finds a file that is only
/// half written, so writing need not wait for the disk.
/// </summary>
internal static class CacheFile
{
    private const int HashLength = SHA256.HashSizeInBytes;

    /// <summary>The bytes of a file.</summary>
    /// <param name="version">Changes with what the content means.</param>
    /// <param name="numbers">What a reader must know before the content.</param>
    /// <param name="content">The content in one or two parts.</param>
    /// <param name="rest">The second part.</param>
    public static byte[] Pack(uint version, ReadOnlySpan<int> numbers, ReadOnlySpan<byte> content, ReadOnlySpan<byte> rest = default)
    {
        var start = HeaderLength(numbers.Length);
        var file = new byte[start + content.Length + rest.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(file, version);
        for (var i = 0; i < numbers.Length; i++) BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(4 * (i + 1)), numbers[i]);
        content.CopyTo(file.AsSpan(start));
        rest.CopyTo(file.AsSpan(start + content.Length));
        SHA256.HashData(file.AsSpan(start), file.AsSpan(start - HashLength, HashLength));
        return file;
    }

    /// <summary>Takes a file apart.</summary>
    /// <param name="file">Its bytes.</param>
    /// <param name="version">The version that its content must have.</param>
    /// <param name="numbers">Filled with the numbers.</param>
    /// <param name="content">The content: a part of <paramref name="file"/>.</param>
    /// <returns>False when the file is of another version or damaged.</returns>
    public static bool TryUnpack(ReadOnlySpan<byte> file, uint version, Span<int> numbers, out ReadOnlySpan<byte> content)
    {
        content = default;
        var start = HeaderLength(numbers.Length);
        if (file.Length < start || BinaryPrimitives.ReadUInt32LittleEndian(file) != version) return false;
        for (var i = 0; i < numbers.Length; i++) numbers[i] = BinaryPrimitives.ReadInt32LittleEndian(file[(4 * (i + 1))..]);
        content = file[start..];
        Span<byte> hash = stackalloc byte[HashLength];
        SHA256.HashData(content, hash);
        return hash.SequenceEqual(file.Slice(start - HashLength, HashLength));
    }

    /// <summary>Puts a file in its place, old or new but never half; other processes may do the same at the same time.</summary>
    /// <returns>False when it could not be written, which only costs time later.</returns>
    public static bool TryWrite(string path, byte[] file)
    {
        var temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}.tmp";
        var written = Attempt(() =>
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(temporary, file);
            File.Move(temporary, path, overwrite: true);
        });
        if (!written) Attempt(() => File.Delete(temporary));
        return written;
    }

    /// <summary>Removes what killed processes left half written. Writing takes no hour, so younger files may be in work.</summary>
    public static void RemoveHalfWritten(string folder)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var half in Directory.EnumerateFiles(folder, "*.tmp", SearchOption.AllDirectories))
            Attempt(() =>
            {
                if (DateTime.UtcNow - File.GetLastWriteTimeUtc(half) > TimeSpan.FromHours(1)) File.Delete(half);
            });
    }

    /// <summary>Does something to a cache's files. It may fail: another process was faster, or the folder can only be read.</summary>
    /// <returns>Whether it was done.</returns>
    public static bool Attempt(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static int HeaderLength(int numbers) => 4 + 4 * numbers + HashLength;
}
