namespace Pfmvg.Imaging.Dicom;

/// <summary>Size and numbers of a gray picture, as its elements say them; what contradicts itself is refused here.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Pixels per row.</param>
/// <param name="Allocated">Bits of a word: 8 or 16.</param>
/// <param name="Stored">Bits of a word that are the value.</param>
/// <param name="High">The highest of these, counted from 0.</param>
/// <param name="Signed">Whether that one is a sign.</param>
internal sealed record PixelLayout(int Rows, int Columns, int Allocated, int Stored, int High, bool Signed)
{
    private const string ExportGray = "export one gray picture";

    /// <summary>What pictures in colour may call themselves: fixed words, so that nothing of the file is printed.</summary>
    private static readonly string[] Colours =
    [
        "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT", "HSV", "ARGB",
        "CMYK",
    ];

    public int Count => Rows * Columns;

    /// <summary>How many values a pixel can have.</summary>
    public int Codes => 1 << Stored;

    /// <summary>The value that a word of the file stands for, without its sign.</summary>
    public int Code(int word) => word >> (High + 1 - Stored) & (Codes - 1);

    /// <summary>The stored value of a code.</summary>
    public int Value(int code) => Signed && code >= Codes / 2 ? code - Codes : code;

    public static PixelLayout Read(DataSet set, PictureName picture)
    {
        if (set.Has(Tag.DirectoryRecords))
            throw picture.Refuse(Tag.DirectoryRecords, "shows that this is a DICOMDIR, a list of files", "name one of its pictures");
        foreach (var tag in (ReadOnlySpan<Tag>)[Tag.FloatPixelData, Tag.DoublePixelData])
            if (set.Has(tag)) throw picture.Refuse(tag, "holds floating-point pixels, which are not read", "export whole numbers");
        if (!set.Has(Tag.PixelData)) throw picture.Refuse(Tag.PixelData, "is missing: the file holds no picture", "name a radiograph");

        var photometric = set.Text(Tag.Photometric);
        if (photometric is not ("MONOCHROME1" or "MONOCHROME2"))
        {
            throw picture.Refuse(Tag.Photometric, photometric.Length == 0 ? "is missing"
                : Array.Find(Colours, colour => colour == photometric) is { } known ? $"is {known}, but only gray pictures are read"
                : "is none that is read (MONOCHROME1 or MONOCHROME2)", ExportGray);
        }

        if (set.Required(Tag.SamplesPerPixel) != 1)
            throw picture.Refuse(Tag.SamplesPerPixel, "is not 1, as it is in gray pictures", ExportGray);
        var frames = set.Number(Tag.Frames, Vr.DS) ?? 1;
        if (frames < 1 || frames != Math.Floor(frames)) throw picture.Broken(Tag.Frames, "is no number of frames");
        if (frames > 1) throw picture.Refuse(Tag.Frames, "is more than 1: the file holds several pictures", ExportGray);
        var (rows, columns) = (Side(set, Tag.Rows, picture), Side(set, Tag.Columns, picture));
        if ((long)rows * columns > ImageLimits.Pixels)
            throw picture.Refuse(Tag.Rows, $"and {Tag.Columns} ask for more than {ImageLimits.Pixels:N0} pixels",
                "make the picture smaller");

        var allocated = set.Required(Tag.BitsAllocated);
        if (allocated is not (8 or 16)) throw picture.Refuse(Tag.BitsAllocated, "is neither 8 nor 16", "export 16 bits a pixel");
        var stored = set.Required(Tag.BitsStored);
        if (stored < 1 || stored > allocated) throw picture.Broken(Tag.BitsStored, $"is not between 1 and {Tag.BitsAllocated}");
        var high = set.Required(Tag.HighBit);
        if (high < stored - 1 || high >= allocated)
            throw picture.Broken(Tag.HighBit, $"does not fit {Tag.BitsStored} and {Tag.BitsAllocated}");
        var sign = set.Required(Tag.PixelRepresentation);
        if (sign is not (0 or 1)) throw picture.Broken(Tag.PixelRepresentation, "is neither 0 nor 1");
        return new PixelLayout(rows, columns, allocated, stored, high, sign == 1);
    }

    private static int Side(DataSet set, Tag tag, PictureName picture) =>
        set.Required(tag) is > 0 and <= ImageLimits.Side and var side ? side
        : throw picture.Broken(tag, $"is not between 1 and {ImageLimits.Side:N0}");
}
