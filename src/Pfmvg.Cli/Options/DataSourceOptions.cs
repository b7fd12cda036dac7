using System.CommandLine;
using Pfmvg.Data.Sets;

namespace Pfmvg.Cli.Options;

/// <summary>The options that tell the `data` commands where the data sets are.</summary>
internal sealed class DataSourceOptions
{
    private readonly Option<string?> _from = new("--from")
    {
        Description = "Look for the data sets in this folder and its subfolders.",
        HelpName = "FOLDER",
    };
    private readonly Option<string?> _msCxr = new("--ms-cxr")
    {
        Description = "MS-CXR: its folder, or its CSV or JSON file.",
        HelpName = "PATH",
    };
    private readonly Option<string?> _mimic = new("--mimic")
    {
        Description = "MIMIC-CXR-JPG: the folder of its tables, or a JSON file {picture: [report, ...]}.",
        HelpName = "PATH",
    };
    private readonly Option<string?> _reports = new("--mimic-reports")
    {
        Description = "MIMIC-CXR's reports, if they are not beside the pictures.",
        HelpName = "FOLDER",
    };
    private readonly Option<string?> _roco = new("--roco")
    {
        Description = "ROCO: its folder, or a JSON list of {image, caption}.",
        HelpName = "PATH",
    };
    private readonly Option<string?> _clef = new("--imageclef")
    {
        Description = "ImageCLEFmedical 2022: its folder or file, or a JSON list of {image, caption}.",
        HelpName = "PATH",
    };
    private readonly Option<string[]> _images = new("--images")
    {
        Description = "Image folder of a data set (ms-cxr, mimic-cxr, roco, imageclef-2022), if it is not beside the annotations. "
            + "May be repeated.",
        HelpName = "NAME=FOLDER",
        DefaultValueFactory = _ => [],
    };
    private readonly Option<bool> _nonRadiology = new("--non-radiology")
    {
        Description = "Include ROCO's pictures that are not radiological.",
    };

    public DataSourceOptions AddTo(Command command)
    {
        foreach (var option in (Option[])[_from, _msCxr, _mimic, _reports, _roco, _clef, _images, _nonRadiology])
            command.Add(option);
        return this;
    }

    /// <summary>The data sets that the command line names.</summary>
    /// <exception cref="InputException">An image folder is not written as NAME=FOLDER, or --from finds nothing.</exception>
    public DataSources Read(ParseResult parsed)
    {
        var found = Full(_from) is { } folder ? DataSources.FindIn(folder) : new DataSources();
        return found with
        {
            MsCxr = Full(_msCxr) ?? found.MsCxr,
            Mimic = Full(_mimic) ?? found.Mimic,
            MimicReports = Full(_reports) ?? found.MimicReports,
            Roco = Full(_roco) ?? found.Roco,
            ImageClef = Full(_clef) ?? found.ImageClef,
            ImageFolders = ImageFolders(parsed.GetValue(_images)!),
            NonRadiology = parsed.GetValue(_nonRadiology),
        };

        // Options start at the current folder; messages and records name the whole path.
        string? Full(Option<string?> option) => parsed.GetValue(option) is { Length: > 0 } path ? Path.GetFullPath(path) : null;
    }

    /// <summary>Image folders by data set, from texts of the form NAME=FOLDER.</summary>
    /// <exception cref="InputException">A text has another form, or a name occurs twice.</exception>
    public static IReadOnlyDictionary<string, string> ImageFolders(IEnumerable<string> texts)
    {
        var images = new Dictionary<string, string>();
        foreach (var text in texts)
        {
            if (text.Split('=', 2) is not [{ Length: > 0 } name, { Length: > 0 } path])
                throw new InputException($"--images {text}: write NAME=FOLDER, for example ms-cxr=/data/mimic-cxr-jpg.");
            if (!images.TryAdd(name, Path.GetFullPath(path)))
                throw new InputException($"--images {text}: '{name}' already has an image folder.");
        }

        return images;
    }
}
