using System.Buffers.Binary;

namespace Pfmvg.Imaging.Codecs;

/// <summary>
/// JPEG 2000 (ISO 15444-1) and High-Throughput JPEG 2000 (15444-15), as a codestream or in the boxes of a JP2 file, decoded by
/// OpenJPEG. Markers are read here first (<see cref="Jpeg2000Codestream"/>), and the library never sees boxes.
/// </summary>
internal static unsafe class Jpeg2000
{
    private static ReadOnlySpan<byte> Signature => [0, 0, 0, 12, (byte)'j', (byte)'P', (byte)' ', (byte)' ', 13, 10, 0x87, 10];

    /// <summary>Reads the markers, without the library. A gray stream is followed to its end.</summary>
    /// <exception cref="StreamException">There is none, it is cut, or it asks for more memory than any picture does.</exception>
    public static StreamHeader ReadHeader(ReadOnlySpan<byte> stream) =>
        new Jpeg2000Codestream(Unwrap(stream)).Header;

    /// <summary>Decodes a gray picture.</summary>
    /// <exception cref="StreamException">The stream is cut or damaged, is not gray, or the library is missing or too old.</exception>
    public static void Decode(ReadOnlySpan<byte> stream, in StreamHeader header, Span<ushort> values)
    {
        var codestream = new Jpeg2000Codestream(Unwrap(stream));
        if (codestream.Header != header) throw new ArgumentException("The header is of another stream.", nameof(header));
        if (header.Components != 1) throw new StreamException("the JPEG 2000 stream is not gray");
        if (header.Precision > 16) throw new StreamException("the JPEG 2000 stream has more than 16 bits per sample");
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, (long)header.Width * header.Height);
        var native = OpenJpeg.Functions;
        if (codestream.IsHighThroughput && !native.DecodesHighThroughput)
            throw new StreamException("High-Throughput JPEG 2000 (HTJ2K) needs the library libopenjp2.so.7 in version 2.5 or newer, "
                + $"and this machine has {native.Version}; convert the file to JPEG 2000");

        OpenJpeg.Image* image = null;
        nint decoder = 0, input = 0;
        fixed (byte* bytes = codestream.Bytes)
        {
            var source = new OpenJpeg.Source { Bytes = bytes, Length = codestream.Bytes.Length };
            try
            {
                decoder = native.CreateDecoder(OpenJpeg.Codestream);
                input = native.Open(&source);
                var parameters = stackalloc byte[OpenJpeg.ParameterBytes];
                native.SetDefaults(parameters);
                if (decoder == 0 || input == 0 || native.SetUp(decoder, parameters) == 0
                    || (native.SetStrict is not null && native.SetStrict(decoder, 1) == 0)
                    || native.ReadHeader(input, decoder, &image) == 0 || Component(image, header) is null
                    || native.Decode(decoder, input, image) == 0 || Component(image, header) is not { Values: not 0 } component)
                    throw new StreamException("the JPEG 2000 stream is cut or damaged");
                var decoded = (int*)component.Values;
                for (var i = 0; i < values.Length; i++) values[i] = (ushort)decoded[i];
            }
            finally
            {
                if (image is not null) native.DestroyImage(image);
                if (input != 0) native.DestroyStream(input);
                if (decoder != 0) native.DestroyDecoder(decoder);
            }
        }
    }

    // The codestream in the boxes of a JP2 file; a stream without boxes is the codestream.
    private static ReadOnlySpan<byte> Unwrap(ReadOnlySpan<byte> stream)
    {
        if (!stream.StartsWith(Signature)) return stream;
        for (var rest = stream; rest.Length >= 8;)
        {
            var (length, head) = ((ulong)BinaryPrimitives.ReadUInt32BigEndian(rest), 8);
            if (length == 1 && rest.Length >= 16) (length, head) = (BinaryPrimitives.ReadUInt64BigEndian(rest[8..]), 16);
            if (length == 0) length = (ulong)rest.Length; // to the end
            if (length < (ulong)head) break;
            var box = rest[head..(int)Math.Min(length, (ulong)rest.Length)];
            if (rest[4..].StartsWith("jp2c"u8)) return box;
            if (rest[4..].StartsWith("jp2h"u8) && box.IndexOf("pclr"u8) >= 0)
                throw new StreamException("the JPEG 2000 stream has a palette, so it is not gray");
            rest = rest[(head + box.Length)..];
        }

        throw new StreamException("the JP2 file has no JPEG 2000 stream");
    }

    // The only component; null if it is not what the markers said, since what is copied must be what the library has.
    private static OpenJpeg.Component? Component(OpenJpeg.Image* image, in StreamHeader header)
    {
        if (image is null || image->ComponentCount != 1) return null;
        var component = *(OpenJpeg.Component*)image->Components;
        return component.Width == header.Width && component.Height == header.Height && component.Precision == header.Precision
            && component.Signed != 0 == header.Signed ? component : null;
    }
}
