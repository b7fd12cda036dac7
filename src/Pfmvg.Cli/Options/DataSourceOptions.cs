using System.CommandLine;
using Pfmvg.Data.Sets;

namespace Pfmvg.Cli.Options;

/// <summary>The options by which the `data` commands are told where the data sets are.</summary>
internal sealed class DataSourceOptions
{
    private readonly Option<string?> _from =
        new("--from") { Description = "Look for the data sets in this folder and below it.", HelpName = "FOLDER" };
    private readonly Option<string?> _msCxr =
        new("--ms-cxr") { Description = "MS-CXR: its folder, or its CSV or JSON file.", HelpName = "PATH" };
    private readonly Option<string?> _mimic =
        new("--mimic") { Description = "MIMIC-CXR-JPG: the folder of its tables, or a JSON file {picture: [report, ...]}.",
        HelpName = "PATH" };
    private readonly Option<string?> _reports =
        new("--mimic-reports") { Description = "MIMIC-CXR's reports, where they are not beside the pictures.", HelpName = "FOLDER" };
    private readonly Option<string?> _roco =
        new("--roco") { Description = "ROCO: its folder, or a JSON list of {image, caption}.", HelpName = "PATH" };
    private readonly Option<string?> _clef =
        new("--imageclef") { Description = "ImageCLEFmedical 2022: its folder or file, or a JSON list of {image, caption}.",
        HelpName = "PATH" };

    private readonly Option<string[]> _images = new("--images")
    {
        Description = "Image folder of a data set (ms-cxr, mimic-cxr, roco, imageclef-2022), where it is not beside the annotations. "
            + "May be repeated.",
        HelpName = "NAME=FOLDER",
        DefaultValueFactory = _ => [],
    };

    private readonly Option<bool> _nonRadiology = new("--non-radiology") { Description = "Also ROCO's pictures that are no radiology." };

    public DataSourceOptions AddTo(Command command)
    {
        foreach (var option in (ReadOnlySpan<Option>)[_from, _msCxr, _mimic, _reports, _roco, _clef, _images, _nonRadiology])
            command.Add(option);
        return this;
    }

    /// <exception cref="InputException">Nothing is named, or an image folder is not written as NAME=FOLDER.</exception>
    public DataSources Read(ParseResult parsed)
    {
        var found = parsed.GetValue(_from) is { } folder ? DataSources.FindIn(folder) : new DataSources();
        return found with
        {
            MsCxr = parsed.GetValue(_msCxr) ?? found.MsCxr,
            Mimic = parsed.GetValue(_mimic) ?? found.Mimic,
            MimicReports = parsed.GetValue(_reports) ?? found.MimicReports,
            Roco = parsed.GetValue(_roco) ?? found.Roco,
            ImageClef = parsed.GetValue(_clef) ?? found.ImageClef,
            ImageFolders = ImageFolders(parsed.GetValue(_images)!),
            NonRadiology = parsed.GetValue(_nonRadiology),
        };
    }

    /// <summary>Image folders by data set, from texts like NAME=FOLDER.</summary>
    /// <exception cref="InputException">A text is written otherwise, or a name occurs twice.</exception>
    public static IReadOnlyDictionary<string, string> ImageFolders(IEnumerable<string> texts)
    {
        var images = new Dictionary<string, string>();
        foreach (var text in texts)
        {
            if (text.Split('=', 2) is not [{ Length: > 0 } name, { Length: > 0 } path])
                throw new InputException($"--images {text}: write NAME=FOLDER, for example ms-cxr=/data/mimic-cxr-jpg.");
            if (!images.TryAdd(name, path)) throw new InputException($"--images {text}: '{name}' already has an image folder.");
        }

        return images;
    }
}
