namespace Pfmvg.Imaging;

/// <summary>The rule for DICOM values in names and texts.</summary>
internal static class DicomGrayNames
{
    /// <summary>The rule as it is written in a configuration and on the command line.</summary>
    public static string Word(this DicomGray dicom) => dicom.ToString().ToLowerInvariant();

    /// <summary>
    /// What tells caches of one rule from those of another. The usual rule has none: what was kept before there were rules is
    /// still found, and held no DICOM picture.
    /// </summary>
    public static string Suffix(this DicomGray dicom) => dicom == DicomGray.Window ? "" : "-" + dicom.Word();
}
