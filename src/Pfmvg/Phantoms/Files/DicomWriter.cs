using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>
/// A drawn picture as a DICOM file: 12 bits in words of 16, explicit little endian, with a window by which the drawn gray values
/// come out exactly. Whoever reads the header sees that nobody was examined.
/// </summary>
internal static class DicomWriter
{
    private const int Step = 16; // stored values for each gray value: 255 x 16 is the highest that a window of 4081 leaves below white

    /// <summary>The invented texts of the header, which nothing may ever repeat.</summary>
    public static readonly string[] Texts =
        ["PHANTOM^NOBODY", "INVENTED^REFERRER", "DRAWN-0000", "Clinic of No Place", "ACC-NONE", "18950101", "18951108"];

    /// <summary>Writes a picture.</summary>
    /// <param name="path">The file.</param>
    /// <param name="image">What was drawn.</param>
    /// <param name="id">The picture's identifier, of which its DICOM identifiers are made.</param>
    /// <param name="inverted">Store it as MONOCHROME1: low values are bright.</param>
    public static void Write(string path, PhantomImage image, string id, bool inverted)
    {
        using var file = new MemoryStream();
        file.Write(new byte[128]);
        file.Write("DICM"u8);
        const string Radiography = "1.2.840.10008.5.1.4.1.1.1", LittleEndian = "1.2.840.10008.1.2.1";
        var instance = Identifier(id);
        using (var meta = new MemoryStream())
        {
            Add(meta, 0x0002_0001, "OB", [0, 1]);
            Add(meta, 0x0002_0002, "UI", Radiography);
            Add(meta, 0x0002_0003, "UI", instance);
            Add(meta, 0x0002_0010, "UI", LittleEndian);
            Add(meta, 0x0002_0012, "UI", Identifier("pfmvg phantom"));
            var length = new byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(length, (int)meta.Length);
            Add(file, 0x0002_0000, "UL", length);
            meta.WriteTo(file);
        }

        Add(file, 0x0008_0005, "CS", "ISO_IR 192");
        Add(file, 0x0008_0008, "CS", @"DERIVED\PRIMARY");
        Add(file, 0x0008_0016, "UI", Radiography);
        Add(file, 0x0008_0018, "UI", instance);
        Add(file, 0x0008_0020, "DA", Texts[6]);
        Add(file, 0x0008_0050, "SH", Texts[4]);
        Add(file, 0x0008_0060, "CS", "CR");
        Add(file, 0x0008_0080, "LO", Texts[3]);
        Add(file, 0x0008_0090, "PN", Texts[1]);
        Add(file, 0x0010_0010, "PN", Texts[0]);
        Add(file, 0x0010_0020, "LO", Texts[2]);
        Add(file, 0x0010_0030, "DA", Texts[5]);
        Add(file, 0x0010_0040, "CS", "O");
        Add(file, 0x0020_000d, "UI", Identifier(id + " study"));
        Add(file, 0x0020_000e, "UI", Identifier(id + " series"));
        Add(file, 0x0020_0011, "IS", "1");
        Add(file, 0x0020_0013, "IS", "1");
        Add(file, 0x0028_0002, 1);
        Add(file, 0x0028_0004, "CS", inverted ? "MONOCHROME1" : "MONOCHROME2");
        Add(file, 0x0028_0010, image.Height);
        Add(file, 0x0028_0011, image.Width);
        Add(file, 0x0028_0100, 16);
        Add(file, 0x0028_0101, 12);
        Add(file, 0x0028_0102, 11);
        Add(file, 0x0028_0103, 0);
        // LINEAR: ((x - (center - 0.5)) / (width - 1) + 0.5) x 255 is x / 16.
        Add(file, 0x0028_1050, "DS", (255 * Step / 2.0 + 0.5).ToString(CultureInfo.InvariantCulture));
        Add(file, 0x0028_1051, "DS", (255 * Step + 1).ToString(CultureInfo.InvariantCulture));
        Add(file, 0x0028_1052, "DS", "0");
        Add(file, 0x0028_1053, "DS", "1");
        var pixels = new byte[2 * image.Gray.Length];
        for (var i = 0; i < image.Gray.Length; i++)
            BinaryPrimitives.WriteUInt16LittleEndian(pixels.AsSpan(2 * i),
                (ushort)(Step * (inverted ? 255 - image.Gray[i] : image.Gray[i])));
        Add(file, 0x7fe0_0010, "OW", pixels);
        File.WriteAllBytes(path, file.GetBuffer().AsSpan(0, (int)file.Length));
    }

    /// <summary>An identifier of the form 2.25.NUMBER, which nobody has to assign.</summary>
    private static string Identifier(string text) =>
        $"2.25.{new BigInteger(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 15), isUnsigned: true)}";

    private static void Add(Stream file, uint tag, int value)
    {
        var bytes = new byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)value);
        Add(file, tag, "US", bytes);
    }

    private static void Add(Stream file, uint tag, string kind, string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        // Values have an even length: identifiers end in a zero, other texts in a space.
        Add(file, tag, kind, bytes.Length % 2 == 0 ? bytes : [.. bytes, kind == "UI" ? (byte)0 : (byte)' ']);
    }

    private static void Add(Stream file, uint tag, string kind, ReadOnlySpan<byte> value)
    {
        var longForm = kind is "OB" or "OW";
        Span<byte> head = stackalloc byte[longForm ? 12 : 8];
        head.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(head, (ushort)(tag >> 16));
        BinaryPrimitives.WriteUInt16LittleEndian(head[2..], (ushort)tag);
        Encoding.ASCII.GetBytes(kind, head[4..]);
        if (longForm) BinaryPrimitives.WriteInt32LittleEndian(head[8..], value.Length);
        else BinaryPrimitives.WriteUInt16LittleEndian(head[6..], (ushort)value.Length);
        file.Write(head);
        file.Write(value);
    }
}
