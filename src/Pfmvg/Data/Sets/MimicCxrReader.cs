using System.Text.Json;
using Pfmvg.Data.Files;

namespace Pfmvg.Data.Sets;

/// <summary>
/// MIMIC-CXR-JPG with MIMIC-CXR's reports: `mimic-cxr-2.*-metadata.csv[.gz]` and `-split.csv[.gz]`, pictures
/// `files/p10/p10000032/s50414267/[dicom].jpg` or, of the DICOM edition, `.dcm`, reports `files/p10/p10000032/s50414267.txt`; the
/// DICOM edition's `cxr-record-list.csv[.gz]` in place of the metadata; or a JSON object {picture's path: [report, ...]}.
/// </summary>
public sealed class MimicCxrReader : IDataSetReader
{
    private const string Records = "cxr-record-list.csv";

    private readonly TextRepairs _repairs = new();
    private readonly string _list;
    private readonly string? _splitFile;
    private readonly string _reports;

    /// <summary>Finds the tables.</summary>
    /// <param name="path">The folder of the tables, or the JSON file.</param>
    /// <param name="reportFolder">The folder whose `files` holds the reports; null: the tables' folder.</param>
    /// <param name="imageFolder">The folder whose `files` holds the pictures; null: the tables' folder.</param>
    /// <exception cref="InputException">There are no such files.</exception>
    public MimicCxrReader(string path, string? reportFolder = null, string? imageFolder = null)
    {
        var folder = File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;
        _list = (File.Exists(path) ? path : Table(path, "metadata") ?? RecordList(path) ?? JsonList(path))
            ?? throw new InputException($"{path}: there is no mimic-cxr-2.*-metadata.csv.gz, no cxr-record-list.csv.gz and no JSON "
                + "object of reports; name MIMIC-CXR-JPG's folder, that of MIMIC-CXR's DICOM edition, or the JSON file.");
        _splitFile = Table(folder, "split");
        if (_splitFile is null && !IsJson)
            throw new InputException($"{folder}: there is no mimic-cxr-2.*-split.csv.gz; fetch it from MIMIC-CXR-JPG.");
        ImageFolder = imageFolder ?? folder;
        _reports = reportFolder is null ? folder : ReportFolder.Find(reportFolder);
    }

    /// <inheritdoc/>
    public string Source => "mimic-cxr";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Caption;

    /// <inheritdoc/>
    public string ImageFolder { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => _splitFile is null ? [_list] : [_list, _splitFile];

    /// <summary>The folder whose `files` holds the reports.</summary>
    internal string Reports => _reports;

    private bool IsJson => DataFile.IsJson(_list);

    private bool IsRecordList => Path.GetFileName(_list).StartsWith(Records, StringComparison.Ordinal);

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes => IsRecordList
        ? [.. _repairs.Notes, "cxr-record-list.csv tells no views: lateral pictures of mimic-cxr are among the frontal ones. Put "
            + "mimic-cxr-2.*-metadata.csv.gz of MIMIC-CXR-JPG beside it."]
        : _repairs.Notes;

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read()
    {
        var splits = new Dictionary<string, (Split? Split, string? Problem)>();
        if (_splitFile is not null)
            foreach (var row in CsvTable.Read(_splitFile, _repairs, "dicom_id", "split"))
            {
                var (dicom, split) = (row["dicom_id"], SplitNames.Find(row["split"]));
                if (!splits.TryAdd(dicom, (split, null)) && splits[dicom].Split != split)
                    splits[dicom] = (split, $"{row.Place}: the dicom_id has another split in a row before");
                else if ((row.Problem ?? (SplitNames.IsUnknown(row["split"]) ? "the split is unknown" : null)) is { } wrong)
                    splits[dicom] = (split, $"{row.Place}: {wrong}");
            }

        return IsJson ? ReadJson(splits) : ReadTables(splits);
    }

    /// <summary>Whether a folder holds the tables.</summary>
    internal static bool IsRoot(string path) =>
        Table(path, "metadata") is not null || RecordList(path) is not null && Table(path, "split") is not null;

    private static string? Table(string folder, string kind) => !Directory.Exists(folder) ? null
        : Directory.EnumerateFiles(folder, $"mimic-cxr-2.*-{kind}.csv*").Order(StringComparer.Ordinal).LastOrDefault();

    /// <summary>What the DICOM edition has for a table of its pictures.</summary>
    private static string? RecordList(string folder) =>
        new[] { Records, Records + ".gz" }.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static string? JsonList(string folder) => !Directory.Exists(folder) ? null
        : Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).FirstOrDefault();

    private IEnumerable<ListedSample> ReadTables(Dictionary<string, (Split? Split, string? Problem)> splits)
    {
        var reports = new ImageRoot(_reports);
        var last = (File: "", Text: "");
        foreach (var row in CsvTable.Read(_list, _repairs,
            ["dicom_id", "subject_id", "study_id", .. IsRecordList ? Array.Empty<string>() : ["ViewPosition", "Rows", "Columns"]]))
        {
            string dicom = row["dicom_id"], subject = row["subject_id"], study = row["study_id"];
            var known = subject.Length >= 2 && subject.All(char.IsAsciiDigit) && study.Length > 0 && study.All(char.IsAsciiDigit);
            var file = known ? $"files/p{subject[..2]}/p{subject}/s{study}.txt" : "";
            if (known && file != last.File) last = (file, ReadReport(reports, file)); // the pictures of a study follow each other
            yield return new ListedSample
            {
                Id = dicom,
                Image = known ? $"{file[..^4]}/{dicom}.jpg" : "",
                Text = known ? last.Text : "",
                Place = row.Place,
                Width = row.Pixels("Columns"),
                Height = row.Pixels("Rows"),
                Patient = "p" + subject,
                Study = "s" + study,
                Split = splits.GetValueOrDefault(dicom).Split,
                AnyEdition = true,
                View = IsRecordList ? null : row["ViewPosition"],
                TextFile = known ? Path.Join(_reports, file) : null,
                Problem = !known ? "subject_id or study_id is no number"
                    : row.Problem is { } problem ? problem
                    : string.IsNullOrWhiteSpace(dicom) ? "the dicom_id is blank"
                    : ImageRoot.WrongName(dicom) is { } wrong ? $"the dicom_id is no name ({wrong})"
                    : splits.GetValueOrDefault(dicom).Problem,
            };
        }
    }

    private string ReadReport(ImageRoot reports, string file)
    {
        var path = reports.Resolve(file, out var problem);
        if (problem is not null || !File.Exists(path) || new FileInfo(path).Length is 0 or > DataFile.MaxRecord) return "";
        return ReportSections.Extract(DataFile.ReadText(path, _repairs));
    }

    private IEnumerable<ListedSample> ReadJson(Dictionary<string, (Split? Split, string? Problem)> splits)
    {
        foreach (var item in JsonItems.Read(_list, _repairs))
        {
            var image = CaptionList.ImagePath(item.Key);
            var dicom = Path.GetFileNameWithoutExtension(image);
            var (patient, study) = ListedSample.Owner(image);
            var reports = item.Value.ValueKind == JsonValueKind.Array ? item.Value.EnumerateArray().ToList() : [item.Value];
            var number = 0;
            foreach (var report in reports)
            {
                var text = report.TextOrNull();
                yield return new ListedSample
                {
                    Id = dicom + (++number > 1 ? $"#{number}" : ""),
                    Image = image,
                    Text = text is null ? "" : ReportSections.Extract(text),
                    Place = item.Place,
                    Patient = patient,
                    AnyEdition = true,
                    Study = study,
                    Split = _splitFile is null ? CaptionList.SplitOfName(_list) : splits.GetValueOrDefault(dicom).Split,
                    Problem = item.Key is null ? "the file is a list where {picture: [report, ...]} is wanted"
                        : text is null ? "a report is no text" : splits.GetValueOrDefault(dicom).Problem,
                };
            }
        }
    }
}
