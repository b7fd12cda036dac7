using System.Text;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;

namespace Pfmvg.Tests.Data;

/// <summary>Reports and lists as they are found in downloads.</summary>
public sealed class FoundFilesTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Theory]
    [InlineData("                                 FINAL REPORT\n EXAMINATION:  CHEST (PORTABLE AP)\n\n"
        + " INDICATION:  cough and fever.\n\n FINDINGS: \n \n Lungs are clear.\n\n IMPRESSON: \n \n No acute process.\n",
        "Lungs are clear. No acute process.")] // typo_impression
    [InlineData(" FINAL REPORT\n CHEST, TWO VIEWS: ___\n\n HISTORY:  60-year-old with cough.\n\n",
        "")] // chest_two_views
    [InlineData(" FINAL REPORT\n INDICATION:  Fever.\n\n CHEST, TWO VIEWS:  Heart size is normal. The lungs are clear.\n"
        + "\n IMPRESSION:  No pneumonia.\n",
        "Heart size is normal. The lungs are clear. No pneumonia.")] // views_then_impression
    [InlineData(" FINAL REPORT\n REASON FOR EXAMINATION:  Line placement.\n\n"
        + " PORTABLE AP CHEST RADIOGRAPH:  Right jugular line ends in the SVC.\n\n IMPRESSION:  Line in place.\n",
        "Right jugular line ends in the SVC. Line in place.")] // portable_then_impression
    [InlineData(" FINAL REPORT\n PATIENT HISTORY:  Smoker, chest pain.\n\n CHEST, TWO VIEWS:  The lungs are clear.\n",
        "The lungs are clear.")] // patient_history
    [InlineData(" FINAL REPORT\n HISTORY:  Cough.\n\n REFERENCE EXAM:  Radiograph of last May.\n\n"
        + " FRONTAL AND LATERAL CHEST:  Clear lungs.\n",
        "Clear lungs.")] // reference_exam
    [InlineData(" FINAL REPORT\n INDICATION:  Cough.\n\n FINDINGS AND IMPRESSION:  Clear lungs.\n",
        "Clear lungs.")] // findings_and_impression
    [InlineData(" FINAL REPORT\n INDICATION:  Cough.\n\n FINDINGS/ IMPRESSION:  Clear lungs.\n",
        "Clear lungs.")] // findings_slash
    [InlineData(" FINAL REPORT\n HISTORY:  Cough.\n\n CONCLUSION:  Clear lungs.\n",
        "Clear lungs.")] // conclusion
    [InlineData(" FINAL REPORT\n Indication: Cough.\n\n Findings: Clear lungs.\n\n Impression: Normal.\n",
        "Clear lungs. Normal.")] // lower_case
    [InlineData(" FINAL REPORT\n FINDINGS:  Clear lungs.  IMPRESSION:  Normal.\n",
        "Clear lungs. Normal.")] // same_line
    [InlineData(" FINAL REPORT\n IMPRESSION:  \n \n 1.  Small left effusion.\n 2.  Cardiomegaly.\n",
        "1. Small left effusion. 2. Cardiomegaly.")] // numbered
    [InlineData(" FINAL REPORT\n CHEST RADIOGRAPH\n\n INDICATION:  Cough.\n\n COMPARISON:  None.\n \n"
        + " As compared to the previous radiograph, no change. No effusion.\n",
        "As compared to the previous radiograph, no change. No effusion.")] // last_paragraph
    [InlineData(" WET READ: ___ ___ ___ 5:04 PM\n  No pneumothorax.\n WET READ VERSION #1\n ____________________\n"
        + " FINAL REPORT\n FINDINGS: Tiny apical pneumothorax.\n",
        "Tiny apical pneumothorax.")] // wet_read
    [InlineData(" FINAL REPORT\r\n FINDINGS: Clear lungs.\r\n\r\n IMPRESSION: Normal.\r\n",
        "Clear lungs. Normal.")] // crlf
    [InlineData(" FINAL REPORT\n IMPRESSION:  Nodule.\n\n RECOMMENDATION(S):  CT in 3 months.\n\n NOTIFICATION:  Called by phone.\n",
        "Nodule.")] // recommendations
    [InlineData(" FINAL REPORT\n FINDINGS: Clear lungs.\n\n IMPRESSION: Normal.\n\n ADDENDUM:  There is a 4 mm nodule after all.\n",
        "Clear lungs. Normal.")] // addendum
    [InlineData(" FINAL REPORT\n FINDINGS:\n\n IMPRESSION:\n\n",
        "")] // empty_findings_then_text
    [InlineData(" FINAL REPORT\n FINDINGS:  LINES:  Right PICC.  LUNGS:  Clear.\n HEART:  Normal.\n\n IMPRESSION:  Normal.\n",
        "LINES: Right PICC. LUNGS: Clear. HEART: Normal. Normal.")] // colon_in_finding
    [InlineData(" FINAL REPORT\n HISTORY: Cough.\n\n Impression : Normal.\n",
        "Normal.")]
    [InlineData(" FINDINGS\n Clear lungs.\n\n IMPRESSION\n Normal.\n",
        "Clear lungs. Normal.")]
    [InlineData(" INDICATION: Fall.\n\n FINDINGS: Vertebral\n compression\n fracture.\n",
        "Vertebral compression fracture.")]
    [InlineData("Clinical history: cough. Findings: Clear lungs. Impression: Normal.",
        "Clear lungs. Normal.")]
    [InlineData(" WET READ: ___ 5:04 PM\n\n No pneumothorax.\n FINAL REPORT\n CHEST, PA AND LATERAL: Clear lungs.\n",
        "Clear lungs.")]
    [InlineData(" COMPARISION: None.\n\n FINDNIGS: Clear lungs.\n",
        "Clear lungs.")]
    public void Sections_are_known_by_the_names_that_radiologists_give_them(string report, string caption) =>
        Assert.Equal(caption, ReportSections.Extract(report));

    [Fact]
    public void Quotes_are_data_in_tab_separated_captions_unless_they_hold_the_whole_field()
    {
        _tree.Write("caption_prediction_train.csv", "ID\tcaption\nc1\tplain\nc2\t\"Target sign on CT\nc3\tthird\nc4\t\"Crescent sign\n"
            + "c5\t\"A \"\"double\"\" quote\"\nc6\t\"two\nlines\"\nc7\ttab\there\n");
        var read = new ImageClefReader(_tree.Root).Read().ToList();
        Assert.Equal(["plain", "\"Target sign on CT", "third", "\"Crescent sign", "A \"double\" quote", "two\nlines", "tab\there"],
            read.Select(sample => sample.Text));
        Assert.Equal(["c1", "c2", "c3", "c4", "c5", "c6", "c7"], read.Select(sample => sample.Id));
    }

    [Fact]
    public void A_field_that_swallowed_rows_is_an_error_and_a_text_of_several_lines_is_not()
    {
        const string Header = "id,name,caption\n";
        var file = "train/radiology/traindata.csv";
        _tree.Write(file, Header + "ROCO_1,a.jpg,\"CT, which shows,\nas said, one, two\"\nROCO_2,b.jpg,x\n");
        Assert.Equal(2, new RocoReader(_tree.Root).Read().Count());
        _tree.Write(file, Header + "ROCO_1,a.jpg,\"Target sign\nROCO_2,b.jpg,x\nROCO_3,c.jpg,Crescent sign\"\n");
        Assert.Contains("holds whole rows", Assert.Throws<InputException>(() => new RocoReader(_tree.Root).Read().Count()).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Text_that_is_not_utf8_is_windows_1252_and_its_count_is_said()
    {
        var file = _tree.Write("train/radiology/captions.txt", "");
        File.WriteAllBytes(file, [.. "ROCO_1\t"u8, 0x93, .. "37"u8, 0xb0, 0x94, .. "\nROCO_2\tGröße\n"u8]);
        var reader = new RocoReader(_tree.Root);
        Assert.Equal(["\u201c37\u00b0\u201d", "Größe"], reader.Read().Select(sample => sample.Text));
        Assert.Equal(2, reader.Read().Count());
        Assert.Contains("3 characters in 1 files are not UTF-8", Assert.Single(reader.Notes), StringComparison.Ordinal);
        File.WriteAllBytes(file, [0xff, 0xfe, .. Encoding.Unicode.GetBytes("ROCO_1\tGröße\n")]);
        Assert.Equal("Größe", Assert.Single(new RocoReader(_tree.Root).Read()).Text);
    }

    [Fact]
    public void Reports_in_a_download_of_their_own_are_found_or_the_option_is_named()
    {
        const string Tables = "physionet.org/files/mimic-cxr-jpg/2.1.0/";
        const string Reports = "physionet.org/files/mimic-cxr/2.1.0/mimic-cxr-reports/files/p10/p10000000/s50000000.txt";
        _tree.Write(Tables + "mimic-cxr-2.0.0-metadata.csv.gz",
            "dicom_id,subject_id,study_id,ViewPosition,Rows,Columns\nd1,10000000,50000000,PA,30,40\n");
        _tree.Write(Tables + "mimic-cxr-2.0.0-split.csv.gz", "dicom_id,study_id,subject_id,split\nd1,50000000,10000000,train\n");
        _tree.Picture(Tables + "files/p10/p10000000/s50000000/d1.jpg");
        Assert.Contains("--mimic-reports", Assert.Throws<InputException>(() => Prepare()).Message, StringComparison.Ordinal);
        _tree.Write(Reports, " FINDINGS: Clear lungs.\n");
        Assert.Equal("Clear lungs.", Assert.Single(DataSources.FindIn(_tree.Root).Readers()[0].Read()).Text);
        Assert.Equal(1, Prepare().Sources["mimic-cxr"].Kept);

        PrepareReport Prepare() => StudyTree.Prepare(
            new PrepareOptions { Sources = DataSources.FindIn(_tree.Root), Output = _tree["out"] });
    }

    [Theory]
    [InlineData("ROCO_1.JPG", "ROCO_1")]
    [InlineData("e\u0301.jpg", "\u00e9")]
    [InlineData("roco_1.jpg", "ROCO_1")]
    public void A_picture_whose_name_differs_in_capitals_or_accents_is_named(string there, string listed)
    {
        _tree.Picture("train/radiology/images/" + there);
        _tree.Write("train/radiology/captions.txt", listed + "\tone\n");
        var sources = new DataSources { Roco = _tree.Root };
        var message = Assert.Throws<InputException>(() =>
            StudyTree.Prepare(new PrepareOptions { Sources = sources, Output = _tree["out"] })).Message;
        Assert.Contains($"there is {there}, whose name differs in capitals, spaces or the form of its accents", message,
            StringComparison.Ordinal);
        var check = DataCheck.Run(new CheckOptions { Sources = sources }, cancel: TestContext.Current.CancellationToken);
        Assert.Contains(there, check.Findings.Single(finding => finding.Kind == "missing-picture").Cases[0].Detail,
            StringComparison.Ordinal);
    }

    [Fact]
    public void An_identifier_that_is_twice_is_refused_with_its_places_and_the_same_entry_again_is_counted()
    {
        _tree.Picture("train/radiology/images/ROCO_1.jpg");
        const string File = "train/radiology/captions.txt";
        _tree.Write(File, "ROCO_1\tone\nROCO_1\tone\n");
        var options = new PrepareOptions { Sources = new DataSources { Roco = _tree.Root }, Output = _tree["out"] };
        var report = StudyTree.Prepare(options);
        Assert.Equal((1, 1), (report.Sources["roco"].Kept, report.Sources["roco"].Duplicate));
        Assert.Contains(report.Notes, note => note.StartsWith("1 entries of roco repeat", StringComparison.Ordinal));
        _tree.Write(File, "ROCO_1\tone\nROCO_1\tanother\n");
        var message = Assert.Throws<InputException>(() => StudyTree.Prepare(options)).Message;
        Assert.Contains("captions.txt:2: its id stands at", message, StringComparison.Ordinal);
        Assert.Contains("captions.txt:1", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_or_annotation_of_MsCxr_that_is_twice_is_refused()
    {
        var json = _tree.Write("MS_CXR_Local_Alignment_v1.1.0.json", """
            {"categories": [{"id": 5, "name": "Edema"}],
             "images": [{"id": 1, "path": "files/p10/p10000000/s50000000/a.jpg", "width": 40, "height": 30},
                        {"id": 1, "path": "files/p10/p10000001/s50000001/b.jpg", "width": 40, "height": 30}],
             "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4], "label_text": "edema"}]}
            """);
        Assert.Contains("images[1]: the id 1 stands at", Assert.Throws<InputException>(() => new MsCxrReader(json).Read().Count()).Message,
            StringComparison.Ordinal);
        var csv = _tree.Write("MS_CXR_Local_Alignment_v1.1.0.csv", StudyTree.MsCxrHeader
            + "\nEdema,edema,files/p10/p10000000/s50000000/a.jpg,1,2,3,4,40,30,a\n"
            + "Edema,edema,files/p10/p10000001/s50000001/a.jpg,1,2,3,4,40,30,a\n");
        _tree.Picture("files/p10/p10000000/s50000000/a.jpg");
        var options = new PrepareOptions { Sources = new DataSources { MsCxr = csv }, Output = _tree["out"] };
        Assert.Contains("csv:3: the picture a lies at another path", Assert.Throws<InputException>(() =>
            StudyTree.Prepare(options)).Message, StringComparison.Ordinal);
        Assert.Equal(1, StudyTree.Prepare(options with { Bad = BadSamples.Skip }).Sources["ms-cxr"].Bad);
    }
}
