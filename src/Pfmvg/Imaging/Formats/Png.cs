using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace Pfmvg.Imaging.Formats;

/// <summary>
/// Decodes PNG: every colour type, depth and interlacing. A decoder of our own because SkiaSharp premultiplies alpha and cuts
/// 16-bit samples, and ImageSharp takes files for whole that were cut; see docs/decisions/007-pictures.md.
/// </summary>
internal static class Png
{
    private const int Gray = 0, Rgb = 2, Palette = 3, GrayAlpha = 4, RgbAlpha = 6;
    private const int OtherPixels = 80_000_000; // of colour and of 16 bits, which take three bytes of memory each
    private const int MostInflation = 1032; // deflate cannot make more bytes than this from one

    private static readonly byte[] Signature = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];

    /// <summary>First column, first row, column step, row step of the seven passes of an interlaced picture.</summary>
    private static readonly (int X, int Y, int StepX, int StepY)[] Adam7 =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    public static bool Is(ReadOnlySpan<byte> file) => file.StartsWith(Signature);

    /// <summary>Whether the file ends with its last part; otherwise only decoding tells.</summary>
    public static bool EndsWhole(ReadOnlySpan<byte> end) =>
        end.EndsWith((ReadOnlySpan<byte>)[0, 0, 0, 0, (byte)'I', (byte)'E', (byte)'N', (byte)'D', 0xae, 0x42, 0x60, 0x82]);

    public static ImageHeader Header(ReadOnlySpan<byte> start, PictureName picture)
    {
        var format = ReadFormat(start, picture);
        return new ImageHeader("PNG", format.Width, format.Height);
    }

    public static DecodedImage Decode(ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer)
    {
        var format = ReadFormat(file, picture);
        var (compressed, palette) = ReadChunks(file, format, picture);
        var passes = format.Interlaced ? Adam7 : [(0, 0, 1, 1)];
        var rawBytes = passes.Sum(pass =>
            (long)Count(format.Height, pass.Y, pass.StepY) * (1 + format.RowBytes(Count(format.Width, pass.X, pass.StepX))));
        if (rawBytes > (long)compressed.Length * MostInflation)
            throw picture.Damaged($"too few bytes for {format.Width} x {format.Height} pixels");

        var channels = format.Colour is Gray or GrayAlpha ? 1 : 3;
        var count = format.Width * format.Height;
        var pixels = buffer.Pixels(count * channels);
        var wide = format is { Colour: Gray, Depth: 16 } ? buffer.Wide(count) : null;
        try
        {
            using var inflater = new ZLibStream(compressed, CompressionMode.Decompress);
            foreach (var (x, y, stepX, stepY) in passes)
            {
                var width = Count(format.Width, x, stepX);
                if (width == 0) continue;
                var row = new byte[1 + format.RowBytes(width)];
                var above = new byte[row.Length];
                for (var target = y; target < format.Height; target += stepY)
                {
                    inflater.ReadExactly(row);
                    if (!Unfilter(row[0], row.AsSpan(1), above.AsSpan(1), format.PixelBytes))
                        throw picture.Damaged($"unknown row filter {row[0]}");
                    var first = (target * format.Width + x) * channels;
                    if (wide is null) Unpack(row.AsSpan(1), width, format, palette, pixels.AsSpan(first), stepX * channels);
                    else
                        for (var i = 0; i < width; i++)
                            wide[first + i * stepX] = BinaryPrimitives.ReadUInt16BigEndian(row.AsSpan(1 + 2 * i));
                    (row, above) = (above, row);
                }
            }

            inflater.ReadByte(); // reaches the checksum behind the last row
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw picture.Damaged("its compressed data end early or are broken", e);
        }

        return new DecodedImage(format.Width, format.Height, channels, pixels)
        {
            Note = wide is null ? null : WideGray.Narrow(wide.AsSpan(0, count), pixels),
            Wide = wide.AsMemory(0, wide is null ? 0 : count),
        };
    }

    private static Format ReadFormat(ReadOnlySpan<byte> file, PictureName picture)
    {
        if (file.Length < 33 || !file[8..16].SequenceEqual("\0\0\0\rIHDR"u8)) throw picture.Damaged("it has no header");
        if (Crc32.HashToUInt32(file[12..29]) != BinaryPrimitives.ReadUInt32BigEndian(file[29..]))
            throw picture.Damaged("the header's checksum is wrong");
        uint width = BinaryPrimitives.ReadUInt32BigEndian(file[16..]), height = BinaryPrimitives.ReadUInt32BigEndian(file[20..]);
        picture.CheckSize(width, height, limit: file[24] <= 8 && file[25] == Gray ? ImageLimits.Pixels : OtherPixels);
        var format = new Format((int)width, (int)height, file[24], file[25], file[28] == 1);
        var known = (format.Colour, format.Depth)
            is (Gray, 1 or 2 or 4 or 8 or 16) or (Palette, 1 or 2 or 4 or 8) or (Rgb or GrayAlpha or RgbAlpha, 8 or 16);
        if (!known || file[26] != 0 || file[27] != 0 || file[28] > 1) throw picture.Damaged("its header names no known layout");
        return format;
    }

    /// <summary>The joined image data and the palette (256 colours); checks every chunk's checksum.</summary>
    private static (MemoryStream Compressed, byte[]? Palette) ReadChunks(ReadOnlySpan<byte> file, Format format, PictureName picture)
    {
        var compressed = new MemoryStream();
        byte[]? palette = null;
        for (var position = Signature.Length; ;)
        {
            if (file.Length - position < 12) throw picture.Damaged("it ends early");
            var length = BinaryPrimitives.ReadUInt32BigEndian(file[position..]);
            if (length > file.Length - position - 12) throw picture.Damaged("it ends early");
            var typeAndData = file.Slice(position + 4, 4 + (int)length);
            var type = typeAndData[..4];
            var data = typeAndData[4..];
            position += 12 + (int)length;
            if (Crc32.HashToUInt32(typeAndData) != BinaryPrimitives.ReadUInt32BigEndian(file[(position - 4)..]))
                throw picture.Damaged($"the checksum of its part {Encoding.Latin1.GetString(type)} is wrong");
            if (type.SequenceEqual("IDAT"u8)) compressed.Write(data);
            else if (type.SequenceEqual("PLTE"u8) && format.Colour == Palette)
            {
                if (data.Length is 0 or > 768 || data.Length % 3 != 0) throw picture.Damaged("its palette is broken");
                palette = [.. Enumerable.Range(0, 768).Select(i => (byte)(i / 3))]; // colours that are not given are grays, as in Pillow
                data.CopyTo(palette);
            }
            else if (type.SequenceEqual("IEND"u8)) break;
        }

        if (compressed.Length == 0) throw picture.Damaged("it has no image data");
        if (format.Colour == Palette && palette is null) throw picture.Damaged("it has no palette");
        compressed.Position = 0;
        return (compressed, palette);
    }

    /// <summary>Adds a row's prediction from its left and upper neighbours (PNG specification, section 9).</summary>
    private static bool Unfilter(byte filter, Span<byte> row, ReadOnlySpan<byte> above, int step)
    {
        switch (filter)
        {
            case 0:
                return true;
            case 1:
                for (var i = step; i < row.Length; i++) row[i] += row[i - step];
                return true;
            case 2:
                for (var i = 0; i < row.Length; i++) row[i] += above[i];
                return true;
            case 3:
                for (var i = 0; i < step; i++) row[i] += (byte)(above[i] >> 1);
                for (var i = step; i < row.Length; i++) row[i] += (byte)((row[i - step] + above[i]) >> 1);
                return true;
            case 4:
                for (var i = 0; i < step; i++) row[i] += above[i];
                for (var i = step; i < row.Length; i++) row[i] += Paeth(row[i - step], above[i], above[i - step]);
                return true;
            default:
                return false;
        }
    }

    private static byte Paeth(int left, int up, int corner)
    {
        int toLeft = Math.Abs(up - corner), toUp = Math.Abs(left - corner), toCorner = Math.Abs(left + up - 2 * corner);
        return (byte)(toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner);
    }

    /// <summary>Turns one row of samples into pixels, <paramref name="step"/> bytes apart; 16-bit gray is not made here.</summary>
    private static void Unpack(ReadOnlySpan<byte> row, int width, Format format, byte[]? palette, Span<byte> target, int step)
    {
        var (depth, wide) = (format.Depth, format.Depth == 16 ? 2 : 1);
        switch (format.Colour)
        {
            case Gray when depth == 8 && step == 1:
                row[..width].CopyTo(target);
                break;
            case Gray:
                var scale = 255 / ((1 << depth) - 1);
                for (var i = 0; i < width; i++) target[i * step] = (byte)(Sample(row, i, depth) * scale);
                break;
            case Palette:
                for (var i = 0; i < width; i++) palette.AsSpan(3 * Sample(row, i, depth), 3).CopyTo(target[(i * step)..]);
                break;
            case GrayAlpha: // alpha is dropped; of 16-bit samples the high byte counts, as in Pillow
                for (var i = 0; i < width; i++) target[i * step] = row[2 * wide * i];
                break;
            default:
                var stride = wide * (format.Colour == Rgb ? 3 : 4);
                for (var i = 0; i < width; i++)
                {
                    var (from, to) = (stride * i, step * i);
                    (target[to], target[to + 1], target[to + 2]) = (row[from], row[from + wide], row[from + 2 * wide]);
                }

                break;
        }
    }

    private static int Sample(ReadOnlySpan<byte> row, int i, int depth)
    {
        var bit = i * depth;
        return (row[bit >> 3] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
    }

    private static int Count(int size, int first, int step) => size <= first ? 0 : (size - first + step - 1) / step;

    private readonly record struct Format(int Width, int Height, int Depth, int Colour, bool Interlaced)
    {
        private int PixelBits => Depth * Colour switch { Rgb => 3, GrayAlpha => 2, RgbAlpha => 4, _ => 1 };

        public int PixelBytes => Math.Max(1, PixelBits / 8);

        public int RowBytes(int width) => checked((int)(((long)width * PixelBits + 7) / 8));
    }
}
