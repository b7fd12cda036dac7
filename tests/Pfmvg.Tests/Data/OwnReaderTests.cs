using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

public sealed class OwnReaderTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public OwnReaderTests() => _tree.Picture("a.png"); // 40 x 30

    public void Dispose() => _tree.Dispose();

    private string Output => _tree["prepared"];

    private DataSources Lines(string text, string file = "list.jsonl") =>
        new() { Own = _tree.Write(file, text), OwnFormat = "jsonl" };

    private List<Sample> Prepare(DataSources sources)
    {
        StudyTree.Prepare(new PrepareOptions { Output = Output, Sources = sources });
        var data = PreparedData.Open(Output);
        return [.. Enum.GetValues<Split>().SelectMany(split => data.Read(SampleTask.Refer, split))];
    }

    private string Refused(DataSources sources) => Assert.Throws<InputException>(() => Prepare(sources)).Message;

    [Fact]
    public void A_line_is_a_sample_and_a_phrase_without_a_box_has_an_empty_list()
    {
        var samples = Prepare(Lines("""
            {"image": "a.png", "phrase": "left \"opacity\"", "boxes": [[1, 2, 11, 12.5], [20, 2, 30, 12]], "patient": "p", "class": "Edema"}

            {"image": "./a.png", "phrase": "no effusion", "boxes": []}
            {"image": "a.png", "phrase": "heart", "boxes": [5, 5, 20, 20], "id": 7}
            """));
        Assert.Equal([("own/7", "heart", 1), ("own/a#1", "left \"opacity\"", 2), ("own/a#2", "no effusion", 0)],
            samples.Select(sample => (sample.Id, sample.Text, sample.Boxes.Count)).Order());
        Assert.Equal([new Box(1, 2, 11, 12.5), new Box(20, 2, 30, 12)], samples.Single(sample => sample.Class == "Edema").Boxes);
        Assert.Equal("p", samples.Single(sample => sample.Class == "Edema").Patient);
    }

    [Theory]
    [InlineData("pixels-xywh", "[4, 3, 8, 6]")]
    [InlineData("unit-xyxy", "[0.1, 0.1, 0.3, 0.3]")]
    [InlineData("thousand-xyxy", "[100, 100, 300, 300]")]
    [InlineData("percent-cxcywh", "[20, 20, 20, 20]")]
    public void Coordinates_say_what_the_numbers_mean(string coordinates, string box)
    {
        var sources = Lines($$"""{"image": "a.png", "phrase": "x", "boxes": [{{box}}]}""") with { OwnCoordinates = coordinates };
        var found = Assert.Single(Assert.Single(Prepare(sources)).Boxes);
        foreach (var (edge, expected) in new[] { (found.Left, 4.0), (found.Top, 3), (found.Right, 12), (found.Bottom, 9) })
            Assert.Equal(expected, edge, 9);
    }

    [Theory]
    [InlineData("""{"image": "a.png", "phrase": "x", "box": [[1, 2, 3, 4]]}""", "\"boxes\" is no list")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": [[1, 2, 3]]}""", "\"boxes\" is no list")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": [["1", 2, 3, 4]]}""", "\"boxes\" is no list")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": null}""", "\"boxes\" is no list")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": [[0.1, 0.2, 0.3, 0.4]]}""", "from 0 to 1")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": [[1, 2, 41, 4]]}""", "outside")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": [[5, 2, 4, 4]]}""", "swapped")]
    [InlineData("""{"image": "a.png", "phrase": " ", "boxes": []}""", "no phrase")]
    [InlineData("""{"file": "a.png", "phrase": "x", "boxes": []}""", "no picture")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": [], "split": "trian"}""", "the split is unknown")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": [[1, 2, 3, 4]], "width": 80, "height": 60}""", "80 x 60")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": [], "boxes": [[1, 2, 3, 4]]}""", "the name 'boxes' stands twice")]
    [InlineData("""{"image": "a.png", "phrase": "x", "boxes": []""", "no valid JSON")]
    [InlineData("""{"image": "a.png", "\ud800": 1, "phrase": "x", "boxes": []}""", "a name is not valid text")]
    [InlineData("7", "no JSON object")]
    [InlineData("""{"image": "https://example.org/a.png", "phrase": "x", "boxes": []}""", "must be files")]
    [InlineData("""{"image": "b\\a.png", "phrase": "x", "boxes": []}""", "'/' between folders")]
    public void A_wrong_line_is_named_by_its_number(string line, string problem)
    {
        var sources = Lines("\n" + line);
        var message = Refused(sources);
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Assert.Contains("list.jsonl:2", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pictures_start_at_the_files_folder_else_at_the_named_one_and_end_inside_it_by_whatever_way()
    {
        _tree.Picture("pictures/in.png");
        _tree.Picture("pictures/deep/in2.png");
        _tree.Picture("outside/out.png");
        Directory.CreateDirectory(_tree["lists"]);
        File.CreateSymbolicLink(_tree["lists", "link"], _tree["pictures"]);
        File.CreateSymbolicLink(_tree["pictures", "away.png"], _tree["outside", "out.png"]);
        var named = new Dictionary<string, string> { ["own"] = _tree["pictures"] };

        foreach (var path in new[] { "../pictures/in.png", "in.png", "link/in.png", "deep/../in.png", _tree["pictures", "in.png"] })
            Assert.Equal("in.png", Assert.Single(Prepare(List(path) with { ImageFolders = named })).Image);
        foreach (var path in new[] { "../outside/out.png", "away.png", "../pictures/away.png", _tree["outside", "out.png"] })
            Assert.Contains("lies outside", Refused(List(path) with { ImageFolders = named }), StringComparison.Ordinal);

        // Where no folder is named, pictures may lie anywhere, also in several folders.
        Assert.Equal("out.png", Assert.Single(Prepare(List("../outside/out.png"))).Image);
        var two = Prepare(Lines(Line("../outside/out.png") + "\n" + Line("../pictures/deep/in2.png"), "lists/list.jsonl"));
        Assert.Equal(["outside/out.png", "pictures/deep/in2.png"], two.Select(sample => sample.Image).Order());
        Assert.Contains("name the image folder with '--images own=FOLDER'", Refused(List("nowhere.png")), StringComparison.Ordinal);

        DataSources List(string path) => Lines(Line(path), "lists/list.jsonl");

        static string Line(string path) => $$"""{"image": "{{path}}", "phrase": "x", "boxes": []}""";
    }

    [Fact]
    public void A_picture_is_its_own_patient_and_a_split_that_stays_empty_is_said()
    {
        _tree.Picture("b.png", shade: 1);
        string[] lines = ["a", "a", "b", "b"];
        var sources = Lines(string.Join('\n',
            lines.Select((name, i) => $$"""{"image": "{{name}}.png", "phrase": "{{i}}", "boxes": []}""")));
        Prepare(sources);
        var data = PreparedData.Open(Output);
        Assert.Equal([2, 2, 0], Enum.GetValues<Split>().Select(split => data.Read(SampleTask.Refer, split).Count));
        Assert.Single(data.Read(SampleTask.Refer, Split.Train).Select(sample => sample.Image).Distinct());
        var prepared = File.ReadAllText(Path.Combine(Output, "prepared.json"));
        Assert.Contains("own has nothing in test", prepared, StringComparison.Ordinal);
        Assert.Contains("every picture counts as a patient of its own", prepared, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_names_splits_keeps_them()
    {
        Prepare(Lines("""
            {"image": "a.png", "phrase": "x", "boxes": [], "split": "test", "patient": 1}
            {"image": "a.png", "phrase": "y", "boxes": [], "split": "validation", "patient": 2}
            """));
        var data = PreparedData.Open(Output);
        Assert.Equal("x", Assert.Single(data.Read(SampleTask.Refer, Split.Test)).Text);
        Assert.Equal("y", Assert.Single(data.Read(SampleTask.Refer, Split.Validate)).Text);
    }

    [Fact]
    public void What_the_options_miss_is_said()
    {
        var sources = Lines("""{"image": "a.png", "phrase": "x", "boxes": []}""");
        Assert.Contains("say what form it has", Refused(sources with { OwnFormat = null }), StringComparison.Ordinal);
        Assert.Contains("no kind of coordinates", Refused(sources with { OwnCoordinates = "inches" }), StringComparison.Ordinal);
        Assert.Contains("leave the option out",
            Refused(sources with { OwnFormat = "coco", OwnCoordinates = "unit-xyxy" }), StringComparison.Ordinal);
        Assert.Contains("there is no such file", Refused(sources with { Own = "/nowhere.jsonl" }), StringComparison.Ordinal);
        Assert.Contains("there is no such folder", Refused(sources with
        {
            ImageFolders = new Dictionary<string, string> { ["own"] = "/nowhere" },
        }), StringComparison.Ordinal);
        Assert.Contains("there is no sample in it", Refused(Lines("\n \n")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_is_as_strict_as_lines()
    {
        var sources = Lines("""[{"image": "a.png", "phrase": "x", "boxes": [], "boxes": [[1, 2, 3, 4]]}]""");
        Assert.Contains("item 1: the name 'boxes' stands twice", Refused(sources), StringComparison.Ordinal);
    }

    [Fact]
    public void Pictures_of_a_coco_file_that_nothing_is_said_about_are_counted()
    {
        _tree.Picture("b.png", shade: 1);
        var file = _tree.Write("coco.json", """
            {"images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30},
                        {"id": 2, "file_name": "b.png", "width": 40, "height": 30}],
             "categories": [{"id": 5, "name": "mass"}],
             "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4]},
                             {"id": 2, "image_id": 1, "category_id": 5, "bbox": [9, 9, 9, 9], "iscrowd": 1}]}
            """);
        Assert.Equal("mass", Assert.Single(Prepare(new DataSources { Own = file, OwnFormat = "coco" })).Text);
        var prepared = File.ReadAllText(Path.Combine(Output, "prepared.json"));
        Assert.Contains("1 pictures of own have no annotation", prepared, StringComparison.Ordinal);
        Assert.Contains("1 annotations of own are marked iscrowd", prepared, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sound_file_is_checked_without_findings()
    {
        var report = DataCheck.Run(new CheckOptions { Sources = Lines("""{"image": "a.png", "phrase": "x", "boxes": [[1, 2, 30, 20]]}""") },
            cancel: TestContext.Current.CancellationToken);
        Assert.Equal(FindingLevel.Note, report.Worst);
    }
}
