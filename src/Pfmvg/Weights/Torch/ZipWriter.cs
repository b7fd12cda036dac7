using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Pfmvg.Tensors;

namespace Pfmvg.Weights.Torch;

/// <summary>
/// Writes a zip file as torch.save does: entries stored as they are, each aligned to 64 bytes so that it can be mapped
/// into memory, with 64-bit sizes where they are needed.
/// </summary>
/// <param name="stream">Seekable; the archive begins at its beginning.</param>
internal sealed class ZipWriter(Stream stream)
{
    private const int Alignment = 64, LocalSize = 30;

    // Midnight of 1980-01-01, the first moment of the format: the same content gives the same file.
    private const ushort Time = 0, Date = (1 << 5) | 1;

    private readonly ArrayBufferWriter<byte> _directory = new();
    private long _count;

    /// <summary>Adds a small entry.</summary>
    public void Add(string name, ReadOnlySpan<byte> content)
    {
        var bytes = content.ToArray();
        Add(name, bytes.Length, sink => sink(bytes));
    }

    /// <summary>Adds an entry of a known size whose bytes <paramref name="write"/> hands over.</summary>
    public void Add(string name, long size, Action<ByteSink> write)
    {
        var utf8 = Encoding.UTF8.GetBytes(name);
        var start = stream.Position;
        var wide = size >= uint.MaxValue ? Fields((ushort)1, (ushort)16, size, size) : [];
        var used = start + LocalSize + utf8.Length + wide.Length + 4;                        // 4: head of the padding field
        var padding = (int)((Alignment - used % Alignment) % Alignment);
        stream.Write(LocalHeader(0));
        stream.Write(utf8);
        stream.Write(wide);
        stream.Write(Fields((ushort)0x4246, (ushort)padding));                               // "FB", as torch names its padding
        stream.Write(new byte[padding]);

        var checksum = new Crc32();
        var buffer = new byte[Chunks.Size];
        var begin = stream.Position;
        write(bytes =>
        {
            for (; bytes.Length > 0; bytes = bytes[Math.Min(bytes.Length, buffer.Length)..])
            {
                var piece = new ArraySegment<byte>(buffer, 0, Math.Min(bytes.Length, buffer.Length));
                bytes[..piece.Count].CopyTo(piece);
                checksum.Append(piece);
                stream.Write(piece);
            }
        });
        var end = stream.Position;
        if (end - begin != size) throw new InvalidOperationException($"{name}: {end - begin} bytes were written, {size} announced.");
        var crc = checksum.GetCurrentHashAsUInt32();
        stream.Position = start;
        stream.Write(LocalHeader(crc));
        stream.Position = end;

        var wideDirectory = WideFields(size, start);
        _directory.Write(Fields(
            0x02014b50u, (ushort)45, (ushort)45, (ushort)0, (ushort)0, Time, Date, crc, Narrow(size), Narrow(size),
            (ushort)utf8.Length, (ushort)wideDirectory.Length, (ushort)0, (ushort)0, (ushort)0, 0u, Narrow(start)));
        _directory.Write(utf8);
        _directory.Write(wideDirectory);
        _count++;

        byte[] LocalHeader(uint value) => Fields(
            0x04034b50u, (ushort)45, (ushort)0, (ushort)0, Time, Date, value, Narrow(size), Narrow(size),
            (ushort)utf8.Length, (ushort)(wide.Length + 4 + padding));
    }

    /// <summary>Writes the directory. Its 64-bit form is always there, as in torch's own files.</summary>
    public void Finish()
    {
        var start = stream.Position;
        stream.Write(_directory.WrittenSpan);
        var end64 = stream.Position;
        stream.Write(Fields(
            0x06064b50u, 44L, (ushort)45, (ushort)45, 0u, 0u, _count, _count, (long)_directory.WrittenCount, start));
        stream.Write(Fields(0x07064b50u, 0u, end64, 1u));
        var shortCount = (ushort)Math.Min(_count, ushort.MaxValue);
        stream.Write(Fields(0x06054b50u, (ushort)0, (ushort)0, shortCount, shortCount, Narrow(_directory.WrittenCount), Narrow(start),
            (ushort)0));
    }

    private static byte[] WideFields(long size, long start)
    {
        List<object> wide = [];
        if (size >= uint.MaxValue) wide.AddRange([size, size]);
        if (start >= uint.MaxValue) wide.Add(start);
        return wide.Count == 0 ? [] : Fields([(ushort)1, (ushort)(8 * wide.Count), .. wide]);
    }

    private static uint Narrow(long value) => (uint)Math.Min(value, uint.MaxValue);

    // Little-endian fields one after another; a value's type is its width.
    private static byte[] Fields(params ReadOnlySpan<object> values)
    {
        var fields = new ArrayBufferWriter<byte>();
        Span<byte> bytes = stackalloc byte[8];
        foreach (var value in values)
        {
            var (number, width) = value switch
            {
                ushort narrow => (narrow, 2),
                uint middle => (middle, 4),
                long wide => ((ulong)wide, 8),
                _ => throw new ArgumentException($"A field of type {value.GetType()} has no width.", nameof(values)),
            };
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, number);
            fields.Write(bytes[..width]);
        }

        return fields.WrittenSpan.ToArray();
    }
}
