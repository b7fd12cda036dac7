namespace Pfmvg.Imaging.Dicom;

/// <summary>The tag of a data element. Written as (gggg,eeee), with its name where it is one of those that are read.</summary>
/// <param name="Number">Group in the upper 16 bits, element in the lower.</param>
internal readonly record struct Tag(uint Number)
{
    private static readonly Dictionary<uint, string> Names = [];

    public static readonly Tag TransferSyntax = Named(0x00020010, "Transfer Syntax UID"),
        DirectoryRecords = Named(0x00041220, "Directory Record Sequence"),
        SamplesPerPixel = Named(0x00280002, "Samples per Pixel"),
        Photometric = Named(0x00280004, "Photometric Interpretation"),
        Frames = Named(0x00280008, "Number of Frames"),
        Rows = Named(0x00280010, "Rows"),
        Columns = Named(0x00280011, "Columns"),
        AspectRatio = Named(0x00280034, "Pixel Aspect Ratio"),
        BitsAllocated = Named(0x00280100, "Bits Allocated"),
        BitsStored = Named(0x00280101, "Bits Stored"),
        HighBit = Named(0x00280102, "High Bit"),
        PixelRepresentation = Named(0x00280103, "Pixel Representation"),
        Padding = Named(0x00280120, "Pixel Padding Value"),
        PaddingLimit = Named(0x00280121, "Pixel Padding Range Limit"),
        WindowCenter = Named(0x00281050, "Window Center"),
        WindowWidth = Named(0x00281051, "Window Width"),
        Intercept = Named(0x00281052, "Rescale Intercept"),
        Slope = Named(0x00281053, "Rescale Slope"),
        VoiFunction = Named(0x00281056, "VOI LUT Function"),
        ModalityTables = Named(0x00283000, "Modality LUT Sequence"),
        TableDescriptor = Named(0x00283002, "LUT Descriptor"),
        TableData = Named(0x00283006, "LUT Data"),
        VoiTables = Named(0x00283010, "VOI LUT Sequence"),
        PresentationShape = Named(0x20500020, "Presentation LUT Shape"),
        OffsetTable = Named(0x7fe00001, "Extended Offset Table"),
        OffsetTableLengths = Named(0x7fe00002, "Extended Offset Table Lengths"),
        FloatPixelData = Named(0x7fe00008, "Float Pixel Data"),
        DoublePixelData = Named(0x7fe00009, "Double Float Pixel Data"),
        PixelData = Named(0x7fe00010, "Pixel Data"),
        Item = new(0xfffee000),
        ItemEnd = new(0xfffee00d),
        SequenceEnd = new(0xfffee0dd);

    public uint Group => Number >> 16;

    /// <summary>Whether the standard defines the element, and not a manufacturer.</summary>
    public bool IsStandard => (Group & 1) == 0;

    public override string ToString() =>
        $"({Group:X4},{Number & 0xffff:X4}){(Names.TryGetValue(Number, out var name) ? $" {name}" : "")}";

    private static Tag Named(uint number, string name)
    {
        Names.Add(number, name);
        return new Tag(number);
    }
}

/// <summary>Refusals that name the element at fault, and never what is in it: that may be a patient's.</summary>
internal static class TagRefusals
{
    /// <summary>A picture that is whole, but of a kind that is not read.</summary>
    public static InputException Refuse(this PictureName picture, Tag tag, string what, string advice) =>
        picture.Bad($"{tag} {what}", advice);

    /// <summary>A file that contradicts itself or is cut.</summary>
    public static InputException Broken(this PictureName picture, Tag tag, string what, Exception? cause = null) =>
        picture.Bad($"the DICOM file is damaged: {tag} {what}", "fetch it again, or mend the element", cause);
}
