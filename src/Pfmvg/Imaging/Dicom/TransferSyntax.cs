namespace Pfmvg.Imaging.Dicom;

/// <summary>How a file's data set and pixels are encoded (PS3.5, section 10).</summary>
/// <param name="Encoding">Of the data set.</param>
/// <param name="Deflated">The data set is compressed as a whole.</param>
internal sealed record TransferSyntax(DataEncoding Encoding, bool Deflated = false)
{
    private const string Root = "1.2.840.10008.1.2";

    public static readonly DataEncoding ImplicitLittle = new(true, false), ExplicitLittle = new(false, false), ExplicitBig = new(false, true);

    /// <summary>The syntax with an UID; null when it is none that is read.</summary>
    public static TransferSyntax? Find(string uid) => uid switch
    {
        Root => new(ImplicitLittle),
        Root + ".1" => new(ExplicitLittle),
        Root + ".1.99" => new(ExplicitLittle, Deflated: true),
        Root + ".2" => new(ExplicitBig),
        _ => null,
    };
}
