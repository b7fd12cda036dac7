using System.Runtime.InteropServices;
using Pfmvg.Imaging.Codecs;
using Pfmvg.Imaging.Formats;

namespace Pfmvg.Imaging.Dicom;

/// <summary>Reads the header of a compressed stream; nothing is reserved for what it says.</summary>
internal delegate StreamHeader StreamHeaderReader(ReadOnlySpan<byte> stream);

/// <summary>Decodes a whole stream, or throws.</summary>
internal delegate void StreamDecoder(ReadOnlySpan<byte> stream, in StreamHeader header, Span<ushort> values);

/// <summary>Compressed pixels become words. A stream must say what the data set says of it before memory is taken for it.</summary>
internal static class CompressedPixels
{
    private const int MostPixels = 75_000_000; // some libraries take more memory than PNG does: this bounds by how much

    /// <summary>A decoder of this program's seam between DICOM and codecs.</summary>
    /// <param name="readHeader">Reads the stream's header.</param>
    /// <param name="decode">Decodes it.</param>
    /// <param name="knowsSign">The stream says whether its values have a sign; others leave that to the data set.</param>
    public static PixelDecoder Codec(StreamHeaderReader readHeader, StreamDecoder decode, bool knowsSign = false) =>
        (stream, layout, picture, buffer) =>
        {
            try
            {
                var header = readHeader(stream);
                Compare(header, layout, knowsSign, picture);
                var words = buffer.Wide(layout.Count).AsSpan(0, layout.Count);
                decode(stream, header, words);
                return new PixelWords(words);
            }
            catch (StreamException e)
            {
                throw Undecodable(picture, e.Message, e);
            }
        };

    /// <summary>JPEG: of 8 bits by the decoders that JPEG files have, of 12 by their wider sister.</summary>
    public static PixelWords Jpeg(ReadOnlySpan<byte> stream, PixelLayout layout, PictureName picture, DecodeBuffer buffer)
    {
        if (JpegHeader(stream) is not { } header) throw Undecodable(picture, "the JPEG stream has no header of a sequential picture");
        if (header.Precision > 8) return Codec(JpegExtended.ReadHeader, JpegExtended.Decode)(stream, layout, picture, buffer);
        Compare(header, layout, knowsSign: false, picture);
        if (layout.Count > stream.Length * Formats.Jpeg.MostPixelsPerByte) throw Undecodable(picture, "the JPEG stream is cut");
        try
        {
            var image = Formats.Jpeg.Decode(stream, picture, buffer);
            return image.Channels == 1 ? new PixelWords(image.Pixels) : throw Undecodable(picture, "the JPEG stream is not gray");
        }
        catch (InputException e)
        {
            throw Undecodable(picture, "the JPEG stream is cut or damaged", e);
        }
    }

    /// <summary>RLE (PS3.5, annex G): the bytes of a word are segments of their own, the highest first.</summary>
    public static PixelWords RunLengths(ReadOnlySpan<byte> stream, PixelLayout layout, PictureName picture, DecodeBuffer buffer)
    {
        var planes = layout.Allocated / 8;
        try
        {
            var segments = new RunLengthSegments(stream, planes, layout.Count);
            if (planes == 1)
            {
                var pixels = buffer.Pixels(layout.Count).AsSpan(0, layout.Count);
                segments.Decode(0, pixels);
                return new PixelWords(pixels);
            }

            var words = buffer.Wide(layout.Count).AsSpan(0, layout.Count);
            var (high, low) = (0, 1);
            var upper = buffer.Pixels(layout.Count).AsSpan(0, layout.Count);
            var lower = MemoryMarshal.AsBytes(words)[layout.Count..]; // what is not read yet is never written over
            segments.Decode(high, upper);
            segments.Decode(low, lower);
            RunLengthSegments.Join(upper, lower, words);
            return new PixelWords(words);
        }
        catch (StreamException e)
        {
            throw Undecodable(picture, e.Message, e);
        }
    }

    /// <summary>The header of a Huffman-coded, sequential JPEG stream; null for any other.</summary>
    private static StreamHeader? JpegHeader(ReadOnlySpan<byte> stream)
    {
        if (!Formats.Jpeg.Is(stream)) return null;
        var segments = new JpegSegments(stream);
        while (segments.MoveNext() && segments.IsWhole && segments.Marker is not (JpegSegments.StartOfScan or JpegSegments.EndOfImage))
        {
            if (!segments.IsFrame) continue;
            if (segments.Marker is not (0xc0 or 0xc1) || segments.Content.Length < 6) return null;
            var (width, height) = segments.Size;
            return new StreamHeader(width, height, segments.Content[5], segments.Content[0], false);
        }

        return null;
    }

    private static void Compare(in StreamHeader header, PixelLayout layout, bool knowsSign, PictureName picture)
    {
        if (header.Components != 1) throw picture.Broken(Tag.PixelData, $"has a stream that is not gray, against {Tag.SamplesPerPixel}");
        if (header.Width != layout.Columns || header.Height != layout.Rows)
            throw picture.Broken(Tag.PixelData, $"has a stream of another size than {Tag.Rows} and {Tag.Columns} say");
        if (knowsSign && header.Signed != layout.Signed)
            throw picture.Broken(Tag.PixelData, $"has a stream with another sign than {Tag.PixelRepresentation} says");
        // A narrower stream is fine where its numbers mean themselves; a wider one holds whole words.
        if (header.Precision > layout.Allocated || (header.Precision < layout.Stored && layout.Signed && !knowsSign)
            || (header.Precision <= layout.High && layout.High != layout.Stored - 1))
            throw picture.Broken(Tag.PixelData, $"has a stream of another depth than {Tag.BitsStored} and {Tag.HighBit} say");
        if (layout.Count > MostPixels)
            throw picture.Refuse(Tag.Rows, $"and {Tag.Columns} ask for more than {MostPixels:N0} pixels, compressed",
                "make the picture smaller");
    }

    /// <summary>A sentence on a stream; a codec's words may bring their own advice.</summary>
    private static InputException Undecodable(PictureName picture, string what, Exception? cause = null)
    {
        var parts = what.Split("; ", 2);
        return picture.Bad($"{Tag.PixelData} cannot be decoded: {parts[0]}", parts.Length > 1 ? parts[1] : "fetch the file again", cause);
    }
}
