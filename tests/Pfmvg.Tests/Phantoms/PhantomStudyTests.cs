using System.Globalization;
using System.IO.Compression;
using System.Text.Json.Nodes;
using Pfmvg.Geometry;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Tests.Support;
using SkiaSharp;

namespace Pfmvg.Tests.Phantoms;

/// <summary>One study of 60 patients, small pictures, for all tests below.</summary>
public sealed class WrittenStudy : IDisposable
{
    public WrittenStudy() => Summary = PhantomStudy.Write(Folder, new() { Seed = 3, Patients = 60, ImageWidth = 120, ImageHeight = 144 });

    public string Folder { get; } = Path.Combine(Path.GetTempPath(), $"phantom-{Guid.NewGuid():N}");

    public PhantomSummary Summary { get; }

    /// <summary>The rows of MS-CXR 1.1.0 by column.</summary>
    public IReadOnlyList<Dictionary<string, string>> Rows => field ??= Table("ms-cxr/MS_CXR_Local_Alignment_v1.1.0.csv");

    public string At(string path) => Path.Combine(Folder, path);

    public List<Dictionary<string, string>> Table(string path, char separator = ',')
    {
        using var stream = File.OpenRead(At(path));
        using var reader = new StreamReader(path.EndsWith(".gz", StringComparison.Ordinal)
            ? new GZipStream(stream, CompressionMode.Decompress) : stream);
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var header = lines[0].Split(separator);
        return lines[1..].Select(line => line.Split(separator)).Select(cells =>
        {
            Assert.Equal(header.Length, cells.Length);
            return header.Zip(cells).ToDictionary(cell => cell.First, cell => cell.Second);
        }).ToList();
    }

    public static Box BoxOf(Dictionary<string, string> row) =>
        Box.FromXywh(Number(row, "x"), Number(row, "y"), Number(row, "w"), Number(row, "h"));

    public static int Number(Dictionary<string, string> row, string column) => int.Parse(row[column], CultureInfo.InvariantCulture);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

public class PhantomStudyTests(WrittenStudy study) : IClassFixture<WrittenStudy>
{
    private static readonly string[] Classes = Enum.GetValues<FindingClass>().Select(Finding.NameOf).ToArray();

    [Fact]
    public void The_same_seed_gives_the_same_bytes_with_any_number_of_workers()
    {
        using var parent = new TemporaryFolder();
        var options = new PhantomOptions { Seed = 12, Patients = 5, ImageWidth = 96, ImageHeight = 112, Workers = 1 };
        var (one, three, other) = (parent.In("one"), parent.In("three"), parent.In("other"));
        Write(one, options);
        Write(three, options with { Workers = 3 });
        Write(other, options with { Seed = 13 });
        Assert.Equal(Content(one), Content(three));
        Assert.NotEqual(Content(one), Content(other));
    }

    [Fact]
    public void A_folder_in_use_is_refused_and_untouched()
    {
        using var parent = new TemporaryFolder();
        var folder = parent.In("study");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "mine"), "");
        var error = Assert.Throws<InputException>(() => Write(folder, new() { Patients = 1 }));
        Assert.Contains(folder, error.Message, StringComparison.Ordinal);
        Assert.Equal(["mine"], Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_cancelled_study_leaves_nothing_behind()
    {
        using var parent = new TemporaryFolder();
        using var cancel = new CancellationTokenSource();
        var folder = parent.In("study");
        var progress = new Callback(_ => cancel.Cancel());
        var options = new PhantomOptions { Patients = 5, ImageWidth = 64, ImageHeight = 64 };
        Assert.ThrowsAny<OperationCanceledException>(() => PhantomStudy.Write(folder, options, progress, cancel.Token));
        Assert.Empty(Directory.EnumerateFileSystemEntries(parent.Path));
    }

    [Theory]
    [InlineData(0, 320)]
    [InlineData(5, 10)]
    public void An_option_out_of_range_is_wrong_input(int patients, int width) => Assert.Throws<InputException>(() =>
        Write(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), new() { Patients = patients, ImageWidth = width }));

    [Fact]
    public void Csv_and_json_of_both_releases_have_the_official_columns_and_agree()
    {
        string[] columns = ["category_name", "label_text", "path", "x", "y", "w", "h", "image_width", "image_height", "dicom_id"];
        foreach (var version in (string[])["1.0.0", "1.1.0"])
        {
            var rows = study.Table($"ms-cxr/MS_CXR_Local_Alignment_v{version}.csv");
            Assert.Equal(version == "1.1.0" ? [.. columns, "split"] : columns, rows[0].Keys);
            var json = JsonNode.Parse(File.ReadAllText(study.At($"ms-cxr/MS_CXR_Local_Alignment_v{version}.json")))!;
            Assert.Equal(version, (string?)json["info"]!["version"]);
            var names = json["categories"]!.AsArray().ToDictionary(c => (int)c!["id"]!, c => (string)c!["name"]!);
            var images = json["images"]!.AsArray().ToDictionary(i => (int)i!["id"]!, i => i!);
            var annotations = json["annotations"]!.AsArray();
            Assert.Equal(rows.Count, annotations.Count);
            foreach (var (row, annotation) in rows.Zip(annotations))
            {
                var image = images[(int)annotation!["image_id"]!];
                var box = annotation["bbox"]!.AsArray().Select(n => (double)n!).ToArray();
                Assert.Equal(row["category_name"], names[(int)annotation["category_id"]!]);
                Assert.Equal(row["label_text"], (string?)annotation["label_text"]);
                Assert.Equal(row["path"], (string?)image["path"]);
                Assert.Equal(row["dicom_id"] + ".jpg", (string?)image["file_name"]);
                Assert.Equal((WrittenStudy.Number(row, "image_width"), WrittenStudy.Number(row, "image_height")),
                    ((int)image["width"]!, (int)image["height"]!));
                Assert.Equal(WrittenStudy.BoxOf(row), Box.FromXywh(box[0], box[1], box[2], box[3]));
                if (version == "1.1.0") Assert.Equal(row["split"], (string?)annotation["split"]);
            }
        }
    }

    [Fact]
    public void Every_picture_exists_is_gray_has_the_annotated_size_and_contains_its_boxes()
    {
        foreach (var group in study.Rows.GroupBy(row => row["path"]))
        {
            using var codec = SKCodec.Create(study.At("mimic-cxr-jpg/" + group.Key));
            Assert.Equal((SKEncodedImageFormat.Jpeg, SKColorType.Gray8), (codec.EncodedFormat, codec.Info.ColorType));
            foreach (var row in group)
            {
                var (width, height) = (WrittenStudy.Number(row, "image_width"), WrittenStudy.Number(row, "image_height"));
                Assert.Equal((width, height), (codec.Info.Width, codec.Info.Height));
                Assert.False(WrittenStudy.BoxOf(row).IsEmpty);
                Assert.Equal(WrittenStudy.BoxOf(row), WrittenStudy.BoxOf(row).Intersect(new(0, 0, width, height)));
            }
        }
    }

    [Fact]
    public void Patients_never_cross_splits_and_splits_are_seven_one_two()
    {
        var splits = study.Rows.GroupBy(row => row["path"].Split('/')[2])
            .Select(patient => Assert.Single(patient.Select(row => row["split"]).Distinct())).ToList();
        Assert.Equal((60, 42, 6, 12), (splits.Count, splits.Count(s => s == "train"), splits.Count(s => s == "val"),
            splits.Count(s => s == "test")));
    }

    [Fact]
    public void Every_class_is_trained_and_tested_and_their_order_by_frequency_is_that_of_ms_cxr()
    {
        foreach (var split in (string[])["train", "test"])
            Assert.Equal(Classes.Order(), study.Rows.Where(row => row["split"] == split).Select(row => row["category_name"]).Distinct()
                .Order());
        var counts = study.Summary.Phrases;
        Assert.True(counts["Cardiomegaly"] > counts["Atelectasis"] && counts["Pneumothorax"] > counts["Edema"]
            && counts["Pneumonia"] > counts["Edema"]);
    }

    [Fact]
    public void A_phrase_names_one_finding_of_its_picture_and_pictures_have_several()
    {
        var phrases = study.Rows.GroupBy(row => (row["dicom_id"], row["label_text"].ToLowerInvariant().TrimEnd('.'))).ToList();
        foreach (var phrase in phrases)
        {
            Assert.Single(phrase.Select(row => row["category_name"]).Distinct());
            Assert.InRange(phrase.Count(), 1, 2);
            if (phrase.Count() == 2) Assert.True(WrittenStudy.BoxOf(phrase.First()).Intersect(WrittenStudy.BoxOf(phrase.Last())).IsEmpty);
        }

        Assert.InRange((double)phrases.Count / study.Summary.AnnotatedPictures, 3.0, 3.6);
        Assert.InRange((double)study.Rows.Count / phrases.Count, 1.05, 1.3);
        Assert.Contains(study.Rows.GroupBy(row => row["path"].Split('/')[2]),
            patient => patient.Select(row => row["dicom_id"]).Distinct().Count() > 1);
    }

    [Fact]
    public void Mimic_tables_name_every_picture_and_every_study_has_a_report()
    {
        var metadata = study.Table("mimic-cxr-jpg/mimic-cxr-2.0.0-metadata.csv.gz");
        var split = study.Table("mimic-cxr-jpg/mimic-cxr-2.0.0-split.csv.gz");
        Assert.Equal(["dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns"],
            metadata[0].Keys.Take(7));
        Assert.Equal(["dicom_id", "study_id", "subject_id", "split"], split[0].Keys);
        Assert.Equal(metadata.Select(row => row["dicom_id"]), split.Select(row => row["dicom_id"]));
        Assert.Superset(study.Rows.Select(row => row["dicom_id"]).ToHashSet(), metadata.Select(row => row["dicom_id"]).ToHashSet());
        Assert.Subset(new HashSet<string> { "train", "validate", "test" }, split.Select(row => row["split"]).ToHashSet());
        Assert.Subset(new HashSet<string> { "AP", "PA", "LATERAL", "" }, metadata.Select(row => row["ViewPosition"]).ToHashSet());
        Assert.Contains(metadata, row => row["ViewPosition"] == "LATERAL");
        Assert.True(split.GroupBy(row => row["subject_id"]).All(patient => patient.Select(row => row["split"]).Distinct().Count() == 1));
        Assert.True(metadata.Select(row => row["subject_id"]).Distinct().Count() > study.Summary.Patients);
        foreach (var row in metadata)
        {
            var home = study.At($"mimic-cxr-jpg/files/p{row["subject_id"][..2]}/p{row["subject_id"]}/s{row["study_id"]}");
            using var codec = SKCodec.Create($"{home}/{row["dicom_id"]}.jpg");
            Assert.Equal((WrittenStudy.Number(row, "Columns"), WrittenStudy.Number(row, "Rows")), (codec.Info.Width, codec.Info.Height));
            Assert.True(File.Exists(home + ".txt"));
        }

        foreach (var labeller in (string[])["chexpert", "negbio"])
        {
            var labels = study.Table($"mimic-cxr-jpg/mimic-cxr-2.0.0-{labeller}.csv.gz");
            Assert.Equal(16, labels[0].Count);
            Assert.Equal(metadata.Select(row => row["study_id"]).Distinct(), labels.Select(row => row["study_id"]));
            Assert.Subset(new HashSet<string> { "", "1.0", "0.0", "-1.0" },
                labels.SelectMany(row => row.Skip(2).Select(cell => cell.Value)).ToHashSet());
        }
    }

    [Fact]
    public void Reports_are_wrapped_and_some_have_sections()
    {
        var reports = Directory.EnumerateFiles(study.At("mimic-cxr-jpg/files"), "s*.txt", SearchOption.AllDirectories)
            .Select(File.ReadAllText).ToList();
        Assert.All(reports.SelectMany(report => report.TrimEnd('\n').Split('\n')),
            line => Assert.True(line.StartsWith(' ') && line.Length <= 80, line));
        Assert.Contains(reports, report => report.Contains("\n FINDINGS:", StringComparison.Ordinal)
            && report.Contains("\n IMPRESSION:", StringComparison.Ordinal));
        Assert.Contains(reports, report => !report.Contains("FINDINGS:", StringComparison.Ordinal)
            && report.Contains("IMPRESSION:", StringComparison.Ordinal));
        Assert.Contains(reports, report => !report.Contains("FINDINGS:", StringComparison.Ordinal)
            && !report.Contains("IMPRESSION:", StringComparison.Ordinal));
        Assert.Contains(reports, report => report.Contains("ADDENDUM", StringComparison.Ordinal));
        Assert.Contains(reports, report => report.Contains("___", StringComparison.Ordinal));
    }

    [Fact]
    public void Roco_has_captions_beside_its_pictures_and_keeps_other_pictures_apart()
    {
        var ids = new HashSet<string>();
        foreach (var split in (string[])["train", "validation", "test"])
        {
            foreach (var kind in (string[])["radiology", "non-radiology"])
            {
                var home = study.At($"roco/data/{split}/{kind}");
                var lines = File.ReadAllLines(home + "/captions.txt");
                Assert.NotEmpty(lines);
                foreach (var line in lines)
                {
                    var cells = line.Split("\t ");
                    Assert.Equal(2, cells.Length);
                    Assert.Matches("^ROCO_[0-9]{5}$", cells[0]);
                    Assert.True(ids.Add(cells[0]) && File.Exists($"{home}/images/{cells[0]}.jpg"));
                }
            }
        }
    }

    [Fact]
    public void ImageClef_shares_pictures_with_roco_byte_for_byte()
    {
        var roco = Directory.EnumerateFiles(study.At("roco"), "*.jpg", SearchOption.AllDirectories).Select(Hash).ToHashSet();
        var shared = 0;
        foreach (var split in (string[])["train", "valid"])
        {
            var rows = study.Table($"imageclef-2022/caption_prediction_{split}.csv", '\t');
            Assert.Equal(["ID", "caption"], rows[0].Keys);
            Assert.All(rows, row => Assert.NotEmpty(row["caption"]));
            shared += rows.Count(row => roco.Contains(Hash(study.At($"imageclef-2022/{split}/{row["ID"]}.jpg"))));
        }

        Assert.Equal(12, shared); // every fifth of 60
    }

    [Fact]
    public void Only_the_chosen_sets_are_written()
    {
        using var parent = new TemporaryFolder();
        var folder = parent.In("study");
        Write(folder, new() { Patients = 1, ImageWidth = 64, ImageHeight = 64, Sets = PhantomSets.MsCxr });
        Assert.Equal(["README.txt", "mimic-cxr-jpg", "ms-cxr"],
            Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Empty(Directory.EnumerateFiles(folder, "*.gz", SearchOption.AllDirectories));
    }

    private static void Write(string folder, PhantomOptions options) =>
        PhantomStudy.Write(folder, options, cancellationToken: TestContext.Current.CancellationToken);

    private static string Hash(string path) => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));

    private static List<(string Path, string Hash)> Content(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(path => (Path.GetRelativePath(folder, path), Hash(path)))
            .Order().ToList();

    private sealed class Callback(Action<PhantomProgress> report) : IProgress<PhantomProgress>
    {
        public void Report(PhantomProgress value) => report(value);
    }
}
