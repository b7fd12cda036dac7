using Pfmvg.Data;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

public sealed class ReaderTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void MsCxr_csv_and_json_list_the_same()
    {
        var csv = _tree.Write("csv/MS_CXR_Local_Alignment_v1.1.0.csv", StudyTree.MsCxrHeader + ",split\n" +
            "Lung Opacity,\"opacity, left \"\"base\"\"\nand right\"," +
            "files/p10/p10000032/s50414267/aa-bb.jpg,10,20,30,40,200,100,aa-bb,val\r\n" +
            "Edema,mild edema,files/p10/p10000032/s50414267/aa-bb.jpg,1.5,2,3,4,200,100,aa-bb,val\n");
        var json = _tree.Write("json/MS_CXR_Local_Alignment_v1.1.0.json", """
            {"info": {}, "categories": [{"id": 5, "name": "Lung Opacity"}, {"id": 7, "name": "Edema"}],
             "images": [{"id": 3, "file_name": "aa-bb.jpg", "path": "files/p10/p10000032/s50414267/aa-bb.jpg",
                         "width": 200, "height": 100, "split": "val"}],
             "annotations": [{"id": 1, "image_id": 3, "category_id": 5, "bbox": [10, 20, 30, 40],
                              "label_text": "opacity, left \"base\"\nand right"},
                             {"id": 2, "image_id": 3, "category_id": 7, "bbox": [1.5, 2, 3, 4], "label_text": "mild edema"}]}
            """);
        var fromCsv = new MsCxrReader(csv).Read().ToList();
        var fromJson = new MsCxrReader(json).Read().ToList();

        Assert.Equal(2, fromCsv.Count);
        Assert.Equal("opacity, left \"base\"\nand right", fromCsv[0].Text);
        Assert.Equal([new Box(10, 20, 40, 60)], fromCsv[0].Boxes);
        Assert.Equal(("aa-bb#2", "Edema", "p10000032", "s50414267", Split.Validate, 200, 100),
            (fromCsv[1].Id, fromCsv[1].Class, fromCsv[1].Patient, fromCsv[1].Study, fromCsv[1].Split, fromCsv[1].Width, fromCsv[1].Height));
        foreach (var (a, b) in fromCsv.Zip(fromJson))
        {
            Assert.Equal(a.Boxes, b.Boxes);
            Assert.Equal(a with { Place = "", Boxes = [] }, b with { Place = "", Boxes = [] });
        }

        Assert.EndsWith(".csv:2", fromCsv[0].Place, StringComparison.Ordinal);
        Assert.EndsWith(".csv:4", fromCsv[1].Place, StringComparison.Ordinal); // the first text has a line end
    }

    [Fact]
    public void Classes_of_MsCxr_spelled_otherwise_are_the_known_ones_and_it_is_said()
    {
        string[] written = ["Pleural effusion", "LUNG_OPACITY", "Edema", "Fracture"];
        var reader = new MsCxrReader(_tree.Write("MS_CXR_Local_Alignment_v1.1.0.csv", StudyTree.MsCxrHeader + "\n" + string.Concat(
            written.Select(name => $"{name},a phrase,files/p10/p10000032/s50414267/aa-bb.jpg,10,20,30,40,200,100,aa-bb\n"))));
        Assert.Equal(["Pleural Effusion", "Lung Opacity", "Edema", "Fracture"], reader.Read().Select(sample => sample.Class));
        Assert.Equal(["The class 'LUNG_OPACITY' is read as Lung Opacity.", "The class 'Pleural effusion' is read as Pleural Effusion."],
            reader.Notes);
    }

    [Fact]
    public void MsCxr_folder_gives_the_newest_release_and_csv_before_json()
    {
        foreach (var name in new[] { "v1.0.0.csv", "v1.0.0.json", "v1.1.0.json", "v1.1.0.csv" })
            _tree.Write("MS_CXR_Local_Alignment_" + name, "x");
        Assert.EndsWith("v1.1.0.csv", new MsCxrReader(_tree.Root).Files[0], StringComparison.Ordinal);
        Assert.Throws<InputException>(() => new MsCxrReader(_tree["nowhere"]));
    }

    [Fact]
    public void Roco_text_and_mirror_list_the_same()
    {
        _tree.Write("a/data/train/radiology/captions.txt",
            "ROCO_00002\t a \"quoted\", caption\r\nROCO_00003\tanother\rROCO_00004\t Größe\n\nno tab\n");
        _tree.Write("b/all_data/train/radiology/traindata.csv",
            "id,name,caption\nROCO_00002,ROCO_00002.jpg,\"a \"\"quoted\"\", caption\"\n" +
            "ROCO_00003,ROCO_00003.jpg,another\nROCO_00004,ROCO_00004.jpg,Größe\n");
        _tree.Write("a/data/validation/radiology/captions.txt", "ROCO_00009\tnine\n");
        _tree.Write("a/data/train/non-radiology/captions.txt", "ROCO_00001\tone\n");
        var text = new RocoReader(_tree["a"]).Read().ToList();
        var mirror = new RocoReader(_tree["b"]).Read().ToList();

        Assert.Equal(["a \"quoted\", caption", "another", "Größe", "", "nine"], text.Select(sample => sample.Text));
        Assert.Equal("train/radiology/images/ROCO_00002.jpg", text[0].Image);
        Assert.Equal(text.Take(3).Select(sample => sample with { Place = "" }), mirror.Select(sample => sample with { Place = "" }));
        Assert.NotNull(text[3].Problem);
        Assert.Equal(Split.Validate, text[4].Split);
        Assert.Equal(6, new RocoReader(_tree["a"], nonRadiology: true).Read().Count());
    }

    [Fact]
    public void The_authors_json_lists_are_read_for_both_caption_sets()
    {
        _tree.Write("roco_train.json", """
            [{"image": "images/a b.jpg", "caption": "one"}, {"image": "./images/a b.jpg", "caption": "two"}, {"image": "x.jpg"}]
            """);
        _tree.Write("roco_valid.json", """[{"image": "images/é.jpg", "caption": "three"}]""");
        foreach (var samples in new[] { new RocoReader(_tree.Root).Read().ToList(), new ImageClefReader(_tree.Root).Read().ToList() })
        {
            Assert.Equal(["images/a b", "images/a b#2", "x", "images/é"], samples.Select(sample => sample.Id));
            Assert.Equal([Split.Train, Split.Train, Split.Train, Split.Validate], samples.Select(sample => sample.Split!.Value));
            Assert.NotNull(samples[2].Problem);
        }
    }

    [Fact]
    public void ImageClef_is_separated_by_tabs_and_finds_its_pictures()
    {
        _tree.Write("caption_prediction_train.csv",
            "ID\tcaption\nImageCLEFmedCaption_2022_train_000001\tA, b; \"c\"\nImageCLEFmedCaption_2022_train_000002\tD\n");
        _tree.Write("caption_prediction_valid.csv", "ID\tcaption\nImageCLEFmedCaption_2022_valid_084258\tE\n");
        _tree.Picture("ImageCLEF 2022/train images/ImageCLEFmedCaption_2022_train_000002.jpg");
        _tree.Picture("ImageCLEFmedCaption_2022_valid_084258.jpg");
        var samples = new ImageClefReader(_tree.Root).Read().ToList();
        Assert.Equal("A, b; \"c\"", samples[0].Text);
        Assert.Equal("ImageCLEF 2022/train images/ImageCLEFmedCaption_2022_train_000001.jpg", samples[0].Image);
        Assert.Equal("ImageCLEFmedCaption_2022_valid_084258.jpg", samples[2].Image);
        Assert.Equal([Split.Train, Split.Train, Split.Validate], samples.Select(sample => sample.Split!.Value));
    }

    [Fact]
    public void Mimic_joins_tables_pictures_and_reports()
    {
        _tree.Write("mimic-cxr-2.0.0-metadata.csv.gz",
            "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns\n" +
            "d1,10000032,50414267,\"CHEST, PA\",PA,3056,2544\nd2,10000032,50414267,,LATERAL,3056,2544\n" +
            "d3,10000033,50000001,,,10,20\nd4,../x,50000001,,PA,1,1\n");
        _tree.Write("mimic-cxr-2.0.0-split.csv.gz",
            "dicom_id,study_id,subject_id,split\nd1,50414267,10000032,train\nd2,50414267,10000032,validate\n");
        _tree.Write("files/p10/p10000032/s50414267.txt", "                 FINAL REPORT\n FINDINGS:  Clear lungs.\n");
        var samples = new MimicCxrReader(_tree.Root).Read().ToList();
        Assert.Equal("files/p10/p10000032/s50414267/d1.jpg", samples[0].Image);
        Assert.Equal(("Clear lungs.", "p10000032", "s50414267", Split.Train, "PA", 2544, 3056),
            (samples[0].Text, samples[0].Patient, samples[0].Study, samples[0].Split, samples[0].View, samples[0].Width,
                samples[0].Height));
        Assert.Equal((Split.Validate, "LATERAL"), (samples[1].Split, samples[1].View));
        Assert.Equal(("", null, ""), (samples[2].Text, samples[2].Split, samples[2].View));
        Assert.NotNull(samples[3].Problem);
    }

    [Fact]
    public void Mimic_reads_the_authors_json()
    {
        var file = _tree.Write("mimic_train.json", """
            {"files/p10/p10000032/s50414267/d1.jpg": ["FINAL REPORT INDICATION: cough. FINDINGS: Clear. IMPRESSION: None.", "Second"],
             "p11/p11000000/s51000000/d2.jpg": "Plain text."}
            """);
        var samples = new MimicCxrReader(file).Read().ToList();
        Assert.Equal([("d1", "Clear. None."), ("d1#2", "Second"), ("d2", "Plain text.")],
            samples.Select(sample => (sample.Id, sample.Text)));
        Assert.Equal(["p10000032", "p10000032", "p11000000"], samples.Select(sample => sample.Patient));
        Assert.All(samples, sample => Assert.Equal(Split.Train, sample.Split));
    }

    [Fact]
    public void Data_sets_are_found_below_a_folder_without_walking_through_pictures()
    {
        _tree.MsCxr(1);
        _tree.Write("more/roco/data/test/radiology/captions.txt", "ROCO_1\tx\n");
        _tree.Write("more/clef/caption_prediction_train.csv", "ID\tcaption\n");
        _tree.Write("physionet.org/files/mimic-cxr-jpg/2.0.0/mimic-cxr-2.0.0-metadata.csv.gz", "x");
        var found = DataSources.FindIn(_tree.Root);
        Assert.Equal((_tree.Root, _tree["more", "roco"], _tree["more", "clef"], _tree["physionet.org", "files", "mimic-cxr-jpg", "2.0.0"]),
            (found.MsCxr, found.Roco, found.ImageClef, found.Mimic));
        Assert.Throws<InputException>(() => DataSources.FindIn(_tree["more", "clef", "none"]));
    }

    [Theory]
    [InlineData("                 FINAL REPORT\n EXAMINATION:  CHEST\n \n FINDINGS: \n \n Lungs are\n clear.  ___ is out.\n \n " +
        "IMPRESSION:  No acute\n process.\n", "Lungs are clear. is out. No acute process.")]
    [InlineData(" FINDINGS:  Old.\n IMPRESSION: One.\n                 FINAL ADDENDUM\n ADDENDUM:  Wrong side.\n IMPRESSION: Two.\n",
        "Old. Two.")]
    [InlineData(" FINDINGS AND IMPRESSION: Both at once.\n", "Both at once.")]
    [InlineData(" FINDINGS:\n\n IMPRESSION:\n No change, compared to ___, ___.\n", "No change, compared to.")]
    [InlineData("                 FINAL REPORT\n HISTORY:  ___-year-old man with cough.\n \n Two views show clear lungs.\n \n " +
        "Heart is normal.\n", "Two views show clear lungs. Heart is normal.")]
    [InlineData("Heart size is normal.\r\nLungs: clear at 5:04 A.M.\r\n", "Heart size is normal. Lungs: clear at 5:04 A.M.")]
    [InlineData(" INDICATION: ___F with fever\n", "")]
    [InlineData("", "")]
    public void Reports_give_findings_and_impression(string report, string caption) =>
        Assert.Equal(caption, ReportSections.Extract(report));
}
