using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Pfmvg.Imaging.Codecs;

namespace Pfmvg.Imaging.Dicom;

/// <summary>A frame in RLE (PS3.5, annex G): a header of 64 bytes with the segments' offsets, then the segments in PackBits.</summary>
internal readonly ref struct RunLengthSegments
{
    private const int HeaderBytes = 64, MostFromTwo = 128; // two bytes become so many at most

    private readonly ReadOnlySpan<byte> _stream;
    private readonly int _planes;

    /// <summary>Reads and checks the header, before anything is reserved.</summary>
    /// <param name="stream">The frame.</param>
    /// <param name="planes">How many segments it must have.</param>
    /// <param name="count">How many bytes each segment must become.</param>
    /// <exception cref="StreamException">It has other segments, or they are too short for the picture.</exception>
    public RunLengthSegments(ReadOnlySpan<byte> stream, int planes, int count)
    {
        if (stream.Length < HeaderBytes) throw new StreamException("the RLE stream has no header");
        if (BinaryPrimitives.ReadUInt32LittleEndian(stream) != planes)
            throw new StreamException("the RLE stream has another number of segments than a word has bytes");
        _stream = stream;
        _planes = planes;
        for (var plane = 0; plane < planes; plane++)
        {
            var (start, end) = (Offset(plane), Offset(plane + 1));
            if (start < HeaderBytes || end < start || end > stream.Length)
                throw new StreamException("a segment of the RLE stream lies outside it");
            if ((end - start + 1) / 2 * MostFromTwo < count) throw new StreamException("the RLE stream is too short for the picture");
        }
    }

    /// <summary>Unpacks one segment.</summary>
    /// <exception cref="StreamException">It is longer or shorter than the target.</exception>
    public void Decode(int plane, Span<byte> target)
    {
        var source = _stream[(int)Offset(plane)..(int)Offset(plane + 1)];
        var (from, to) = (0, 0);
        while (to < target.Length)
        {
            if (from + 1 >= source.Length) throw new StreamException("a segment of the RLE stream ends early");
            int control = source[from++];
            var length = control < 128 ? control + 1 : 257 - control;
            if (control == 128) continue; // means nothing
            if (length > target.Length - to) throw new StreamException("a segment of the RLE stream is longer than the picture");
            if (control > 128) target.Slice(to, length).Fill(source[from++]);
            else if (length <= source.Length - from)
            {
                source.Slice(from, length).CopyTo(target[to..]);
                from += length;
            }
            else throw new StreamException("a segment of the RLE stream ends early");
            to += length;
        }
    }

    /// <summary>Makes words of their upper and lower bytes. The lower bytes may lie in the second half of the words.</summary>
    public static void Join(ReadOnlySpan<byte> upper, ReadOnlySpan<byte> lower, Span<ushort> words)
    {
        ref byte high = ref MemoryMarshal.GetReference(upper), low = ref MemoryMarshal.GetReference(lower);
        var i = 0;
        for (; i + Vector128<byte>.Count <= words.Length; i += Vector128<byte>.Count)
        {
            var (h0, h1) = Vector128.Widen(Vector128.LoadUnsafe(ref high, (nuint)i));
            var (l0, l1) = Vector128.Widen(Vector128.LoadUnsafe(ref low, (nuint)i));
            ref var target = ref Unsafe.Add(ref MemoryMarshal.GetReference(words), i);
            (h0 << 8 | l0).StoreUnsafe(ref target);
            (h1 << 8 | l1).StoreUnsafe(ref target, (nuint)Vector128<ushort>.Count);
        }

        for (; i < words.Length; i++) words[i] = (ushort)(Unsafe.Add(ref high, i) << 8 | Unsafe.Add(ref low, i));
    }

    private long Offset(int plane) =>
        plane == _planes ? _stream.Length : BinaryPrimitives.ReadUInt32LittleEndian(_stream[(4 + 4 * plane)..]);
}
