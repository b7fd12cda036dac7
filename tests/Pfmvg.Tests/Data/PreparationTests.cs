using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

public sealed class PreparationTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private string Output => _tree["prepared"];

    private PrepareOptions Options(DataSources sources) => new() { Output = Output, Sources = sources };

    [Fact]
    public void Patients_are_divided_7_1_2_and_never_cross()
    {
        StudyTree.Prepare(Options(_tree.MsCxr(50)));
        var data = PreparedData.Open(Output);
        var patients = Enum.GetValues<Split>()
            .ToDictionary(split => split, split => data.Read(SampleTask.Refer, split).Select(sample => sample.Patient).ToHashSet());
        Assert.Equal([35, 5, 10], patients.Values.Select(set => set.Count));
        Assert.Equal(50, patients.Values.SelectMany(set => set).Distinct().Count());
        var sample = data.Read(SampleTask.Refer, Split.Train)[0];
        Assert.True(File.Exists(data.ImagePath(sample)));
        Assert.Equal(64, sample.Sha256!.Length);
        Assert.Equal((40, 30), (sample.Width, sample.Height));
    }

    [Fact]
    public void The_result_depends_on_data_and_options_only()
    {
        var options = Options(_tree.MsCxr(20));
        StudyTree.Prepare(options);
        var first = StudyTree.Contents(Output);
        StudyTree.Prepare(options); // from the journal
        Assert.Equal(first, StudyTree.Contents(Output));

        using var stop = new CancellationTokenSource();
        File.Delete(Path.Combine(Output, "pictures.jsonl"));
        Assert.Throws<OperationCanceledException>(() => DataPreparation.Run(options, new Stop(stop), stop.Token));
        Assert.Equal(first, StudyTree.Contents(Output)); // what was there stays until the new is whole
        File.AppendAllText(Path.Combine(Output, "pictures.jsonl"), "{\"Picture\":\"cut"); // as a kill leaves it
        StudyTree.Prepare(options);
        Assert.Equal(first, StudyTree.Contents(Output));
        StudyTree.Prepare(options with { Seed = 1 });
        Assert.NotEqual(first, StudyTree.Contents(Output));
    }

    [Fact]
    public void A_journal_entry_counts_only_while_the_picture_is_the_same()
    {
        var sources = _tree.MsCxr(10);
        StudyTree.Prepare(Options(sources));
        _tree.Picture("files/p10/p10000000/s50000000/d0.jpg", 44, 30);
        var error = Assert.Throws<InputException>(() => StudyTree.Prepare(Options(sources)));
        Assert.Contains("44 x 30", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Phrases_that_become_one_prompt_are_one_phrase_and_it_is_said()
    {
        _tree.Picture("files/p10/p10000000/s50000000/d.jpg");
        var file = _tree.Write("ms.csv", $"""
            {StudyTree.MsCxrHeader}
            Edema,Both lungs.,files/p10/p10000000/s50000000/d.jpg,1,2,10,10,40,30,d
            Edema,both  lungs,files/p10/p10000000/s50000000/d.jpg,20,2,10,10,40,30,d
            Edema,both bases,files/p10/p10000000/s50000000/d.jpg,20,2,10,10,40,30,d
            """);
        var options = Options(new DataSources { MsCxr = file }) with { MultiBox = MultiBox.PerPhrase };
        Assert.Equal([("Both lungs.", 2), ("both bases", 1)], All(options).Select(sample => (sample.Text, sample.Boxes.Count)));
        Assert.Contains(StudyTree.Prepare(options).Notes, note => note.StartsWith(
            "1 phrases of ms-cxr differ from another of their picture in capitals or punctuation only", StringComparison.Ordinal));
    }

    [Fact]
    public void Phrases_with_several_boxes_are_one_sample_per_box_or_per_phrase()
    {
        _tree.Picture("files/p10/p10000000/s50000000/d.jpg");
        var file = _tree.Write("ms.csv", $"""
            {StudyTree.MsCxrHeader}
            Edema,both lungs,files/p10/p10000000/s50000000/d.jpg,1,2,10,10,40,30,d
            Edema,left lung,files/p10/p10000000/s50000000/d.jpg,5,5,10,10,40,30,d
            Edema,both lungs,files/p10/p10000000/s50000000/d.jpg,20,2,10,10,40,30,d
            """);
        var options = Options(new DataSources { MsCxr = file });
        var perBox = All(options with { MultiBox = MultiBox.PerBox });
        var perPhrase = All(options with { MultiBox = MultiBox.PerPhrase });
        Assert.Equal([1, 1, 1], perBox.Select(sample => sample.Boxes.Count));
        Assert.Equal([("both lungs", 2), ("left lung", 1)], perPhrase.Select(sample => (sample.Text, sample.Boxes.Count)));
        Assert.Equal([new Box(1, 2, 11, 12), new Box(20, 2, 30, 12)], perPhrase[0].Boxes);
        Assert.Equal(perPhrase.Select(sample => sample.Id), PhraseGroups.PerPhrase(perBox).Select(sample => sample.Id));
        Assert.Equal(3, PhraseGroups.PerBox(perPhrase).Select(sample => sample.Id).Distinct().Count());
        var caption = perPhrase[0] with { Task = SampleTask.Caption, Boxes = [] };
        Assert.Equal([caption], PhraseGroups.PerBox([caption]));
    }

    [Fact]
    public void The_official_split_and_a_users_list_are_kept()
    {
        var rows = Enumerable.Range(0, 4).Select(i =>
        {
            _tree.Picture($"files/p1{i}/p1{i}000000/s50000000/d{i}.jpg", shade: i);
            return $"Edema,x{i},files/p1{i}/p1{i}000000/s50000000/d{i}.jpg,1,1,5,5,40,30,d{i}";
        }).ToList();
        var plain = _tree.Write("a/MS_CXR_Local_Alignment_v1.0.0.csv", $"{StudyTree.MsCxrHeader}\n{string.Join('\n', rows)}");
        var divided = rows.Zip(["test", "train", "val", "train"], (row, split) => $"{row},{split}");
        var official = _tree.Write("b/MS_CXR_Local_Alignment_v1.1.0.csv", $"{StudyTree.MsCxrHeader},split\n{string.Join('\n', divided)}");
        var list = _tree.Write("list.csv", "patient,split\np10000000,validate\n11000000,test\nd2,train\n");
        var images = new Dictionary<string, string> { ["ms-cxr"] = _tree.Root };

        Assert.Equal([("x1", Split.Train), ("x3", Split.Train), ("x2", Split.Validate), ("x0", Split.Test)],
            WithSplits(Options(new DataSources { MsCxr = official, ImageFolders = images }) with { Split = SplitRule.Official }));
        Assert.Throws<InputException>(() => StudyTree.Prepare(
            Options(new DataSources { MsCxr = plain, ImageFolders = images }) with { Split = SplitRule.Official }));
        var report = StudyTree.Prepare(Options(
            new DataSources { MsCxr = plain, ImageFolders = images }) with { Split = SplitRule.List, SplitFile = list });
        Assert.Equal(1, report.Sources["ms-cxr"].Unassigned);
        Assert.Equal([("x2", Split.Train), ("x0", Split.Validate), ("x1", Split.Test)], WithSplits(null));
    }

    [Fact]
    public void Patients_of_the_grounding_test_stay_out_of_the_captions()
    {
        var sources = _tree.MsCxr(30);
        var listed = new MsCxrReader(_tree.Root).Read().ToList();
        _tree.Write("mimic-cxr-2.0.0-metadata.csv.gz", "dicom_id,subject_id,study_id,ViewPosition,Rows,Columns\n" +
            string.Concat(listed.Select((sample, i) =>
                $"{Path.GetFileNameWithoutExtension(sample.Image)},{sample.Patient![1..]},{sample.Study![1..]}," +
                $"{(i == 3 ? "LATERAL" : "AP")},30,40\n")));
        _tree.Write("mimic-cxr-2.0.0-split.csv.gz",
            "dicom_id,split\n" + string.Concat(listed.Select(sample => $"{Path.GetFileNameWithoutExtension(sample.Image)},train\n")));
        foreach (var sample in listed) _tree.Write(Path.GetDirectoryName(sample.Image) + ".txt", " FINDINGS: clear.\n");
        sources = sources with { Mimic = _tree.Root };

        var report = StudyTree.Prepare(Options(sources));
        var data = PreparedData.Open(Output);
        var heldOut = new[] { Split.Validate, Split.Test }.SelectMany(split => data.Read(SampleTask.Refer, split))
            .Select(sample => sample.Patient).ToHashSet();
        var captions = data.Read(SampleTask.Caption, Split.Train);
        Assert.Equal(9, heldOut.Count);
        Assert.DoesNotContain(captions, sample => heldOut.Contains(sample.Patient));
        var counts = report.Sources["mimic-cxr"];
        Assert.Equal(30, counts.Kept + counts.Leak + counts.OtherView);
        // the others were not even opened
        Assert.Equal(counts.Kept, File.ReadLines(Path.Combine(Output, "pictures.jsonl"))
            .Count(line => line.Contains("\"mimic-cxr/", StringComparison.Ordinal)));
        Assert.Contains(report.Notes, note => note.Contains($"{counts.Leak} samples", StringComparison.Ordinal));

        Assert.Equal(30, StudyTree.Prepare(Options(sources) with { AllowLeak = true, AllViews = true }).Sources["mimic-cxr"].Kept);
        Assert.Contains(StudyTree.Prepare(Options(sources with { MsCxr = null })).Notes,
            note => note.Contains("MS-CXR was not given", StringComparison.Ordinal));
    }

    [Fact]
    public void A_picture_that_two_caption_sets_share_is_kept_once()
    {
        _tree.Write("roco/train/radiology/captions.txt", "ROCO_1\tone\nROCO_2\ttwo\n");
        _tree.Picture("roco/train/radiology/images/ROCO_1.jpg", shade: 1);
        _tree.Picture("roco/train/radiology/images/ROCO_2.jpg", shade: 2);
        _tree.Write("clef/caption_prediction_train.csv", "ID\tcaption\nA\tone again\nB\tnew\n");
        _tree.Picture("clef/train/A.jpg", shade: 1);
        _tree.Picture("clef/train/B.jpg", shade: 3);
        var options = Options(new DataSources { Roco = _tree["roco"], ImageClef = _tree["clef"] });
        var report = StudyTree.Prepare(options);
        Assert.Equal(1, report.Sources["imageclef-2022"].Duplicate);
        Assert.Equal(["one", "two", "new"], PreparedData.Open(Output).Read(SampleTask.Caption, Split.Train).Select(sample => sample.Text));
        Assert.Equal(4, StudyTree.Prepare(options with { KeepDuplicates = true }).Samples["caption.train.jsonl"]);
    }

    [Theory]
    [InlineData("35,3,10,12,40,30", "outside its picture of 40 x 30")]
    [InlineData("1,1,0,5,40,30", "a box is empty")]
    [InlineData("20,1,-5,5,40,30", "swapped")]
    [InlineData("0.1,0.1,0.5,0.5,40,30", "from 0 to 1")]
    [InlineData("x,1,2,3,40,30", "not a number")]
    [InlineData("1,1,5,5,80,60", "40 x 30 pixels, its annotation says 80 x 60")]
    [InlineData("1,1,5,5,,60", "size is missing")]
    public void A_wrong_box_stops_with_its_place_or_is_skipped_and_counted(string numbers, string problem)
    {
        _tree.Picture("files/p10/p10000000/s50000000/a.jpg");
        var file = _tree.Write("ms.csv", $"""
            {StudyTree.MsCxrHeader}
            Edema,good,files/p10/p10000000/s50000000/a.jpg,1,1,5,5,40,30,a
            Edema,SECRET,files/p10/p10000000/s50000000/a.jpg,{numbers},a
            """);
        var options = Options(new DataSources { MsCxr = file });
        var error = Assert.Throws<InputException>(() => StudyTree.Prepare(options)).Message;
        Assert.StartsWith($"{file}:3: ", error, StringComparison.Ordinal);
        Assert.Contains(problem, error, StringComparison.Ordinal);
        Assert.DoesNotContain("SECRET", error, StringComparison.Ordinal);
        var report = StudyTree.Prepare(options with { Bad = BadSamples.Skip });
        Assert.Equal((1, 1), (report.Sources["ms-cxr"].Bad, report.Sources["ms-cxr"].Kept));
    }

    [Fact]
    public void Missing_pictures_are_counted_and_a_wrong_folder_is_an_error()
    {
        var sources = _tree.MsCxr(5);
        File.Delete(_tree["files", "p12", "p12000002", "s50000002", "d2.jpg"]);
        var counts = StudyTree.Prepare(Options(sources)).Sources["ms-cxr"];
        Assert.Equal((4, 1), (counts.Kept, counts.Missing));
        Assert.DoesNotContain("p12000002", Assert.Single(counts.Examples), StringComparison.Ordinal);
        Directory.CreateDirectory(_tree["empty"]);
        var error = Assert.Throws<InputException>(() => StudyTree.Prepare(Options(sources with
        {
            ImageFolders = new Dictionary<string, string> { ["ms-cxr"] = _tree["empty"] },
        }))).Message;
        Assert.Contains("--images ms-cxr=FOLDER", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_broken_picture_stops_or_is_skipped()
    {
        var sources = _tree.MsCxr(5);
        var picture = _tree["files", "p12", "p12000002", "s50000002", "d2.jpg"];
        File.WriteAllBytes(picture, File.ReadAllBytes(picture)[..^40]);
        Assert.Contains("damaged", Assert.Throws<InputException>(() => StudyTree.Prepare(Options(sources))).Message,
            StringComparison.Ordinal);
        Assert.Equal(1, StudyTree.Prepare(Options(sources) with { Bad = BadSamples.Skip }).Sources["ms-cxr"].Bad);
    }

    private List<Sample> All(PrepareOptions options)
    {
        StudyTree.Prepare(options);
        return [.. Enum.GetValues<Split>().SelectMany(split => PreparedData.Open(Output).Read(SampleTask.Refer, split))];
    }

    private List<(string, Split)> WithSplits(PrepareOptions? options)
    {
        if (options is not null) StudyTree.Prepare(options);
        return [.. Enum.GetValues<Split>().SelectMany(
            split => PreparedData.Open(Output).Read(SampleTask.Refer, split).Select(sample => (sample.Text, split)))];
    }

    private sealed class Stop(CancellationTokenSource source) : IProgress<PrepareProgress>
    {
        public void Report(PrepareProgress value) => source.Cancel();
    }
}
