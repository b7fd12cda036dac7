using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;

namespace Pfmvg.Tests.Data;

/// <summary>What `data check` calls an error `data prepare` refuses, and the reverse.</summary>
public sealed class EntryRulesTests : IDisposable
{
    private const string Good = "Edema,edema,files/p10/p10000000/s50000000/d0.jpg,1,1,5,5,40,30,d0";
    private const string Metadata = "mimic-cxr-2.0.0-metadata.csv.gz", Head = "dicom_id,subject_id,study_id,ViewPosition,Rows,Columns\n";

    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private static IReadOnlyList<string> Errors(DataSources sources) =>
    [
        .. DataCheck.Run(new CheckOptions { Sources = sources }, cancel: TestContext.Current.CancellationToken).Findings
            .Where(finding => finding.Level == FindingLevel.Error).Select(finding => finding.Kind),
    ];

    private string? Refusal(DataSources sources, SplitRule split = SplitRule.Ratio)
    {
        try
        {
            StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = sources, Split = split });
            return null;
        }
        catch (InputException refusal)
        {
            return refusal.Message;
        }
    }

    private DataSources Phrases(string rows, string columns = "")
    {
        _tree.Picture("files/p10/p10000000/s50000000/d0.jpg");
        _tree.Picture("files/p10/p10000000/s50000000/d1.jpg", shade: 1);
        _tree.Write("files/p10/p10000000/s50000000/broken.jpg", "no picture");
        return new DataSources { MsCxr = _tree.Write("ms.csv", $"{StudyTree.MsCxrHeader}{columns}\n{rows}\n") };
    }

    [Theory]
    [InlineData(Good, null)]
    [InlineData(Good + "\nEdema,right,files/p10/p10000000/s50000000/d0.jpg,1,1,5,5,80,60,d0", "size-mismatch")]
    [InlineData("Edema,edema,files/p10/p10000000/s50000000/d0.jpg,1,1,5,5,30,40,d0", "size-mismatch")]
    [InlineData("Edema,edema,files/p10/p10000000/s50000000/d0.jpg,1,1,5,5,,30,d0", "size-missing")]
    [InlineData(Good + "\nEdema,gone,files/p10/p10000000/s50000000/gone.jpg,1,1,90,5,40,30,gone", "box-outside")]
    [InlineData("Edema,edema,files/p10/p10000000/s50000000/d0.jpg,1,1,0,5,40,30,d0", "box-empty")]
    [InlineData(Good + "\nEdema,x,files/p10/p10000000/s50000000/broken.jpg,1,1,5,5,40,30,broken", "unreadable-picture")]
    [InlineData(Good + "\nEdema,x,../x.jpg,1,1,5,5,40,30,x", "path-refused")]
    [InlineData(Good + "\nEdema,x,files/p10/p10000000/s50000000/d1.jpg,1,1,5,5,40,30,", "malformed-entry")]
    [InlineData(Good + "\nEdema,x,files/p10/p10000000/s50000000/d1.jpg,1,1,5,5,40,30,d0", "malformed-entry")]
    [InlineData("Edema,edema,files/p10/p10000000/s50000000/gone.jpg,1,1,5,5,40,30,gone", "no-picture")]
    [InlineData("", "nothing-usable")]
    [InlineData(Good + "\nEdema,x,files/p10/p10000000/s50000000/d1.jpg,1,5,1,5,5,40,30,d1", "malformed-entry")]
    public void An_error_of_the_check_is_a_refusal_of_the_preparation_and_the_reverse(string rows, string? kind)
    {
        var sources = Phrases(rows);
        Assert.Equal(kind is null ? [] : [kind], Errors(sources));
        Assert.Equal(kind is null, Refusal(sources) is null);
    }

    [Theory]
    [InlineData("a,10000000,50000000,AP,30,40\n", "a,train", null)]
    [InlineData("a,10000000,50000000,AP,60,80\n", "a,train", null)]
    [InlineData("a,10000000,50000000,AP,30,40\na,10000000,50000000,AP,31,40\n", "a,train", "duplicate-id")]
    [InlineData("a,10000000,50000000,AP,30,40\n,10000000,50000000,AP,30,40\n", "a,train", "malformed-entry")]
    [InlineData("a,10000000,50000000,AP,30,40\nb,10000000,50000000,AP,30,40\n", "a,train\na,test\nb,train", "malformed-entry")]
    [InlineData("a,10000000,50000000,AP,30,40\nb,10000000,50000000,AP,30,40\n", "a,train\nb,test", "patient-crosses-splits")]
    [InlineData("a,10000000,50000000,AP,30,40\nb,x,50000000,LATERAL,30,40\n", "a,train\nb,train", "malformed-entry")]
    [InlineData("a,10000000,50000000,AP,30,40\nb,10000000,50000000,AP,30,40\n", "a,train\nb,training", "malformed-entry")]
    [InlineData("a,10000000,50000000,AP,30,40\n", "", "nothing-usable")]
    public void Captions_are_under_the_same_rules(string rows, string splits, string? kind)
    {
        _tree.Picture("files/p10/p10000000/s50000000/a.jpg");
        _tree.Picture("files/p10/p10000000/s50000000/b.jpg", shade: 1);
        _tree.Write("files/p10/p10000000/s50000000.txt", " FINDINGS: clear.\n");
        _tree.Write(Metadata, Head + rows);
        _tree.Write("mimic-cxr-2.0.0-split.csv.gz", "dicom_id,split\n" + splits + "\n");
        var sources = new DataSources { Mimic = _tree.Root };
        if (kind is null) Assert.Empty(Errors(sources));
        else Assert.Contains(kind, Errors(sources));
        Assert.Equal(kind is null, Refusal(sources) is null);
    }

    [Fact]
    public void Resized_copies_of_pictures_without_boxes_are_counted_and_used_and_those_with_boxes_are_refused()
    {
        _tree.Picture("files/p10/p10000000/s50000000/a.jpg");
        _tree.Picture("files/p10/p10000000/s50000000/b.jpg", shade: 1);
        _tree.Write("files/p10/p10000000/s50000000.txt", " FINDINGS: clear.\n");
        _tree.Write(Metadata, Head + "a,10000000,50000000,AP,60,80\nb,10000000,50000000,AP,30,40\n");
        _tree.Write("mimic-cxr-2.0.0-split.csv.gz", "dicom_id,split\na,train\nb,train\n");
        var sources = new DataSources { Mimic = _tree.Root };
        var found = DataCheck.Run(new CheckOptions { Sources = sources }, cancel: TestContext.Current.CancellationToken).Findings;
        Assert.Equal((FindingLevel.Warning, 1), (found.Single(finding => finding.Kind == "resized-picture").Level, found[0].Count));
        var report = StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = sources });
        Assert.Equal(2, report.Sources["mimic-cxr"].Kept);
        Assert.Contains("1 pictures of mimic-cxr have another size than its list says (resized copies?); they carry no boxes and are used "
            + "as they are.", report.Notes);

        var phrases = Phrases("Edema,edema,files/p10/p10000000/s50000000/d0.jpg,1,1,5,5,80,60,d0");
        Assert.Contains("its boxes are in another coordinate space; this seems to be a resized copy", Refusal(phrases),
            StringComparison.Ordinal);
        phrases = Phrases("Edema,edema,files/p10/p10000000/s50000000/d0.jpg,1,1,5,5,80,90,d0");
        Assert.DoesNotContain("resized", Refusal(phrases), StringComparison.Ordinal);
    }

    [Fact]
    public void An_official_split_that_crosses_patients_is_judged_by_check_and_prepare_as_the_user_says_what_it_is_for()
    {
        var sources = Phrases($"{Good},train\nEdema,x,files/p10/p10000000/s50000000/d1.jpg,1,1,5,5,40,30,d1,test", ",split");
        var options = new PrepareOptions { Output = _tree["prepared"], Sources = sources, OfficialMustHold = true };
        Assert.Equal($"{_tree["ms.csv"]}:3: the patient is in train and test of the list's official split; put the list right, divide the "
            + "patients at random with '--split ratio', or leave such samples out with '--bad skip' ('pfmvg data check' lists all).",
            Assert.Throws<InputException>(() => StudyTree.Prepare(options)).Message);
        Assert.Equal(FindingLevel.Error, Level(null));
        Assert.Equal(FindingLevel.Error, Level(SplitRule.Official));
        Assert.Equal(FindingLevel.Warning, Level(SplitRule.Ratio));
        Assert.Contains("1 patients of ms-cxr are in several parts of its list's official split, which is not used here.",
            StudyTree.Prepare(options with { OfficialMustHold = false }).Notes);
        var skipped = StudyTree.Prepare(options with { Bad = BadSamples.Skip }).Sources["ms-cxr"];
        Assert.Equal((1, 1), (skipped.Kept, skipped.Bad));

        FindingLevel Level(SplitRule? rule) => DataCheck.Run(new CheckOptions { Sources = sources, Split = rule },
            cancel: TestContext.Current.CancellationToken).Findings.Single(finding => finding.Kind == "patient-crosses-splits").Level;
    }

    [Fact]
    public void What_a_list_says_twice_or_not_at_all_is_never_silent()
    {
        var sources = Phrases(Good);
        _tree.Write("ms.csv", $"{StudyTree.MsCxrHeader},X\n{Good},9\n");
        Assert.Contains("ms.csv:1: the column x stands there twice", Refusal(sources), StringComparison.Ordinal);
        Assert.Equal(["unreadable-list", "nothing-usable"], Errors(sources).Where(kind => kind != "no-picture"));

        _tree.Picture("pictures/a.png");
        _tree.Write("grounded_reports_1.json", """
            [{"ImageID": "a.png", "findings": [{"sentence_en": "x", "boxes": [[0.1, 0.1, 0.5, 0.5]], "boxes": []}]}]
            """);
        _tree.Write("master_table.csv", "ImageID,PatientID,split\na.png,1,train\n");
        Assert.Contains("item 1, findings[0]: the name 'boxes' stands twice", Refusal(new DataSources { PadChestGr = _tree.Root }),
            StringComparison.Ordinal);

        _tree.Picture("train/a.jpg");
        _tree.Write("caption_prediction_train.csv", "ID\tcaption\na\tclear\n");
        var empty = _tree.Write("caption_prediction_valid.csv", "ID\tcaption\n");
        var clef = new DataSources { ImageClef = _tree.Root };
        var report = StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = clef });
        Assert.Contains($"{empty} lists nothing; is the file whole?", report.Notes);
        File.Delete(empty);
        Directory.CreateDirectory(empty);
        Assert.Contains("this is a folder where a file is wanted", Refusal(new DataSources { ImageClef = _tree.Root }),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"text\":\"x\"", "\"text\":null", "refer.train.jsonl:1: 'text' is null")]
    [InlineData("\"text\":\"x\"", "\"text\":\"x\",\"text\":\"y\"", "refer.train.jsonl:1: the name 'text' stands twice")]
    [InlineData("\"own\"", "null", "refer.train.jsonl:1: 'source' is null")]
    public void A_manifest_that_was_edited_is_refused_with_its_line(string from, string to, string said)
    {
        for (var i = 0; i < 3; i++) _tree.Picture($"{i}.jpg", shade: i);
        var list = _tree.Write("list.jsonl", string.Concat(Enumerable.Range(0, 3).Select(i =>
            $"{{\"image\":\"{i}.jpg\",\"phrase\":\"x\",\"boxes\":[[1,1,5,5]],\"Split\":\"test\"}}\n")));
        var report = StudyTree.Prepare(new PrepareOptions
        {
            Output = _tree["prepared"],
            Sources = new DataSources { Own = list, OwnFormat = "jsonl" },
        });
        Assert.Contains("The name 'Split' in own is passed over: it must be written 'split'.", report.Notes);
        var manifest = _tree["prepared", "refer.train.jsonl"];
        File.WriteAllText(manifest, File.ReadAllText(manifest).Replace(from, to, StringComparison.Ordinal));
        Assert.Contains(said, Assert.Throws<InputException>(() =>
            PreparedData.Open(_tree["prepared"]).Read(SampleTask.Refer, Split.Train)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_of_splits_is_judged_by_the_check_as_by_the_preparation()
    {
        var sources = Phrases($"{Good}\nEdema,x,files/p10/p10000000/s50000000/d1.jpg,1,1,5,5,40,30,d1");
        var list = _tree.Write("list.csv", "dicom_id,split\nd0,train\nd1,validate\n");
        Assert.Empty(Errors(sources));
        Assert.Equal("patient-crosses-splits", Assert.Single(DataCheck.Run(
            new CheckOptions { Sources = sources, Split = SplitRule.List, SplitFile = list },
            cancel: TestContext.Current.CancellationToken).Findings, finding => finding.Level == FindingLevel.Error).Kind);
    }

    [Fact]
    public void A_picture_whose_middle_is_broken_is_refused_as_the_check_refuses_it()
    {
        _tree.Picture("train/radiology/images/ROCO_1.jpg");
        var path = _tree["train", "radiology", "images", "ROCO_2.jpg"];
        var png = Imaging.Formats.PngWriter.Write(0, 8, [.. Enumerable.Range(0, 60).Select(y => Enumerable.Range(0, 60)
            .Select(x => x * y % 251).ToArray())]);
        png[png.Length / 2] ^= 0xff;
        File.WriteAllBytes(path, png);
        _tree.Write("train/radiology/captions.txt", "ROCO_1\tone\nROCO_2\ttwo\n");
        var sources = new DataSources { Roco = _tree.Root };
        Assert.Equal(["unreadable-picture"], Errors(sources));
        Assert.Contains("ROCO_2.jpg: ", Refusal(sources), StringComparison.Ordinal);
    }

    [Fact]
    public void A_patient_in_two_splits_is_refused_unless_the_official_split_is_not_used()
    {
        var sources = Phrases($"{Good},train\nEdema,x,files/p10/p10000000/s50000000/d1.jpg,1,1,5,5,40,30,d1,test", ",split");
        Assert.Equal(["patient-crosses-splits"], Errors(sources));
        Assert.Equal($"{_tree["ms.csv"]}:3: the patient is in train and test; put the list right, or leave such samples out with "
            + "'--bad skip' ('pfmvg data check' lists all).", Refusal(sources, SplitRule.Official));
        var options = new PrepareOptions
        {
            Output = _tree["prepared"], Sources = sources, Split = SplitRule.List,
            SplitFile = _tree.Write("list.csv", "dicom_id,split\nd0,train\nd1,validate\n"),
        };
        Assert.Contains($"the patient is in train and validate by {_tree["list.csv"]}",
            Assert.Throws<InputException>(() => StudyTree.Prepare(options)).Message, StringComparison.Ordinal);
        var skipped = StudyTree.Prepare(options with { Bad = BadSamples.Skip }).Sources["ms-cxr"];
        Assert.Equal((1, 1), (skipped.Kept, skipped.Bad));
        Assert.Contains(StudyTree.Prepare(options with { Split = SplitRule.Ratio }).Notes,
            note => note.StartsWith("1 patients of ms-cxr are in another split here than in the official one", StringComparison.Ordinal));
    }

    [Fact]
    public void A_line_without_a_tab_is_refused_without_its_caption()
    {
        _tree.Write("train/radiology/captions.txt", "ROCO_1\tone\nSECRET finding of the patient\nSECRET again\n\tSECRET, nameless\n");
        _tree.Picture("train/radiology/images/ROCO_1.jpg");
        var sources = new DataSources { Roco = _tree.Root };
        var report = DataCheck.Run(new CheckOptions { Sources = sources }, cancel: TestContext.Current.CancellationToken);
        var finding = Assert.Single(report.Findings, finding => finding.Level == FindingLevel.Error);
        Assert.Equal(("malformed-entry", 3), (finding.Kind, finding.Count));
        var skipped = StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = sources, Bad = BadSamples.Skip });
        var said = string.Join('\n', [.. finding.Cases.Select(one => one.ToString()), Refusal(sources)!,
            .. skipped.Sources["roco"].Examples]);
        Assert.DoesNotContain("SECRET", said, StringComparison.Ordinal);
        Assert.Contains("captions.txt:2: the line has no tab", said, StringComparison.Ordinal);
        Assert.Equal((1, 3), (skipped.Sources["roco"].Kept, skipped.Sources["roco"].Bad));
    }
}
