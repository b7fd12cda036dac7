using SixLabors.ImageSharp.Formats.Tiff;

namespace Pfmvg.Imaging.Formats;

/// <summary>
/// Decodes TIFF through ImageSharp, which believes what a file says of itself. So its directory is read and checked here
/// first, and ImageSharp is given another one that holds nothing but what was checked.
/// </summary>
/// <remarks>
/// Read are single pictures in strips: gray, palette or RGB, 1 to 16 bits a sample, not compressed or by PackBits, LZW or
/// Deflate. As in a PNG, alpha is dropped and 16-bit gray is scaled.
/// </remarks>
internal static class Tiff
{
    public const int Uncompressed = 1, Lzw = 5, PackBits = 32773;
    private const int Deflate = 8, OldDeflate = 32946;
    private const int WhiteIsZero = 0, BlackIsZero = 1, Rgb = 2, Palette = 3;
    private const int WidthTag = 256, HeightTag = 257, BitsTag = 258, CompressionTag = 259, PhotometricTag = 262, FillOrderTag = 266,
        OffsetsTag = 273, SamplesTag = 277, RowsTag = 278, CountsTag = 279, PlanarTag = 284, PredictorTag = 317, ColourMapTag = 320,
        TileTag = 322, ExtraSamplesTag = 338, SampleFormatTag = 339;

    public static bool Is(ReadOnlySpan<byte> file) => file.StartsWith("II*\0"u8) || file.StartsWith("MM\0*"u8);

    public static ImageHeader Header(ReadOnlySpan<byte> file, PictureName picture)
    {
        var layout = ReadLayout(file, picture);
        return new ImageHeader("TIFF", layout.Width, layout.Height);
    }

    public static DecodedImage Decode(ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer)
    {
        var layout = ReadLayout(file, picture);
        for (var i = 0; i < layout.Offsets.Length; i++)
        {
            var wanted = layout.RowBytes * Math.Min(layout.RowsPerStrip, layout.Height - i * layout.RowsPerStrip);
            var strip = file.Slice((int)layout.Offsets[i], (int)layout.Counts[i]);
            if (TiffStrip.UnpackedLength(strip, layout.Compression, wanted) < wanted)
                throw picture.Damaged("its image data end early or are broken");
        }

        return ImageSharpFile.Decode(WithCheckedDirectory(file, layout), new TiffDecoder { IgnoreMetadata = true },
            new ImageHeader("TIFF", layout.Width, layout.Height), layout.IsGray, picture, buffer, layout.IsGray && layout.Bits == 16);
    }

    private static Layout ReadLayout(ReadOnlySpan<byte> file, PictureName picture)
    {
        var tags = new TiffDirectory(file, picture);
        long width = tags.Number(WidthTag, 0), height = tags.Number(HeightTag, 0);
        picture.CheckSize(width, height, limit: ImageSharpFile.MaxPixels);
        var length = file.Length;
        var (samples, photometric) = ((int)tags.Number(SamplesTag, 1), (int)tags.Number(PhotometricTag, uint.MaxValue));
        var depths = tags.Numbers(BitsTag) is { Length: > 0 } given ? given : [1];
        var (bits, extra, colours) = ((int)depths[0], tags.Numbers(ExtraSamplesTag), tags.Numbers(ColourMapTag));
        var layout = new Layout((int)width, (int)height, bits, samples, photometric, (int)tags.Number(CompressionTag, Uncompressed),
            (int)tags.Number(PredictorTag, 1), (int)Math.Min(tags.Number(RowsTag, uint.MaxValue), height),
            tags.Numbers(OffsetsTag), tags.Numbers(CountsTag), colours);

        var known = (photometric, samples, bits)
            is (WhiteIsZero or BlackIsZero, 1, 1 or 2 or 4 or 8 or 16) or (Palette, 1, 1 or 2 or 4 or 8) or (Rgb, 3 or 4, 8 or 16);
        known &= depths.Length == samples && depths.All(depth => depth == bits) && layout.Predictor is 1 or 2
            && layout.Compression is Uncompressed or Lzw or Deflate or PackBits or OldDeflate
            && (samples == 4 ? extra is [0 or 2] : extra is []) && (photometric != Palette || colours.Length == 3 << bits)
            && (samples == 1 || tags.Number(PlanarTag, 1) == 1) && tags.Number(FillOrderTag, 1) == 1
            && tags.Numbers(TileTag) is [] && tags.Numbers(SampleFormatTag).All(format => format == 1);
        if (!known) throw picture.Bad("this kind of TIFF is not read", "save it as a PNG, or as a TIFF in strips, not compressed");

        if (layout.RowsPerStrip == 0 || layout.Offsets.Length != layout.Counts.Length
            || layout.Offsets.Length != (height + layout.RowsPerStrip - 1) / layout.RowsPerStrip)
            throw picture.Damaged("its strips do not fill the picture");
        if (layout.Offsets.Zip(layout.Counts).Any(strip => strip.First + (long)strip.Second > length))
            throw picture.Damaged("it ends early");
        // Otherwise a small file could have one long strip unpacked thousands of times.
        if (layout.Counts.Sum(count => (long)count) > length) throw picture.Damaged("its strips lie over each other");
        return layout;
    }

    /// <summary>The file with another directory at its end, which its header points to.</summary>
    private static byte[] WithCheckedDirectory(ReadOnlySpan<byte> file, Layout layout)
    {
        const int shortType = 3, longType = 4;
        List<(int Tag, int Type, uint[] Values)> entries =
        [
            (WidthTag, longType, [(uint)layout.Width]),
            (HeightTag, longType, [(uint)layout.Height]),
            (BitsTag, shortType, [.. Enumerable.Repeat((uint)layout.Bits, layout.Samples)]),
            (CompressionTag, shortType, [(uint)layout.Compression]),
            (PhotometricTag, shortType, [(uint)layout.Photometric]),
            (OffsetsTag, longType, layout.Offsets),
            (SamplesTag, shortType, [(uint)layout.Samples]),
            (RowsTag, longType, [(uint)layout.RowsPerStrip]),
            (CountsTag, longType, layout.Counts),
            (PredictorTag, shortType, [(uint)layout.Predictor]),
        ];
        if (layout.Photometric == Palette) entries.Add((ColourMapTag, shortType, layout.Colours));
        if (layout.Samples == 4) entries.Add((ExtraSamplesTag, shortType, [2])); // alpha that the colours are not multiplied by

        var start = (file.Length + 1) & ~1;
        var behind = start + 2 + 12 * entries.Count + 4; // values that are too long for their entry
        var copy = new byte[behind + entries.Sum(entry => 4 * entry.Values.Length)];
        file.CopyTo(copy);
        var bigEndian = copy[0] == 'M';
        Put(4, 4, (uint)start);
        Put(start, 2, (uint)entries.Count);
        foreach (var (i, (tag, type, values)) in entries.Index())
        {
            var (entry, width) = (start + 2 + 12 * i, type == shortType ? 2 : 4);
            var place = values.Length * width <= 4 ? entry + 8 : behind;
            Put(entry, 2, (uint)tag);
            Put(entry + 2, 2, (uint)type);
            Put(entry + 4, 4, (uint)values.Length);
            if (place == behind) Put(entry + 8, 4, (uint)behind);
            foreach (var (j, value) in values.Index()) Put(place + width * j, width, value);
            if (place == behind) behind += 4 * values.Length;
        }

        return copy;

        void Put(int at, int width, uint value)
        {
            for (var i = 0; i < width; i++) copy[at + i] = (byte)(value >> (8 * (bigEndian ? width - 1 - i : i)));
        }
    }

    private sealed record Layout(int Width, int Height, int Bits, int Samples, int Photometric, int Compression, int Predictor,
        int RowsPerStrip, uint[] Offsets, uint[] Counts, uint[] Colours)
    {
        public bool IsGray => Photometric is WhiteIsZero or BlackIsZero;

        public long RowBytes => ((long)Width * Samples * Bits + 7) / 8;
    }
}
