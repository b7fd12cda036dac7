using System.IO.Compression;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights;

/// <summary>The bytes of one storage, wherever in a file they lie.</summary>
internal abstract class ByteSource
{
    /// <summary>How many bytes there are: checked against the file where it can be, otherwise bounded by it.</summary>
    public abstract long Length { get; }

    /// <summary>Copies <paramref name="count"/> bytes from <paramref name="offset"/> on to native memory.</summary>
    public abstract unsafe void CopyTo(long offset, byte* destination, long count);
}

/// <summary>Bytes that lie in the file as they are.</summary>
internal sealed class FileBytes(OpenedFile file, long start, long length) : ByteSource
{
    /// <summary>All bytes of a file.</summary>
    public FileBytes(OpenedFile file) : this(file, 0, file.Length) { }

    public override long Length => length;

    /// <summary>The file, for messages.</summary>
    public string Path => file.Path;

    /// <summary>Fills a span from <paramref name="offset"/> on; any number of threads may call it.</summary>
    public void Read(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset + destination.Length > length) throw new ArgumentOutOfRangeException(nameof(offset));
        file.Read(start + offset, destination);
    }

    /// <summary>The elements from <paramref name="offset"/> on as <see cref="OpenedFile.Map"/> gives them.</summary>
    public Tensor? Map(ScalarType type, long offset, long count) => file.Map(type, start + offset, count);

    /// <summary>A shorter run of the same bytes.</summary>
    public FileBytes Slice(long offset, long count) =>
        offset >= 0 && count >= 0 && offset <= length - count
            ? new FileBytes(file, start + offset, count)
            : throw new ArgumentOutOfRangeException(nameof(offset));

    public override unsafe void CopyTo(long offset, byte* destination, long count) =>
        Chunks.ForEach(count, (at, size) => Read(offset + at, new Span<byte>(destination + at, size)));
}

/// <summary>Bytes that are deflated in a zip file. They can only be read from the beginning on.</summary>
/// <param name="compressed">Where they lie.</param>
/// <param name="length">The length that the zip directory claims.</param>
/// <param name="name">The entry, for messages.</param>
internal sealed class DeflatedBytes(FileBytes compressed, long length, string name) : ByteSource
{
    public override long Length => length;

    public override unsafe void CopyTo(long offset, byte* destination, long count)
    {
        using var stream = new DeflateStream(new BufferedStream(new SourceStream(compressed), 1 << 16), CompressionMode.Decompress);
        try
        {
            var skipped = new byte[Math.Min(offset, Chunks.Size)];
            for (long at = 0; at < offset;)
            {
                var step = (int)Math.Min(skipped.Length, offset - at);
                stream.ReadExactly(skipped, 0, step);
                at += step;
            }

            for (long at = 0; at < count; at += Chunks.Size)
                stream.ReadExactly(new Span<byte>(destination + at, (int)Math.Min(Chunks.Size, count - at)));
        }
        catch (Exception broken) when (broken is InvalidDataException or EndOfStreamException)
        {
            throw Refusal.ForFile(compressed.Path, $"the compressed entry '{Refusal.Show(name)}' cannot be unpacked");
        }
    }

    private sealed class SourceStream(FileBytes source) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => source.Length;
        public override long Position { get; set; }

        public override int Read(Span<byte> buffer)
        {
            var count = (int)Math.Min(buffer.Length, source.Length - Position);
            source.Read(Position, buffer[..count]);
            Position += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
