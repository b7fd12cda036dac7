using Pfmvg.Imaging.Codecs;

namespace Pfmvg.Imaging.Dicom;

/// <summary>Makes the words of a picture from its compressed stream.</summary>
internal delegate PixelWords PixelDecoder(ReadOnlySpan<byte> stream, PixelLayout layout, PictureName picture, DecodeBuffer buffer);

/// <summary>How a file's data set and pixels are encoded (PS3.5, section 10).</summary>
/// <param name="Encoding">Of the data set.</param>
/// <param name="Deflated">The data set is compressed as a whole.</param>
/// <param name="Decoder">For pixels that are compressed.</param>
internal sealed record TransferSyntax(DataEncoding Encoding, bool Deflated = false, PixelDecoder? Decoder = null)
{
    public static readonly DataEncoding ImplicitLittle = new(true, false), ExplicitLittle = new(false, false),
        ExplicitBig = new(false, true);

    private const string Root = "1.2.840.10008.1.2";

    private static readonly TransferSyntax
        ByJpegLossless = Compressed(CompressedPixels.Codec(JpegLossless.ReadHeader, JpegLossless.Decode)),
        ByJpegLs = Compressed(CompressedPixels.Codec(JpegLs.ReadHeader, JpegLs.Decode)),
        ByJpeg2000 = Compressed(CompressedPixels.Codec(Jpeg2000.ReadHeader, Jpeg2000.Decode, knowsSign: true));

    private static readonly Dictionary<string, TransferSyntax> Read = new()
    {
        [Root] = new(ImplicitLittle),
        [Root + ".1"] = new(ExplicitLittle),
        [Root + ".1.99"] = new(ExplicitLittle, Deflated: true),
        [Root + ".2"] = new(ExplicitBig),
        [Root + ".5"] = Compressed(CompressedPixels.RunLengths),
        [Root + ".4.50"] = Compressed(CompressedPixels.Jpeg),
        [Root + ".4.51"] = Compressed(CompressedPixels.Jpeg),
        [Root + ".4.57"] = ByJpegLossless,
        [Root + ".4.70"] = ByJpegLossless,
        [Root + ".4.80"] = ByJpegLs,
        [Root + ".4.81"] = ByJpegLs, // near-lossless
        [Root + ".4.90"] = ByJpeg2000,
        [Root + ".4.91"] = ByJpeg2000, // lossy
        [Root + ".4.201"] = ByJpeg2000, // HTJ2K, as the next two
        [Root + ".4.202"] = ByJpeg2000,
        [Root + ".4.203"] = ByJpeg2000,
    };

    /// <summary>What is not read, but so often met that its name helps; the rest of JPEG's processes are retired.</summary>
    private static readonly Dictionary<string, string> Unread = new()
    {
        [Root + ".4.92"] = "JPEG 2000 Part 2", [Root + ".4.93"] = "JPEG 2000 Part 2", [Root + ".4.94"] = "JPIP", [Root + ".4.95"] = "JPIP",
        [Root + ".4.100"] = "MPEG-2", [Root + ".4.101"] = "MPEG-2", [Root + ".4.102"] = "MPEG-4", [Root + ".4.103"] = "MPEG-4",
        [Root + ".4.104"] = "MPEG-4", [Root + ".4.105"] = "MPEG-4", [Root + ".4.106"] = "MPEG-4", [Root + ".4.107"] = "HEVC",
        [Root + ".4.108"] = "HEVC", [Root + ".4.110"] = "JPEG XL", [Root + ".4.111"] = "JPEG XL", [Root + ".4.112"] = "JPEG XL",
    };

    /// <summary>The syntax with an UID.</summary>
    /// <exception cref="InputException">It is none that is read.</exception>
    public static TransferSyntax Find(string uid, PictureName picture) => Read.TryGetValue(uid, out var syntax) ? syntax
        : throw picture.Refuse(Tag.TransferSyntax, Unread.TryGetValue(uid, out var name) ? $"is {name}, which is not read" :
            "is none that is read",
            "export the file without compression");

    private static TransferSyntax Compressed(PixelDecoder decoder) => new(ExplicitLittle, Decoder: decoder);
}
