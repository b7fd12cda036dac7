using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Pfmvg.Imaging.Codecs;

/// <summary>
/// JPEG-LS (ISO 14495-1), lossless and near-lossless, decoded by CharLS. The frame header is read here first, so that nothing is
/// reserved for a size that no picture has.
/// </summary>
internal static unsafe class JpegLs
{
    private const byte StartOfImage = 0xD8, StartOfFrame = 0xF7, StartOfScan = 0xDA, EndOfImage = 0xD9;

    /// <summary>Reads the frame header, without the library.</summary>
    /// <exception cref="StreamException">There is none, or the stream is too short for the size that it says.</exception>
    public static StreamHeader ReadHeader(ReadOnlySpan<byte> stream)
    {
        if (stream.Length < 2 || stream[0] != 0xFF || stream[1] != StartOfImage) throw new StreamException("there is no JPEG-LS stream");
        var at = 2;
        while (at + 4 <= stream.Length && stream[at] == 0xFF)
        {
            var marker = stream[at + 1];
            if (marker == 0xFF) // fill bytes may stand before a marker
            {
                at++;
                continue;
            }

            var length = BinaryPrimitives.ReadUInt16BigEndian(stream[(at + 2)..]);
            var segment = at + 4;
            at += 2 + length;
            if (length < 2 || at > stream.Length || marker is StartOfScan or EndOfImage) break;
            if (marker == StartOfFrame) return Frame(stream[segment..at], stream.Length - at);
            if (marker is >= 0xC0 and <= 0xCF and not 0xC4 and not 0xC8 and not 0xCC)
                throw new StreamException("the stream is JPEG, not JPEG-LS");
        }

        throw new StreamException("the JPEG-LS stream has no frame header");
    }

    /// <summary>Decodes a gray picture; 8 bits and fewer are widened.</summary>
    /// <exception cref="StreamException">The stream is cut or damaged, is not gray, or the library is missing.</exception>
    public static void Decode(ReadOnlySpan<byte> stream, in StreamHeader header, Span<ushort> values)
    {
        if (header.Components != 1) throw new StreamException("the JPEG-LS stream is not gray");
        if (header.Precision is < 2 or > 16) throw new StreamException("the JPEG-LS stream has samples of an impossible depth");
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, (long)header.Width * header.Height);
        stream = stream.TrimEnd((byte)0); // padding
        if (stream is not [.., 0xFF, EndOfImage]) throw Damaged; // the library may search for ever for a mark that is not there
        var native = CharLs.Functions;
        var bytes = MemoryMarshal.AsBytes(values);
        if (header.Precision <= 8) bytes = bytes[values.Length..]; // the library writes bytes; they are widened from the front
        var decoder = native.Create();
        try
        {
            CharLs.Frame frame;
            fixed (byte* source = stream)
            fixed (byte* target = bytes)
                if (decoder == 0 || native.SetSource(decoder, source, (nuint)stream.Length) != 0 || native.ReadHeader(decoder) != 0
                    || native.GetFrame(decoder, &frame) != 0
                    || frame != new CharLs.Frame((uint)header.Width, (uint)header.Height, header.Precision, Components: 1)
                    || native.DecodeTo(decoder, target, (nuint)bytes.Length, 0) != 0)
                    throw Damaged;
        }
        finally
        {
            native.Destroy(decoder);
        }

        if (header.Precision <= 8)
            for (var i = 0; i < values.Length; i++) values[i] = bytes[i];
    }

    private static StreamException Damaged => new("the JPEG-LS stream is cut or damaged");

    // Precision, rows, columns, components. Every row takes at least one bit, whatever it shows.
    private static StreamHeader Frame(ReadOnlySpan<byte> segment, int left)
    {
        if (segment.Length < 6) throw new StreamException("the JPEG-LS stream has no whole frame header");
        var (height, width) = (BinaryPrimitives.ReadUInt16BigEndian(segment[1..]), BinaryPrimitives.ReadUInt16BigEndian(segment[3..]));
        if (height == 0 || width == 0) throw new StreamException("the JPEG-LS stream says that it has no rows or no columns");
        if (height > 8L * left) throw new StreamException("the JPEG-LS stream is too short for the rows that it says it has");
        return new StreamHeader(width, height, segment[5], segment[0], Signed: false);
    }
}
