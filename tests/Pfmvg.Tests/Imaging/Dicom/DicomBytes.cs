using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Pfmvg.Tests.Imaging.Dicom;

/// <summary>Writes DICOM files element by element, right or wrong.</summary>
/// <param name="bigEndian">Numbers begin with the highest byte.</param>
internal sealed class DicomBytes(bool bigEndian = false)
{
    public const string Explicit = "1.2.840.10008.1.2.1", BigEndian = "1.2.840.10008.1.2.2", Deflated = "1.2.840.10008.1.2.1.99",
        RunLengths = "1.2.840.10008.1.2.5";

    public const uint Open = 0xffffffff;

    private readonly List<byte> _bytes = [];

    public byte[] Bytes => [.. _bytes];

    /// <summary>The elements of a gray picture, up to the pixels.</summary>
    public static DicomBytes Picture(int rows, int columns, int allocated = 16, bool bigEndian = false,
        string photometric = "MONOCHROME2") =>
        new DicomBytes(bigEndian).Add(0x00080060, "CS", "DX").Add(0x00100010, "PN", "Gehlen^Ottoline").Add(0x00280002, "US", 1)
            .Add(0x00280004, "CS", photometric).Add(0x00280010, "US", rows).Add(0x00280011, "US", columns)
            .Add(0x00280100, "US", allocated).Add(0x00280101, "US", allocated == 8 ? 8 : 12)
            .Add(0x00280102, "US", allocated == 8 ? 7 : 11).Add(0x00280103, "US", 0);

    public DicomBytes Window(int center, int width) => Add(0x00281050, "DS", $"{center}").Add(0x00281051, "DS", $"{width}");

    public DicomBytes Pixels(params int[] words) => Add(0x7fe00010, "OW", [.. words.SelectMany(word => Number(word, 2))]);

    public DicomBytes Add(uint tag, string vr, string value) =>
        Add(tag, vr, Encoding.Latin1.GetBytes(value.Length % 2 == 0 ? value : value + " "));

    public DicomBytes Add(uint tag, string vr, int number) => Add(tag, vr, Number(number, 2));

    public DicomBytes Add(uint tag, string vr, byte[] value, uint? length = null)
    {
        Raw(Number((int)(tag >> 16), 2), Number((int)(tag & 0xffff), 2), Encoding.ASCII.GetBytes(vr));
        var size = length ?? (uint)value.Length;
        return vr is "OB" or "OW" or "SQ" or "UN" or "UT" or "OV" ? Raw(new byte[2], Number((int)size, 4), value)
            : Raw(Number((int)size, 2), value);
    }

    /// <summary>An item or a delimiter.</summary>
    public DicomBytes Item(uint length, byte[] value, int element = 0xe000) =>
        Raw(Number(0xfffe, 2), Number(element, 2), Number((int)length, 4), value);

    public DicomBytes EndItem() => Item(0, [], 0xe00d);

    public DicomBytes EndSequence() => Item(0, [], 0xe0dd);

    public DicomBytes Raw(params byte[][] parts)
    {
        foreach (var part in parts) _bytes.AddRange(part);
        return this;
    }

    /// <summary>The file: preamble, mark, meta group and this data set.</summary>
    public byte[] File(string? syntax = null)
    {
        var meta = new DicomBytes().Add(0x00020010, "UI", (syntax ??= bigEndian ? BigEndian : Explicit)
            + (syntax.Length % 2 == 0 ? "" : "\0"));
        var set = Bytes;
        if (syntax == Deflated)
        {
            using var deflated = new MemoryStream();
            using (var stream = new DeflateStream(deflated, CompressionLevel.Optimal, leaveOpen: true)) stream.Write(set);
            set = deflated.ToArray();
        }

        return [.. new byte[128], .. "DICM"u8, .. meta.Bytes, .. set];
    }

    public byte[] Number(int value, int size)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bigEndian ? [.. bytes[..size].Reverse()] : bytes[..size];
    }
}
