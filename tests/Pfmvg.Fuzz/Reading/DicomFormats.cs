using Pfmvg.Fuzz.Mutating;
using Pfmvg.Imaging;

namespace Pfmvg.Fuzz.Reading;

/// <summary>DICOM pictures: the data set itself, and each way of compressing the values.</summary>
internal static class DicomFormats
{
    private const string Files = "Imaging/Dicom/files";

    public static Format Plain(string folder) => Of(folder, path => !IsCompressed(path), Dicom.Elements);

    public static Format RunLengths(string folder) =>
        Of(folder, path => Path.GetFileName(path).Contains("rle", StringComparison.Ordinal), Dicom.Elements, Dicom.Fragments(Bytes.Change));

    /// <summary>Baseline, extended (12 bits) and lossless.</summary>
    public static Format Jpeg(string folder) => Of(folder, path => Path.GetFileName(path) is var name && name.Contains("jpeg-",
        StringComparison.Ordinal)
        && !name.Contains("jpeg-ls", StringComparison.Ordinal), Dicom.Elements, Dicom.Fragments(Mutating.Jpeg.Segments));

    public static Format JpegLs(string folder) => Of(folder, path => Path.GetFileName(path) is var name
        && (name.Contains("jpeg-ls", StringComparison.Ordinal) || name.StartsWith("jls", StringComparison.Ordinal)), Dicom.Elements,
        Dicom.Fragments(Mutating.Jpeg.Segments));

    public static Format Jpeg2000(string folder) => Of(folder, path => Path.GetFileName(path) is var name
        && (name.Contains("j2k", StringComparison.Ordinal) || name.StartsWith("jp2", StringComparison.Ordinal)), Dicom.Elements,
        Dicom.Fragments(Bytes.Change));

    private static bool IsCompressed(string path) => path.Contains("/encapsulated/", StringComparison.Ordinal)
        || Path.GetFileName(path) is var name && ((string[])["rle", "jpeg", "jls", "j2k"]).Any(kind => name.Contains(kind,
            StringComparison.Ordinal));

    private static Format Of(string folder, Func<string, bool> chosen, params Mutation[] structure)
    {
        var way = new Way(Path.Combine(folder, "input.dcm"), path =>
        {
            foreach (var rule in Enum.GetValues<DicomGray>())
            {
                try
                {
                    ImageFile.Decode(path, null, rule);
                }
                catch (InputException)
                {
                    // The other rules read other parts of the header.
                }
            }

            PictureFormats.Read(path);
        });
        return new([.. Formats.Small(Files, "*.dcm").Where(chosen).Select(path => new Seed(File.ReadAllBytes(path), way))], structure);
    }
}
