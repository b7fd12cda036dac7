using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>
/// PadChest-GR: `grounded_reports_*.json`, a list of {StudyID, ImageID, findings: [{sentence_en, abnormal, boxes, extra_boxes,
/// labels, ...}]} with boxes from 0 to 1, and `master_table.csv` with patients and splits. One listed sample per finding.
/// </summary>
internal sealed class PadChestGrReader : IDataSetReader
{
    private const string Pattern = "grounded_reports*.json";
    private const string Table = "master_table.csv";

    private readonly TextRepairs _repairs = new();
    private readonly string _reports, _table;
    private readonly bool _secondReader;
    private long _second, _unlocated;

    /// <summary>Finds the files.</summary>
    /// <param name="path">The data set's folder.</param>
    /// <param name="imageFolder">The folder that the pictures lie in or below; null: the data set's.</param>
    /// <param name="secondReader">Take `extra_boxes`, the second reader's, and only findings that have them.</param>
    /// <exception cref="InputException">There are no such files.</exception>
    public PadChestGrReader(string path, string? imageFolder = null, bool secondReader = false)
    {
        _reports = Find(path) ?? throw new InputException(
            $"{path}: there is no {Pattern}; name PadChest-GR's folder, which holds it and {Table}.");
        _table = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(_reports))!, Table);
        if (!File.Exists(_table))
            throw new InputException($"{_table}: there is no such file beside the reports, and it names patients and splits; "
                + "fetch it from PadChest-GR.");
        ImageFolder = imageFolder ?? Path.GetDirectoryName(_table)!;
        _secondReader = secondReader;
    }

    /// <inheritdoc/>
    public string Source => "padchest-gr";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Refer;

    /// <inheritdoc/>
    public string ImageFolder { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [_reports, _table];

    /// <inheritdoc/>
    public bool KeepsItsSplit => true;

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes =>
    [
        .. _repairs.Notes,
        .. _second == 0 ? Array.Empty<string>() : [_secondReader
            ? $"The boxes of padchest-gr are the second reader's (extra_boxes); {Units.Count(_second)} findings have "
                + "them, others are left out."
            : $"{Units.Count(_second)} findings of padchest-gr also have boxes of a second reader (extra_boxes), which are not used; "
                + "'--padchest-reader second' takes them instead."],
        .. _unlocated == 0 ? Array.Empty<string>()
            : [$"{Units.Count(_unlocated)} findings of padchest-gr are abnormal and have no box all the same."],
    ];

    /// <summary>The newest report file of a folder; null when there is none.</summary>
    internal static string? Find(string path) => !Directory.Exists(path) ? null
        : Directory.EnumerateFiles(path, Pattern).Order(StringComparer.Ordinal).LastOrDefault();

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read()
    {
        var pictures = new PictureIndex(ImageFolder);
        var owners = ReadTable();
        (_second, _unlocated) = (0, 0);
        foreach (var item in JsonItems.Read(_reports, _repairs))
        {
            var image = item.Text("ImageID") ?? "";
            string? problem = null;
            var path = image.Length == 0 ? "" : pictures.Find(image, out problem);
            var owner = owners.GetValueOrDefault(Path.GetFileNameWithoutExtension(image));
            var study = new ListedSample
            {
                Id = image.Length > 0 ? Path.GetFileNameWithoutExtension(image) : item.Place,
                Image = path,
                Text = "",
                Place = item.Place,
                Patient = owner.Patient,
                Study = item.Text("StudyID"),
                Split = owner.Split,
                ToPixels = Scale,
                Problem = image.Length == 0 ? "the study has no 'ImageID'" : problem ?? owner.Problem,
            };
            if (image.Length == 0 || item.Value.Member("findings") is not { ValueKind: JsonValueKind.Array } findings)
            {
                yield return study with { Problem = study.Problem ?? "the study has no list 'findings'" };
                continue;
            }

            foreach (var (index, finding) in findings.EnumerateArray().Index())
            {
                var extra = finding.Member("extra_boxes") is { ValueKind: JsonValueKind.Array } second
                    && second.GetArrayLength() > 0;
                if (extra) _second++;
                if (_secondReader && !extra) continue;
                yield return Finding(finding, _secondReader ? "extra_boxes" : "boxes", study with
                {
                    Id = $"{study.Id}#{index + 1}",
                    Place = $"{item.Place}, findings[{index}]",
                });
            }
        }
    }

    private static Box Scale(Box box, int width, int height) => box.Scale(width, height);

    private ListedSample Finding(JsonElement finding, string member, ListedSample study)
    {
        var text = finding.TextOf("sentence_en");
        var listed = finding.Member(member) is { ValueKind: JsonValueKind.Array } array
            ? array.EnumerateArray().Select(BoxOf).ToList() : null;
        if (listed is { Count: 0 } && finding.Member("abnormal") is { ValueKind: JsonValueKind.True }) _unlocated++;
        var labels = finding.Member("labels") is { ValueKind: JsonValueKind.Array } names
            ? names.EnumerateArray().Select(name => name.TextOrNull()).OfType<string>().ToList() : [];
        return study with
        {
            Text = text?.Trim() ?? "",
            Boxes = [.. (listed ?? []).Select(box => box ?? new Box(double.NaN, double.NaN, double.NaN, double.NaN))],
            Class = labels.FirstOrDefault(),
            Normal = finding.Member("abnormal") is { ValueKind: JsonValueKind.False },
            Problem = study.Problem ?? (text is null ? "the finding has no 'sentence_en'"
                : listed is null ? $"the finding has no list '{member}'; one without a place has an empty one"
                : listed.Exists(box => box is { Left: < 0 or > 1 } or { Top: < 0 or > 1 } or { Right: < 0 or > 1 }
                    or { Bottom: < 0 or > 1 }) ? $"a box of '{member}' is not from 0 to 1"
                : null),
        };
    }

    /// <summary>Four numbers; null when it is something else.</summary>
    private static Box? BoxOf(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 4
            && value.EnumerateArray().All(edge => edge.ValueKind == JsonValueKind.Number)
                ? new Box(value[0].GetDouble(), value[1].GetDouble(), value[2].GetDouble(), value[3].GetDouble()) : null;

    /// <summary>Patient and split of each picture; a picture has a row for each of its findings, which must agree.</summary>
    private Dictionary<string, (string? Patient, Split? Split, string? Problem)> ReadTable()
    {
        var owners = new Dictionary<string, (string? Patient, Split? Split, string? Problem)>();
        foreach (var row in CsvTable.Read(_table, _repairs, "ImageID", "PatientID", "split"))
        {
            if (row["ImageID"].Length == 0) continue;
            var name = Path.GetFileNameWithoutExtension(row["ImageID"]);
            var (patient, split) = (row["PatientID"].Length > 0 ? row["PatientID"] : null, SplitNames.Find(row["split"]));
            if (!owners.TryAdd(name, (patient, split, null)) && (owners[name].Patient, owners[name].Split) != (patient, split))
                owners[name] = owners[name] with { Problem = $"{row.Place}: the picture has another patient or split in a row before" };
            else if ((row.Problem ?? (SplitNames.IsUnknown(row["split"]) ? "the split is unknown" : null)) is { } wrong)
                owners[name] = owners[name] with { Problem = $"{row.Place}: {wrong}" };
        }

        return owners;
    }
}
