using System.Text.Json.Nodes;
using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Tests.Data;

public sealed class CheckTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private static CheckReport Check(DataSources sources) =>
        DataCheck.Run(new CheckOptions { Sources = sources }, cancel: TestContext.Current.CancellationToken);

    [Fact]
    public void Exactly_the_planted_defects_are_found()
    {
        var options = new PhantomOptions { Seed = 4, Patients = 40, ImageWidth = 96, ImageHeight = 112, Defects = true };
        PhantomStudy.Write(_tree["study"], options, cancellationToken: TestContext.Current.CancellationToken);
        var planted = JsonNode.Parse(File.ReadAllText(_tree["study", "planted-defects.json"]))!.AsArray()
            .Select(defect => ((string)defect!["kind"]!, (string)defect["id"]!));
        var found = Check(DataSources.FindIn(_tree["study"])).Findings.Where(finding => finding.Level != FindingLevel.Note)
            .SelectMany(finding => finding.Cases.Select(one => (finding.Kind, one.Id))).Distinct();
        Assert.Equal(planted.Order(), found.Order());
    }

    [Fact]
    public void A_sound_study_has_neither_errors_nor_warnings()
    {
        PhantomStudy.Write(_tree["study"], new PhantomOptions
        {
            Seed = 5,
            Patients = 20,
            ImageWidth = 64,
            ImageHeight = 64,
        }, cancellationToken: TestContext.Current.CancellationToken);
        var report = Check(DataSources.FindIn(_tree["study"]));
        Assert.Equal(FindingLevel.Note, report.Worst);
        Assert.Equal(["ms-cxr", "mimic-cxr", "roco", "imageclef-2022"], report.Sets.Select(set => set.Source));
        var phrases = report.Sets[0];
        Assert.Equal(1162, phrases.Counts.Single(count => count.What == "phrases").Expected);
        Assert.Equal(8, phrases.Classes.Count);
        Assert.Equal(phrases.Counts.Single(count => count.What == "phrases").Count, phrases.Classes.Sum(name => name.Count));
        Assert.Contains(report.Findings, finding => finding.Kind == "shared-picture");
        Assert.Contains(report.Findings, finding => finding.Kind == "patient-in-two-sets");
    }

    [Fact]
    public void A_mirrored_set_is_noticed_by_its_words()
    {
        for (var i = 0; i < 3; i++) _tree.Picture($"files/p10/p10000000/s50000000/d{i}.jpg", shade: i);
        var rows = Enumerable.Range(0, 3).Select(
            i => $"Edema,edema of the left lung,files/p10/p10000000/s50000000/d{i}.jpg,2,2,10,10,40,30,d{i}");
        var file = _tree.Write("ms.csv", $"{StudyTree.MsCxrHeader}\n{string.Join('\n', rows)}");
        var finding = Assert.Single(Check(new DataSources { MsCxr = file }).Findings, finding => finding.Kind == "laterality");
        Assert.Equal(FindingLevel.Warning, finding.Level); // the patient's left is the picture's right
        Assert.StartsWith("0 of 3 boxes", finding.Cases[0].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void The_wrong_image_folder_a_path_that_climbs_and_a_malformed_line_are_errors()
    {
        _tree.Write("train/radiology/captions.txt", "ROCO_1\tone\nno tab here\n../../../../etc/x\tclimbs\nROCO_1\tone\n");
        var kinds = Check(new DataSources { Roco = _tree.Root }).Findings.Select(finding => (finding.Level, finding.Kind)).ToList();
        Assert.Contains((FindingLevel.Error, "no-picture"), kinds);
        Assert.Contains((FindingLevel.Error, "malformed-entry"), kinds);
        Assert.Contains((FindingLevel.Error, "path-refused"), kinds);
        Assert.Contains((FindingLevel.Warning, "duplicate-entry"), kinds);
        Assert.Contains((FindingLevel.Warning, "missing-picture"), kinds);
    }

    [Fact]
    public void A_list_that_breaks_off_is_an_error_and_the_other_sets_are_checked()
    {
        _tree.Write("train/radiology/traindata.csv", "id,name,caption\n1,1.jpg,\"open\n");
        _tree.Write("clef/caption_prediction_train.csv", "ID\tcaption\nA\tx\n");
        var report = Check(new DataSources { Roco = _tree.Root, ImageClef = _tree["clef"] });
        Assert.Contains(report.Findings, finding => finding is { Kind: "unreadable-list", Source: "roco", Level: FindingLevel.Error });
        Assert.Contains(report.Findings, finding => finding is { Kind: "no-picture", Source: "imageclef-2022" });
    }

    [Fact]
    public void A_box_outside_is_explained_when_its_numbers_were_meant_otherwise()
    {
        Assert.Contains("read as left, top, right, bottom it would lie inside",
            BoxRules.Problem(Box.FromXywh(300, 100, 450, 190), 500, 200), StringComparison.Ordinal);
        Assert.Contains("with x and y exchanged it would lie inside", BoxRules.Problem(Box.FromXywh(20, 300, 100, 150), 500, 200),
            StringComparison.Ordinal);
    }

    [Fact]
    public void No_detail_holds_patient_text()
    {
        _tree.Picture("files/p10/p10000032/s50414267/a.jpg");
        var file = _tree.Write("ms.csv", $"""
            {StudyTree.MsCxrHeader}
            SECRET,SECRET left,files/p10/p10000032/s50414267/a.jpg,1,1,500,5,40,30,a
            Edema,SECRET left,files/p10/p10000032/s50414267/a.jpg,1,1,0,5,40,30,a
            """);
        var report = Check(new DataSources { MsCxr = file });
        Assert.NotEmpty(report.Findings);
        Assert.DoesNotContain(report.Findings.SelectMany(finding => finding.Cases),
            one => $"{one.Detail}{one.Place}".Contains("SECRET", StringComparison.Ordinal));
    }

    [Fact]
    public void Lengths_are_given_in_tokens_when_there_is_a_tokenizer()
    {
        _tree.Write("train/radiology/captions.txt", "ROCO_1\tone two three\nROCO_2\tone\n");
        var tokenizer = Support.Fixtures.Path("tokenizer", "tokenizer.model");
        var text = DataCheck.Run(new CheckOptions
        {
            Sources = new DataSources { Roco = _tree.Root },
            Tokenizer = tokenizer,
        }, cancel: TestContext.Current.CancellationToken).Sets[0].Text;
        Assert.Equal((2L, 3, 3), (text.Texts, text.Words.Longest, text.Words.Percentile95));
        Assert.Equal(Pfmvg.Text.LlamaTokenizer.Load(tokenizer).Encode("one two three").Length, text.Tokens!.Longest);
        Assert.Null(Check(new DataSources { Roco = _tree.Root }).Sets[0].Text.Tokens);
    }

    [Fact]
    public void Captions_and_boxes_that_training_would_cut_are_counted_with_their_lengths()
    {
        _tree.Write("train/radiology/captions.txt", "ROCO_1\tone two three four five six seven eight nine ten\nROCO_2\tone\n");
        var tokenizer = Pfmvg.Text.LlamaTokenizer.Load(Support.Fixtures.Path("tokenizer", "tokenizer.model"));
        var tokens = tokenizer.Encode("one two three four five six seven eight nine ten</s>").Length;
        Assert.Empty(Cut(tokens));
        var cut = Assert.Single(Cut(tokens - 1));
        Assert.Equal((FindingLevel.Warning, "roco", 1L), (cut.Level, cut.Source, cut.Count));
        Assert.Contains($"has {tokens} tokens with its end; max_answer_tokens {tokens - 1} cuts it", cut.Cases[0].Detail,
            StringComparison.Ordinal);

        IEnumerable<Pfmvg.Data.Checks.Finding> Cut(int longest) => DataCheck.Run(new CheckOptions
        {
            Sources = new DataSources { Roco = _tree.Root },
            Tokenizer = Support.Fixtures.Path("tokenizer", "tokenizer.model"),
            MaxAnswerTokens = longest,
        }, cancel: TestContext.Current.CancellationToken).Findings.Where(finding => finding.Kind == "target-cut");
    }

    [Fact]
    public void A_phrase_without_a_letter_or_digit_is_an_error_and_preparation_refuses_it()
    {
        var file = _tree.Write("ms.csv", $"""
            {StudyTree.MsCxrHeader}
            Edema,. !,files/p10/p10000032/s50414267/a.jpg,1,5,10,10,40,30,a
            Edema,left edema,files/p10/p10000032/s50414267/a.jpg,2,5,10,10,40,30,a
            """);
        var found = Assert.Single(Check(new DataSources { MsCxr = file }).Findings, finding => finding.Kind == "phrase-emptied");
        Assert.Equal((FindingLevel.Error, 1L, $"{file}:2"), (found.Level, found.Count, found.Cases[0].Place));
        var refused = Assert.Throws<InputException>(() => Pfmvg.Data.Preparation.DataPreparation.Run(new()
        {
            Sources = new DataSources { MsCxr = file }, Output = _tree["prepared"],
        }, cancel: TestContext.Current.CancellationToken)).Message;
        Assert.StartsWith($"{file}:2: the phrase has no letter and no digit", refused, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ms-cxr", 1162, "phrases")]
    [InlineData("mimic-cxr", 377110, "pictures")]
    [InlineData("roco", 81825, "pictures")]
    [InlineData("imageclef-2022", 83275, "train")]
    public void Every_data_set_has_a_manifest(string source, long count, string what)
    {
        var manifest = DataSetManifest.Load(source);
        Assert.Equal((source, count), (manifest.Name, manifest.Counts[what]));
        Assert.All(new[] { manifest.Title, manifest.Obtained, manifest.Access, manifest.Licence, manifest.Pictures }, Assert.NotEmpty);
        Assert.NotEmpty(manifest.Files);
        Assert.NotEmpty(manifest.Checks);
        if (source == "ms-cxr") Assert.Equal(1162, manifest.Classes.Values.Sum());
    }
}
