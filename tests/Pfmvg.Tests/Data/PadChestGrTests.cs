using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

public sealed class PadChestGrTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public PadChestGrTests()
    {
        _tree.Picture("PadChest_GR/a.png"); // 40 x 30
        _tree.Write("master_table.csv", "StudyID,ImageID,PatientID,split\nS1,a.png,7,test\nS1,a.png,7,test\n");
    }

    public void Dispose() => _tree.Dispose();

    private DataSources Reports(string json)
    {
        _tree.Write("grounded_reports_20240819.json", json);
        return new DataSources { PadChestGr = _tree.Root };
    }

    private static string Study(string findings) => $$"""[{"StudyID": "S1", "ImageID": "a.png", "findings": [{{findings}}]}]""";

    private IReadOnlyList<Sample> Prepare(DataSources sources, Func<PrepareOptions, PrepareOptions>? change = null)
    {
        var options = new PrepareOptions { Output = _tree["prepared"], Sources = sources };
        StudyTree.Prepare(change?.Invoke(options) ?? options);
        return PreparedData.Open(_tree["prepared"]).Read(SampleTask.Refer, Split.Test);
    }

    private const string Three = """
        {"sentence_en": "Bilateral effusion.", "abnormal": true, "labels": ["pleural effusion"],
         "boxes": [[0.1, 0.5, 0.4, 0.9], [0.6, 0.5, 0.9, 0.9]], "extra_boxes": [[0, 0.5, 0.5, 1]]},
        {"sentence_en": "Normal heart.", "abnormal": false, "labels": ["normal"], "boxes": [], "extra_boxes": []},
        {"sentence_en": "Scoliosis.", "abnormal": true, "labels": [], "boxes": []}
        """;

    [Fact]
    public void A_finding_is_one_sample_with_all_its_boxes_in_pixels_and_a_normal_one_has_none()
    {
        var samples = Prepare(Reports(Study(Three)));
        Assert.Equal(["Bilateral effusion.", "Normal heart.", "Scoliosis."], samples.Select(sample => sample.Text));
        Assert.Equal([new Box(4, 15, 16, 27), new Box(24, 15, 36, 27)], samples[0].Boxes);
        Assert.Empty(samples[1].Boxes);
        Assert.Equal(("7", "S1", "pleural effusion", "PadChest_GR/a.png"),
            (samples[0].Patient, samples[0].Study, samples[0].Class, samples[0].Image));
        Assert.Null(samples[2].Class);
        var notes = File.ReadAllText(_tree["prepared", "prepared.json"]);
        Assert.Contains("2 phrases of padchest-gr have no box", notes, StringComparison.Ordinal);
        Assert.Contains("1 findings of padchest-gr are abnormal and have no box", notes, StringComparison.Ordinal);
        Assert.Contains("1 findings of padchest-gr also have boxes of a second reader", notes, StringComparison.Ordinal);
    }

    [Fact]
    public void The_second_readers_boxes_are_taken_only_where_there_are_any()
    {
        var sample = Assert.Single(Prepare(Reports(Study(Three)) with { PadChestSecondReader = true }));
        Assert.Equal([new Box(0, 15, 20, 30)], sample.Boxes);
    }

    [Fact]
    public void Boxes_can_be_taken_apart_and_phrases_without_one_left_out()
    {
        var sources = Reports(Study(Three));
        Assert.Equal([1, 1, 0, 0], Prepare(sources, options => options with { MultiBox = MultiBox.PerBox })
            .Select(sample => sample.Boxes.Count));
        Assert.Equal([2], Prepare(sources, options => options with { OnlyWithBoxes = true }).Select(sample => sample.Boxes.Count));
    }

    [Theory]
    [InlineData("""{"sentence_en": "x", "boxes": [[0.1, 0.1, 1.2, 0.5]]}""", "is not from 0 to 1")]
    [InlineData("""{"sentence_en": "x", "boxes": [[10, 10, 20, 20]]}""", "is not from 0 to 1")]
    [InlineData("""{"sentence_en": "x", "boxes": [[0.4, 0.1, 0.2, 0.5]]}""", "swapped")]
    [InlineData("""{"sentence_en": "x", "boxes": [[0.4, 0.1, 0.4, 0.5]]}""", "empty")]
    [InlineData("""{"sentence_en": "x", "boxes": [[0.4, 0.1, 0.5]]}""", "not a number")]
    [InlineData("""{"sentence_en": "x", "boxes": [["0.1", 0.1, 0.5, 0.5]]}""", "not a number")]
    [InlineData("""{"sentence_en": "x", "boxes": null}""", "no list 'boxes'")]
    [InlineData("""{"sentence_en": "x"}""", "no list 'boxes'")]
    [InlineData("""{"sentence_en": null, "boxes": []}""", "no 'sentence_en'")]
    [InlineData("7", "no 'sentence_en'")]
    public void A_wrong_finding_is_named_by_its_place_and_found_by_the_check(string finding, string problem)
    {
        var sources = Reports(Study(finding));
        var message = Assert.Throws<InputException>(() => Prepare(sources)).Message;
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Assert.Contains("item 1, findings[0]", message, StringComparison.Ordinal);
        Assert.Equal(FindingLevel.Error,
            DataCheck.Run(new CheckOptions { Sources = sources }, cancel: TestContext.Current.CancellationToken).Worst);
    }

    [Theory]
    [InlineData("""[{"StudyID": "S1", "findings": []}]""", "no 'ImageID'")]
    [InlineData("""[{"StudyID": "S1", "ImageID": "a.png"}]""", "no list 'findings'")]
    [InlineData("""[{"StudyID": "S1", "ImageID": "../a.png", "findings": [{"sentence_en": "x", "boxes": []}]}]""", "")]
    public void A_wrong_study_is_refused(string json, string problem)
    {
        if (problem.Length > 0)
            Assert.Contains(problem, Assert.Throws<InputException>(() => Prepare(Reports(json))).Message, StringComparison.Ordinal);
        else Assert.Equal("PadChest_GR/a.png", Assert.Single(Prepare(Reports(json))).Image); // only the name counts, not the folder
    }

    [Fact]
    public void A_picture_with_two_splits_or_two_files_is_refused()
    {
        var sources = Reports(Study(Three));
        _tree.Picture("other/a.png");
        Refused("two pictures have this name");
        File.Delete(_tree["other", "a.png"]);
        _tree.Write("master_table.csv", "StudyID,ImageID,PatientID,split\nS1,a.png,7,test\nS1,a.png,7,train\n");
        Refused("master_table.csv:3: the picture has another patient or split");
        File.Delete(_tree["master_table.csv"]);
        Refused("it names patients and splits");

        void Refused(string why) =>
            Assert.Contains(why, Assert.Throws<InputException>(() => Prepare(sources)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shareable_id_is_the_hash_of_file_name_and_phrase()
    {
        var sample = Prepare(Reports(Study(Three)))[1];
        Assert.Equal("c04a2eea", sample.ShareableId[..8]);
        Assert.Equal(sample.ShareableId, (sample with { Image = "elsewhere/a.png", Id = "other" }).ShareableId);
        Assert.NotEqual(sample.ShareableId, (sample with { Text = "Normal heart" }).ShareableId);
        var lines = File.ReadAllText(_tree["prepared", "refer.test.jsonl"]);
        Assert.Contains($"\"shareable_id\":\"{sample.ShareableId}\"", lines, StringComparison.Ordinal);
    }
}
