namespace Pfmvg.Data.Sets;

/// <summary>The folders of the data sets as they were downloaded; null for those that are not there.</summary>
public sealed record DataSources
{
    /// <summary>MS-CXR: the folder of its annotation files, or one of them.</summary>
    public string? MsCxr { get; init; }

    /// <summary>MIMIC-CXR-JPG: the folder of its tables, or a JSON object of reports.</summary>
    public string? Mimic { get; init; }

    /// <summary>The folder whose `files` holds MIMIC-CXR's reports, where it is another one than <see cref="Mimic"/>.</summary>
    public string? MimicReports { get; init; }

    /// <summary>ROCO: its folder, or a JSON list.</summary>
    public string? Roco { get; init; }

    /// <summary>ImageCLEFmedical 2022: its folder, one of its files, or a JSON list.</summary>
    public string? ImageClef { get; init; }

    /// <summary>Image folder of a data set by its name, where it is not beside the annotations.</summary>
    public IReadOnlyDictionary<string, string> ImageFolders { get; init; } = new Dictionary<string, string>();

    /// <summary>Also ROCO's pictures that are no radiology.</summary>
    public bool NonRadiology { get; init; }

    /// <summary>PadChest-GR: its folder.</summary>
    public string? PadChestGr { get; init; }

    /// <summary>Take the boxes of PadChest-GR's second reader, and only the findings that have them.</summary>
    public bool PadChestSecondReader { get; init; }

    /// <summary>VinDr-CXR: its folder.</summary>
    public string? VinDr { get; init; }

    /// <summary>How the boxes of VinDr-CXR's three readers are merged: union (null is the same), agree:2, agree:3 or a reader.</summary>
    public string? VinDrReaders { get; init; }

    /// <summary>NIH ChestX-ray14: the folder of its list of boxes, or the list.</summary>
    public string? NihBoxes { get; init; }

    /// <summary>Chest ImaGenome: the folder of silver_dataset and gold_dataset.</summary>
    public string? ImaGenome { get; init; }

    /// <summary>A file of one's own: pictures, phrases and boxes.</summary>
    public string? Own { get; init; }

    /// <summary>The form of <see cref="Own"/>: jsonl, coco, imagefolder, ms-swift, llamafactory, llava, llava-padded or trl.</summary>
    public string? OwnFormat { get; init; }

    /// <summary>What the numbers of its boxes mean, such as "unit-xyxy"; null: pixels-xyxy.</summary>
    public string? OwnCoordinates { get; init; }

    /// <summary>How a phrase stands in its questions, with {phrase}; null: "Where is {phrase}?".</summary>
    public string? OwnQuestion { get; init; }

    /// <summary>
    /// Looks for the data sets' layouts in a folder and below it, as `pfmvg data phantom` or a download leaves them. Folders
    /// of pictures are not searched.
    /// </summary>
    /// <exception cref="InputException">The folder is missing or holds no known layout.</exception>
    public static DataSources FindIn(string folder)
    {
        if (!Directory.Exists(folder)) throw new InputException($"{folder}: there is no such folder; check the path.");
        var found = new DataSources();
        string? reports = null;
        var level = new List<string> { folder };
        for (var depth = 0; depth <= 6 && level.Count is > 0 and < 1000; depth++)
        {
            foreach (var place in level)
            {
                if (found.MsCxr is null && Directory.EnumerateFiles(place, "MS_CXR_Local_Alignment*").Any())
                    found = found with { MsCxr = place };
                if (found.Mimic is null && MimicCxrReader.IsRoot(place)) found = found with { Mimic = place };
                if (reports is null && ReportFolder.IsRoot(place)) reports = place;
                if (found.ImageClef is null && ImageClefReader.IsRoot(place)) found = found with { ImageClef = place };
                if (found.PadChestGr is null && PadChestGrReader.Find(place) is not null) found = found with { PadChestGr = place };
                if (found.VinDr is null && VinDrReader.Find(place) is not null) found = found with { VinDr = place };
                if (found.NihBoxes is null && NihBoxReader.Find(place) is not null) found = found with { NihBoxes = place };
                if (found.ImaGenome is null && ImaGenomeReader.IsRoot(place)) found = found with { ImaGenome = place };
                if (found.Roco is null && RocoReader.IsRoot(place)) found = found with { Roco = place };
            }

            level = [.. level.SelectMany(place => Directory.EnumerateDirectories(place)).Where(MayHoldDataSets)
                .Order(StringComparer.Ordinal)];
        }

        if (found.Mimic is not null && !ReportFolder.IsRoot(found.Mimic)) found = found with { MimicReports = reports };
        return !found.IsEmpty ? found
            : throw new InputException($"{folder}: none of the data sets' layouts is here; name the folders one by one.");

        static bool MayHoldDataSets(string path)
        {
            var name = Path.GetFileName(path);
            return !(name is "images" or "radiology" or "non-radiology" || name.StartsWith('.')
                || (name.Length > 2 && name[0] is 'p' or 's' && name[1..].All(char.IsAsciiDigit)))
                && new DirectoryInfo(path).LinkTarget is null;
        }
    }

    private bool IsEmpty => MsCxr is null && Mimic is null && Roco is null && ImageClef is null && PadChestGr is null && VinDr is null
        && NihBoxes is null && Own is null && ImaGenome is null;

    /// <summary>
    /// The readers of the data sets that are there: the sets of phrases, MS-CXR first, then the caption sets in the order in which
    /// duplicates are kept.
    /// </summary>
    /// <exception cref="InputException">A folder does not have the layout of its data set, or no data set is named.</exception>
    public IReadOnlyList<IDataSetReader> Readers()
    {
        var readers = new List<IDataSetReader>();
        if (MsCxr is not null) readers.Add(new MsCxrReader(MsCxr, ImageFolders.GetValueOrDefault("ms-cxr") ?? PicturesOfMsCxr()));
        if (PadChestGr is not null)
            readers.Add(new PadChestGrReader(PadChestGr, ImageFolders.GetValueOrDefault("padchest-gr"), PadChestSecondReader));
        if (VinDr is not null) readers.Add(new VinDrReader(VinDr, ImageFolders.GetValueOrDefault("vindr-cxr"), VinDrReaders ?? "union"));
        if (NihBoxes is not null) readers.Add(new NihBoxReader(NihBoxes, ImageFolders.GetValueOrDefault("nih-cxr14")));
        if (Own is not null)
            readers.Add(new OwnReader(Own, OwnFormat, ImageFolders.GetValueOrDefault("own"), OwnCoordinates, OwnQuestion));
        if (ImaGenome is not null)
            readers.Add(new ImaGenomeReader(ImaGenome, ImageFolders.GetValueOrDefault("chest-imagenome") ?? PicturesOfImaGenome()));
        if (Mimic is not null) readers.Add(new MimicCxrReader(Mimic, MimicReports, ImageFolders.GetValueOrDefault("mimic-cxr")));
        if (Roco is not null) readers.Add(new RocoReader(Roco, ImageFolders.GetValueOrDefault("roco"), NonRadiology));
        if (ImageClef is not null) readers.Add(new ImageClefReader(ImageClef, ImageFolders.GetValueOrDefault("imageclef-2022")));
        foreach (var source in ImageFolders.Keys.Where(source => readers.All(reader => reader.Source != source)))
            throw new InputException($"An image folder is given for '{source}', which is not among the data sets here: "
                + $"{string.Join(", ", readers.Select(reader => reader.Source))}.");
        return readers.Count > 0 ? readers : throw new InputException("No data set is named: give at least one of the folders.");
    }

    /// <summary>Chest ImaGenome, too, annotates pictures of MIMIC-CXR-JPG; null: beside the annotations.</summary>
    private string? PicturesOfImaGenome() => Directory.Exists(Path.Combine(ImaGenome!, "files")) ? null
        : ImageFolders.GetValueOrDefault("mimic-cxr") ?? (Directory.Exists(Mimic) ? Mimic : Path.GetDirectoryName(Mimic));

    /// <summary>MS-CXR annotates pictures of MIMIC-CXR-JPG, which may lie elsewhere; null: beside the annotations.</summary>
    private string? PicturesOfMsCxr()
    {
        var folder = Directory.Exists(MsCxr) ? MsCxr : Path.GetDirectoryName(Path.GetFullPath(MsCxr!))!;
        if (Directory.Exists(Path.Combine(folder, "files"))) return null;
        return ImageFolders.GetValueOrDefault("mimic-cxr") ?? (Directory.Exists(Mimic) ? Mimic : Path.GetDirectoryName(Mimic));
    }
}
