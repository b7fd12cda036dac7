using System.Runtime.CompilerServices;
using Pfmvg.Fuzz.Reading;

namespace Pfmvg.Fuzz;

/// <summary>Every format that the program reads, by name.</summary>
internal static class Formats
{
    /// <summary>How many of the inputs of a full run belong to a format, and how it is made within an empty folder.</summary>
    public static IReadOnlyDictionary<string, (int Share, Func<string, Format> Make)> All { get; } =
        new SortedDictionary<string, (int, Func<string, Format>)>(StringComparer.Ordinal)
        {
            ["pth"] = (1250, WeightFormats.Archives),
            ["pickle"] = (1300, WeightFormats.Pickles),
            ["safetensors"] = (800, WeightFormats.SafeTensors),
            ["checkpoint"] = (300, WeightFormats.Checkpoints),
            ["gguf"] = (200, WeightFormats.Gguf),
            ["config"] = (600, WeightFormats.Configurations),
            ["rival-pt"] = (100, RivalFormats.Archives),
            ["rival-safetensors"] = (200, RivalFormats.SafeTensorFiles),
            ["rival-vocabulary"] = (50, RivalFormats.Vocabularies),
            ["rival-config"] = (100, RivalFormats.Configurations),
            ["tokenizer"] = (300, TextFormats.Tokenizers),
            ["vocabulary"] = (200, TextFormats.Vocabularies),
            ["yaml"] = (700, TextFormats.Yaml),
            ["answers"] = (700, TextFormats.Answers),
            ["jpeg-gray"] = (1000, PictureFormats.GrayJpeg),
            ["jpeg"] = (800, PictureFormats.OtherJpeg),
            ["png"] = (1100, PictureFormats.Png),
            ["bmp"] = (400, PictureFormats.Bmp),
            ["gif"] = (400, PictureFormats.Gif),
            ["webp"] = (600, PictureFormats.WebP),
            ["tiff"] = (800, PictureFormats.Tiff),
            ["tga"] = (400, PictureFormats.Tga),
            ["dicom"] = (1200, DicomFormats.Plain),
            ["dicom-rle"] = (500, DicomFormats.RunLengths),
            ["dicom-jpeg"] = (600, DicomFormats.Jpeg),
            ["dicom-jpegls"] = (400, DicomFormats.JpegLs),
            ["dicom-j2k"] = (400, DicomFormats.Jpeg2000),
            ["tables"] = (600, SetFormats.Tables),
            ["set-json"] = (500, SetFormats.Json),
            ["own-json"] = (500, SetFormats.Own),
            ["prepared"] = (500, RecordFormats.Prepared),
            ["run"] = (400, RecordFormats.Runs),
            ["truth"] = (400, RecordFormats.Truth),
            ["predictions"] = (700, RecordFormats.Predictions),
            ["npy"] = (400, RecordFormats.HeatMaps),
            ["request"] = (400, ServerFormats.Requests),
            ["reply"] = (200, ServerFormats.Replies),
        };

    /// <summary>The tests' own files, a part of the seeds.</summary>
    public static string Tests { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", "Pfmvg.Tests"));

    /// <summary>Files below a folder of the tests, small enough to be read thousands of times.</summary>
    public static IEnumerable<string> Small(string folder, string pattern, int largest = 48 << 10) =>
        Directory.EnumerateFiles(Path.Combine(Tests, folder), pattern, SearchOption.AllDirectories)
            .Where(path => new FileInfo(path).Length <= largest).Order(StringComparer.Ordinal);

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
