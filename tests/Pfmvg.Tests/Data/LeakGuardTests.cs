using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;

namespace Pfmvg.Tests.Data;

/// <summary>No spelling of a row leads around the rule that keeps the grounding test out of the captions.</summary>
public sealed class LeakGuardTests : IDisposable
{
    private readonly StudyTree _tree = new();
    private readonly List<string> _metadata = [], _splits = [];

    public void Dispose() => _tree.Dispose();

    private static string Path(int patient) => $"files/p1{patient}/p1{patient}000000/s5{patient}000000/d{patient}.jpg";

    private void Mimic(int patient, string split, string? dicom = null)
    {
        var picture = dicom is null ? Path(patient) : Path(patient).Replace($"d{patient}.", dicom + ".", StringComparison.Ordinal);
        _tree.Picture(picture, shade: patient);
        _tree.Write($"files/p1{patient}/p1{patient}000000/s5{patient}000000.txt", " FINDINGS: clear.\n");
        _metadata.Add($"{dicom ?? $"d{patient}"},1{patient}000000,5{patient}000000,AP,30,40");
        _splits.Add($"{dicom ?? $"d{patient}"},{split}");
    }

    private PrepareOptions Options(params string[] rows)
    {
        _tree.Write("mimic-cxr-2.0.0-metadata.csv.gz",
            "dicom_id,subject_id,study_id,ViewPosition,Rows,Columns\n" + string.Join('\n', _metadata) + "\n");
        _tree.Write("mimic-cxr-2.0.0-split.csv.gz", "dicom_id,split\n" + string.Join('\n', _splits) + "\n");
        var csv = _tree.Write("MS_CXR_Local_Alignment_v1.1.0.csv", $"{StudyTree.MsCxrHeader},split\n{string.Join('\n', rows)}\n");
        return new PrepareOptions
        {
            Output = _tree["prepared"],
            Sources = new DataSources { MsCxr = csv, Mimic = _tree.Root },
            Split = SplitRule.Official,
            Bad = BadSamples.Skip,
        };
    }

    private static string Captions(PrepareOptions options)
    {
        StudyTree.Prepare(options);
        var data = PreparedData.Open(options.Output);
        return string.Join(' ', Enum.GetValues<Split>().SelectMany(split => data.Read(SampleTask.Caption, split))
            .Select(sample => System.IO.Path.GetFileNameWithoutExtension(sample.Image)));
    }

    [Fact]
    public void Patients_of_one_s_own_validation_and_test_are_left_out_and_it_is_said_of_which_set()
    {
        for (var patient = 1; patient <= 3; patient++) Mimic(patient, "train");
        var options = Options(Row(Path(1), "d1", "test"));
        var own = _tree.Write("own.jsonl", string.Concat(Enumerable.Range(1, 3).Select(patient =>
            $"{{\"image\":\"{Path(patient)}\",\"patient\":\"p1{patient}000000\",\"phrase\":\"x\",\"boxes\":[[1,1,5,5]]}}\n")));
        var list = _tree.Write("list.csv", "patient,split\n" + string.Concat(new[] { "train", "validate", "test" }.Select((split, i) =>
            $"p1{i + 1}000000,{split}\n")));
        options = options with
        {
            Sources = options.Sources with { MsCxr = null, Own = own, OwnFormat = "jsonl" },
            Split = SplitRule.List,
            SplitFile = list,
        };
        var notes = StudyTree.Prepare(options).Notes;
        Assert.Contains("2 samples of mimic-cxr are left out because their patients are among the 2 of own's validation and test.", notes);
        Assert.Contains(notes, note => note.StartsWith("MS-CXR was not given", StringComparison.Ordinal));
        Assert.Equal("d1", Captions(options));
    }

    private static string Row(string path, string dicom, string split) => $"Edema,x {split},{path},1,1,5,5,40,30,{dicom},{split}";

    [Theory]
    [InlineData("files/p11/p11000000/s51000000/d1.jpg", "d1")]
    [InlineData(@"files\p11\p11000000\s51000000\d1.jpg", "d1")]
    [InlineData(@".\files\p11\p11000000\s51000000\d1.jpg", "d1")]
    [InlineData("files/P11/P11000000/S51000000/d1.jpg", "d1")]
    [InlineData("files/p11/p11000000/s51000000/d1.jpg", "")]
    [InlineData("files/p11/p11000000/s51000000/d1.jpg", "d2")]
    [InlineData("files/p11/p11000000/s59999999/d1.jpg", "d1")]
    [InlineData("files/p99/p99000000/s51000000/other.jpg", "other")]
    [InlineData("files/p99/p99000000/s59999999/D1.jpg", "D1")]
    public void A_tested_picture_is_in_no_caption_however_its_row_is_spelt(string path, string dicom)
    {
        Mimic(1, "train");
        Mimic(2, "train");
        Assert.Equal("d2", Captions(Options(Row(Path(2), "d2", "train"), Row(path, dicom, "test"))));
    }

    [Fact]
    public void An_entry_that_tells_no_patient_is_an_error_for_both_when_both_sets_are_given()
    {
        Mimic(1, "train");
        Mimic(2, "train");
        _tree.Picture("flat/d3.jpg");
        var options = Options(Row(Path(2), "d2", "test"), Row("flat/d3.jpg", "d3", "test"));
        var refused = Assert.Throws<InputException>(() => StudyTree.Prepare(options with { Bad = BadSamples.Fail })).Message;
        Assert.Contains("csv:3: the path tells no patient", refused, StringComparison.Ordinal);
        var check = DataCheck.Run(new CheckOptions { Sources = options.Sources }, cancel: TestContext.Current.CancellationToken);
        Assert.Equal("patient-unknown", Assert.Single(check.Findings, finding => finding.Level == FindingLevel.Error).Kind);
        Assert.Equal("d1", Captions(options));
        Assert.Equal("d1 d2", Captions(options with { AllowLeak = true }));
    }

    [Fact]
    public void Where_one_s_own_set_is_tested_on_it_is_the_one_that_is_named()
    {
        Mimic(1, "train");
        var options = Options(Row(Path(1), "d1", "test"));
        var own = _tree.Write("own.jsonl", $"{{\"image\":\"{Path(1)}\",\"phrase\":\"x\",\"boxes\":[[1,1,5,5]],\"split\":\"test\"}}\n");
        var reports = _tree.Write("reports.json", "{\"flat/d9.jpg\": [\"FINDINGS: clear.\"]}");
        _tree.Picture("flat/d9.jpg");
        options = options with
        {
            Sources = new DataSources { Own = own, OwnFormat = "jsonl", Mimic = reports },
            Split = SplitRule.Ratio,
            Bad = BadSamples.Fail,
        };
        var message = Assert.Throws<InputException>(() => StudyTree.Prepare(options)).Message;
        Assert.Contains("whether the test of own is in MIMIC-CXR's captions", message, StringComparison.Ordinal);
        Assert.DoesNotContain("MS-CXR", message, StringComparison.Ordinal);
        var check = DataCheck.Run(new CheckOptions { Sources = options.Sources }, cancel: TestContext.Current.CancellationToken);
        Assert.Contains(check.Findings, finding => finding is { Level: FindingLevel.Error, Kind: "patient-unknown" });
    }

    [Fact]
    public void The_other_way_round_is_counted_and_said()
    {
        Mimic(1, "test");
        Mimic(1, "test", "second");
        Mimic(2, "train");
        var options = Options(Row(Path(1), "d1", "train"), Row(Path(2), "d2", "test"));
        Assert.Contains("2 samples of mimic-cxr's validation and test stay there although MS-CXR trains on their 1 patients: caption "
            + "scores on them can be too good.", StudyTree.Prepare(options).Notes);
        var check = DataCheck.Run(new CheckOptions { Sources = options.Sources }, cancel: TestContext.Current.CancellationToken);
        Assert.Contains("1 of them in validation or test here and in training there, 1 the other way round",
            check.Findings.Single(finding => finding.Kind == "patient-in-two-sets").Cases[0].Detail, StringComparison.Ordinal);
    }
}
