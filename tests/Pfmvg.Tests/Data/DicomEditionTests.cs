using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Exporting;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Imaging;

namespace Pfmvg.Tests.Data;

/// <summary>Data sets whose pictures are DICOM, all of them or some.</summary>
public sealed class DicomEditionTests : IDisposable
{
    private const string Study = "files/p10/p10000032/s50414267";

    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private PreparedData Prepare(DataSources sources, DicomGray dicom = DicomGray.Window, bool hash = true)
    {
        StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = sources, Dicom = dicom, Hash = hash });
        return PreparedData.Open(_tree["prepared"]);
    }

    private static IReadOnlyList<Sample> All(PreparedData data, SampleTask task) =>
        [.. Enum.GetValues<Split>().SelectMany(split => data.Read(task, split))];

    private static CheckReport Check(DataSources sources, DicomGray dicom = DicomGray.Window) =>
        DataCheck.Run(new CheckOptions { Sources = sources, Dicom = dicom }, cancel: TestContext.Current.CancellationToken);

    [Theory]
    [InlineData(".dcm"), InlineData(".DCM"), InlineData(".dicom"), InlineData("")]
    public void Lists_of_the_JPEG_edition_are_read_with_DICOM_pictures(string ending)
    {
        _tree.Dicom($"{Study}/d0{ending}");
        _tree.Picture($"{Study}/d1.jpg");
        _tree.Write("MS_CXR_Local_Alignment_v1.0.0.csv", StudyTree.MsCxrHeader + "\n"
            + $"Edema,edema,{Study}/d0.jpg,1,2,3,4,40,30,d0\nEdema,other,{Study}/d1.jpg,1,2,3,4,40,30,d1\n");
        _tree.Write("mimic-cxr-2.0.0-metadata.csv.gz", "dicom_id,subject_id,study_id,ViewPosition,Rows,Columns\n"
            + "d0,10000032,50414267,PA,30,40\nd1,10000032,50414267,AP,30,40\n");
        _tree.Write("mimic-cxr-2.0.0-split.csv.gz", "dicom_id,split\nd0,train\nd1,train\n");
        _tree.Write($"{Study}.txt", "FINDINGS: Edema.");
        foreach (var hash in new[] { true, false })
        {
            var data = Prepare(new DataSources { MsCxr = _tree.Root }, hash: hash);
            var phrases = All(data, SampleTask.Refer);
            Assert.Equal([$"{Study}/d0{ending}", $"{Study}/d1.jpg"], phrases.Select(sample => sample.Image).Order());
            Assert.Equal(["ms-cxr/d0#1", "ms-cxr/d1#1"], phrases.Select(sample => sample.Id).Order());
            Assert.All(phrases, sample => Assert.Equal(sample.Id == "ms-cxr/d0#1", sample.Dicom));
            Assert.All(phrases, sample => Assert.True(File.Exists(data.ImagePath(sample))));
            var captions = All(Prepare(new DataSources { Mimic = _tree.Root }, hash: hash), SampleTask.Caption);
            Assert.Equal([$"{Study}/d0{ending}", $"{Study}/d1.jpg"], captions.Select(sample => sample.Image));
        }

        var report = Check(new DataSources { MsCxr = _tree.Root, Mimic = _tree.Root });
        Assert.All(report.Sets, set => Assert.Equal(1, set.Counts.Single(count => count.What == "DICOM pictures").Count));
        Assert.DoesNotContain(report.Findings, finding => finding.Kind is "missing-picture" or "unreadable-picture");
    }

    [Theory]
    [InlineData(".csv"), InlineData(".csv.gz")]
    public void The_DICOM_edition_without_metadata_is_read_from_its_record_list(string ending)
    {
        _tree.Dicom($"{Study}/d0.dcm");
        _tree.Write("cxr-record-list" + ending, $"subject_id,study_id,dicom_id,path\n10000032,50414267,d0,{Study}/d0.dcm\n");
        _tree.Write($"{Study}.txt", "FINDINGS: Edema.");
        Assert.Contains("mimic-cxr-2.*-split.csv.gz",
            Assert.Throws<InputException>(() => Prepare(new DataSources { Mimic = _tree.Root })).Message, StringComparison.Ordinal);
        _tree.Write("mimic-cxr-2.0.0-split.csv", "dicom_id,split\nd0,train\n");
        var sources = DataSources.FindIn(_tree.Root);
        var report = StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = sources });
        Assert.Contains(report.Notes, note => note.Contains("tells no views", StringComparison.Ordinal));
        var sample = Assert.Single(All(PreparedData.Open(_tree["prepared"]), SampleTask.Caption));
        Assert.Equal(($"{Study}/d0.dcm", 40, 30, "Edema.", true),
            (sample.Image, sample.Width, sample.Height, sample.Text, sample.Dicom));
    }

    [Fact]
    public void Absent_pictures_of_MIMIC_are_said_to_be_looked_for_in_both_editions()
    {
        _tree.Write("MS_CXR_Local_Alignment_v1.0.0.csv", $"{StudyTree.MsCxrHeader}\nEdema,edema,{Study}/d0.jpg,1,2,3,4,40,30,d0\n");
        var message = Assert.Throws<InputException>(() => Prepare(new DataSources { MsCxr = _tree.Root })).Message;
        Assert.Contains("none of the 1 pictures that ms-cxr lists is here, neither as JPEG or PNG nor as DICOM (.dcm, .dicom or no "
            + "extension)", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.png", "pictures/a.dcm"), InlineData("a", "pictures/a.dcm"), InlineData("1.2.3_4-5.png", "pictures/1.2.3_4-5")]
    [InlineData("1.2.3_4-5", "pictures/1.2.3_4-5"), InlineData("1.2.3_4-6.png", "1.2.3_4-6.png"), InlineData("b.jpg", "b.png")]
    [InlineData("none", "none.png")]
    public void A_picture_is_found_by_its_name_whatever_its_format(string listed, string found)
    {
        foreach (var name in new[] { "a.dcm", "1.2.3_4-5", "b.dicom" }) _tree.Dicom("pictures/" + name);
        _tree.Picture("b.png");
        Assert.Equal(found, new PictureIndex(_tree.Root).Find(listed, out var problem));
        Assert.Null(problem);
    }

    [Fact]
    public void A_list_of_ones_own_may_name_pictures_of_every_kind_and_files_named_by_numbers()
    {
        _tree.Dicom("pictures/1.2.826.0.1");
        _tree.Dicom("pictures/1.2.826.0.2", inverted: true);
        _tree.Dicom("pictures/c.DCM");
        _tree.Picture("pictures/d.jpg");
        var names = new[] { "1.2.826.0.1", "1.2.826.0.2", "c.DCM", "d.jpg" };
        _tree.Write("own.jsonl", string.Concat(names.Select(name =>
            $"{{\"image\": \"pictures/{name}\", \"phrase\": \"edema\", \"boxes\": [[1, 2, 30, 20]]}}\n")));
        var samples = All(Prepare(new DataSources { Own = _tree["own.jsonl"], OwnFormat = "jsonl" }), SampleTask.Refer);
        Assert.Equal(names.Select(name => "pictures/" + name), samples.Select(sample => sample.Image).Order(StringComparer.Ordinal));
        Assert.Equal(4, samples.Select(sample => sample.Id).Distinct().Count());
        Assert.Equal(3, samples.Count(sample => sample.Dicom));
    }

    [Fact]
    public void The_check_counts_pictures_without_a_window_that_were_stretched()
    {
        for (var i = 0; i < 5; i++) _tree.Dicom($"train/p{i}.dicom", window: i > 1);
        _tree.Write("annotations_train.csv", "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\n"
            + string.Concat(Enumerable.Range(0, 5).Select(i => $"p{i},R8,Edema,1,1,9,9\np{i},R9,Edema,1,1,9,9\n")));
        var sources = new DataSources { VinDr = _tree.Root };
        var stretched = Check(sources).Findings.Single(finding => finding.Kind == "dicom-stretched");
        Assert.Equal((FindingLevel.Note, 2), (stretched.Level, stretched.Count));
        Assert.All(stretched.Cases, found => Assert.Contains("no window", found.Detail, StringComparison.Ordinal));
        Assert.DoesNotContain(Check(sources, DicomGray.Full).Findings, finding => finding.Kind == "dicom-stretched");
    }

    [Fact]
    public void Caches_of_one_rule_are_never_read_by_another()
    {
        _tree.Dicom("train/a.dicom");
        _tree.Write("annotations_train.csv", "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\na,R8,Edema,1,1,9,9\n");
        var data = Prepare(new DataSources { VinDr = _tree.Root });
        var sample = Assert.Single(data.Read(SampleTask.Refer, Split.Train));
        var seen = new Dictionary<DicomGray, byte[]>();
        for (var round = 0; round < 2; round++)
            foreach (var dicom in Enum.GetValues<DicomGray>())
            {
                var loader = new SampleLoader(data, new LoaderOptions { Size = 28, Cache = _tree["cache"], Dicom = dicom });
                var pixels = loader.Whole(sample, new DecodeBuffer()).Image!.Pixels.ToArray();
                var fresh = ImageTransform.Resize(ImageFile.Decode(data.ImagePath(sample), dicom: dicom), 28).Pixels;
                Assert.True(fresh.SequenceEqual(pixels));
                Assert.Equal(seen.GetValueOrDefault(dicom, pixels), pixels);
                seen[dicom] = pixels;
            }

        Assert.Equal(3, seen.Values.Select(Convert.ToHexString).Distinct().Count());
        Assert.Equal(["28", "28-full", "28-histogram"], Directory.GetDirectories(_tree["cache"]).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void What_is_known_of_a_picture_by_one_rule_is_examined_again_for_another()
    {
        var path = _tree.Dicom("train/a.dicom");
        var (length, written) = (new FileInfo(path).Length, File.GetLastWriteTimeUtc(path));
        _tree.Write("annotations_train.csv", "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\na,R8,Edema,1,1,9,9\n");
        var sources = new DataSources { VinDr = _tree.Root };
        Prepare(sources, DicomGray.Full);
        File.WriteAllBytes(path, new byte[length]); // what is no picture any more, unseen by who only looks at length and time
        File.SetLastWriteTimeUtc(path, written);
        Assert.True(Assert.Single(Prepare(sources, DicomGray.Full).Read(SampleTask.Refer, Split.Train)).Dicom);
        Assert.Contains("a.dicom", Assert.Throws<InputException>(() => Prepare(sources)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_export_holds_the_pixels_of_DICOM_pictures_as_PNG_and_nothing_of_their_headers()
    {
        _tree.Dicom("1.2.3.4");
        _tree.Dicom("1.2.3.5", inverted: true);
        _tree.Picture("c.jpg");
        _tree.Write("own.jsonl", string.Concat(new[] { "1.2.3.4", "1.2.3.5", "c.jpg" }.Select(name =>
            $"{{\"image\": \"{name}\", \"phrase\": \"edema\", \"boxes\": [[1, 2, 30, 20]], \"split\": \"train\"}}\n")));
        var data = Prepare(new DataSources { Own = _tree["own.jsonl"], OwnFormat = "jsonl" });
        var report = ExportFiles.Write(data, "coco", _tree["out"], OwnReader.UsualQuestion, DicomGray.Full,
            TestContext.Current.CancellationToken);
        Assert.Contains(report.Notes, note => note.StartsWith("2 DICOM pictures are 8-bit PNG here, gray by --dicom full",
            StringComparison.Ordinal));
        foreach (var name in new[] { "1.2.3.4", "1.2.3.5" })
        {
            var (written, seen) = (ImageFile.Decode(_tree["out", "pictures", "own", name + ".png"]),
                ImageFile.Decode(_tree[name], dicom: DicomGray.Full));
            Assert.Equal((40, 30, 1), (written.Width, written.Height, written.Channels));
            Assert.True(written.Pixels.SequenceEqual(seen.Pixels));
        }

        Assert.True(File.ReadAllBytes(_tree["out", "pictures", "own", "c.jpg"]).AsSpan().SequenceEqual(File.ReadAllBytes(_tree["c.jpg"])));
        Assert.Contains("pictures/own/1.2.3.5.png", File.ReadAllText(_tree["out", "instances_train.json"]), StringComparison.Ordinal);
    }
}
