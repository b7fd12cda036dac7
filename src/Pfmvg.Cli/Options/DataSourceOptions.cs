using System.CommandLine;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

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
    private readonly Option<string?> _padChest = new("--padchest-gr")
    {
        Description = "PadChest-GR: the folder of grounded_reports_*.json and master_table.csv.",
        HelpName = "FOLDER",
    };
    private readonly Option<string> _padChestReader = new Option<string>("--padchest-reader")
    {
        Description = "Boxes of PadChest-GR: the 'first' reader's (boxes), or the 'second' one's (extra_boxes) where there are any.",
        DefaultValueFactory = _ => "first",
    }.AcceptOnlyFromAmong("first", "second");
    private readonly Option<string?> _vinDr = new("--vindr-cxr")
    {
        Description = "VinDr-CXR: the folder of annotations/annotations_{train,test}.csv, with PNG or JPEG pictures.",
        HelpName = "FOLDER",
    };
    private readonly Option<string> _vinDrReaders = new("--vindr-readers")
    {
        Description = "How the boxes of VinDr-CXR's three training readers are merged: 'union' keeps all as separate boxes; 'agree:2' or "
            + "'agree:3' those that so many readers draw with an IoU of 0.5 ('agree:2:0.4': of 0.4), as the mean of their edges; 'R9' "
            + "takes one reader's.",
        HelpName = "RULE",
        DefaultValueFactory = _ => "union",
    };
    private readonly Option<string?> _nih = new("--nih-boxes")
    {
        Description = "NIH ChestX-ray14: the folder of BBox_List_2017.csv, or the file.",
        HelpName = "PATH",
    };
    private readonly Option<string?> _imaGenome = new("--chest-imagenome")
    {
        Description = "Chest ImaGenome: the folder of silver_dataset (scene graphs unpacked) and gold_dataset.",
        HelpName = "FOLDER",
    };
    private readonly Option<string?> _own = new("--own")
    {
        Description = "A file of your own: pictures, phrases and boxes. Pictures' paths start at its folder, else at --images own=FOLDER.",
        HelpName = "FILE",
    };
    private readonly Option<string?> _format = new Option<string?>("--format")
    {
        Description = "Form of --own: 'jsonl' is {\"image\", \"phrase\", \"boxes\"} a line, 'coco' instances, "
            + "'imagefolder' a metadata.jsonl; the others are questions and answers of these trainers.",
        HelpName = string.Join('|', OwnReader.Formats),
    }.AcceptOnlyFromAmong(OwnReader.Formats);
    private readonly Option<string?> _question = new("--question")
    {
        Description = $"How the phrase stands in the questions of --own. Default: '{OwnReader.UsualQuestion}'.",
        HelpName = "TEXT",
    };
    private readonly Option<string?> _coordinates = new("--coordinates")
    {
        Description = $"What the numbers of --own's boxes mean, where its form does not say: {string.Join(", ", Coordinates.All)}. "
            + "Default: pixels-xyxy.",
        HelpName = "KIND",
    };
    private readonly Option<string[]> _images = new("--images")
    {
        Description = "Image folder of a data set (ms-cxr, mimic-cxr, roco, imageclef-2022, padchest-gr, vindr-cxr, nih-cxr14, "
            + "chest-imagenome, own), if it "
            + "is not beside the annotations. May be repeated.",
        HelpName = "NAME=FOLDER",
        DefaultValueFactory = _ => [],
    };
    private readonly Option<bool> _nonRadiology = new("--non-radiology")
    {
        Description = "Include ROCO's pictures that are not radiological.",
    };

    public DataSourceOptions AddTo(Command command)
    {
        Option[] options =
        [
            _from, _msCxr, _mimic, _reports, _roco, _clef, _images, _nonRadiology, _padChest, _padChestReader, _vinDr,
            _vinDrReaders, _nih, _imaGenome, _own, _format, _coordinates, _question,
        ];
        foreach (var option in options) command.Add(option);
        return this;
    }

    /// <summary>The data sets that the command line names.</summary>
    /// <exception cref="InputException">An image folder is not written as NAME=FOLDER, or --from finds nothing.</exception>
    public DataSources Read(ParseResult parsed)
    {
        if (Full(_own) is null)
            parsed.Refuse("describes --own, which is not given; name the file, or leave the option out", _format, _coordinates, _question);
        var found = Full(_from) is { } folder ? DataSources.FindIn(folder) : new DataSources();
        return found with
        {
            MsCxr = Full(_msCxr) ?? found.MsCxr,
            Mimic = Full(_mimic) ?? found.Mimic,
            MimicReports = Full(_reports) ?? found.MimicReports,
            Roco = Full(_roco) ?? found.Roco,
            ImageClef = Full(_clef) ?? found.ImageClef,
            PadChestGr = Full(_padChest) ?? found.PadChestGr,
            PadChestSecondReader = parsed.GetValue(_padChestReader) == "second",
            VinDr = Full(_vinDr) ?? found.VinDr,
            VinDrReaders = (Full(_vinDr) ?? found.VinDr) is null ? null : parsed.GetValue(_vinDrReaders),
            NihBoxes = Full(_nih) ?? found.NihBoxes,
            ImaGenome = Full(_imaGenome) ?? found.ImaGenome,
            Own = Full(_own),
            OwnFormat = parsed.GetValue(_format),
            OwnQuestion = parsed.GetValue(_question),
            OwnCoordinates = parsed.GetValue(_coordinates),
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
