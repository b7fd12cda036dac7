namespace Pfmvg.Imaging;

/// <summary>How the values of a DICOM picture become 8-bit gray; docs/dicom.md has the formulae.</summary>
public enum DicomGray
{
    /// <summary>The look-up table or window that the file itself carries; <see cref="Full"/> when it has none.</summary>
    Window,

    /// <summary>From the lowest to the highest value of the picture, whatever window the file has.</summary>
    Full,

    /// <summary>From the lowest to the highest value, then with an equalised histogram, as MIMIC-CXR-JPG was made.</summary>
    Histogram,
}
