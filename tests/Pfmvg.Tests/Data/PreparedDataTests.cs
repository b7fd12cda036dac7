using System.Text.Json.Nodes;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;

namespace Pfmvg.Tests.Data;

/// <summary>Paths and manifests are not trusted, whoever wrote them.</summary>
public sealed class PreparedDataTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private string Output => _tree["prepared"];

    private PrepareOptions Options(DataSources sources) => new() { Output = Output, Sources = sources };

    [Fact]
    public void Nothing_outside_the_image_folder_is_reached()
    {
        _tree.Picture("outside/x.jpg");
        _tree.Picture("in/y.jpg");
        File.CreateSymbolicLink(_tree["in", "link.jpg"], _tree["outside", "x.jpg"]);
        Directory.CreateSymbolicLink(_tree["in", "folder"], _tree["outside"]);
        File.CreateSymbolicLink(_tree["in", "inner.jpg"], "y.jpg");
        File.CreateSymbolicLink(_tree["in", "loop.jpg"], "loop.jpg");
        foreach (var (path, allowed) in new[]
        {
            ("y.jpg", true), ("inner.jpg", true), ("no such.jpg", true),
            ("../outside/x.jpg", false), ("a/../../outside/x.jpg", false), ("/etc/hostname", false), ("..\\outside\\x.jpg", false),
            ("link.jpg", false), ("folder/x.jpg", false), ("loop.jpg", false),
            ("", false), ("a//b", false), ("a\0b", false),
        })
        {
            var root = new ImageRoot(_tree["in"]);
            root.Resolve(path, out var problem);
            Assert.True(problem is null == allowed, $"{path}: {problem}");
        }

        Directory.CreateSymbolicLink(_tree["root link"], _tree["in"]); // the folder itself may be a link
        new ImageRoot(_tree["root link"]).Resolve("y.jpg", out var atRoot);
        Assert.Null(atRoot);
        _tree.Write("in/list.json", """[{"image": "../outside/x.jpg", "caption": "climbs"}, {"image": "y.jpg", "caption": "stays"}]""");
        var options = Options(new DataSources { Roco = _tree["in", "list.json"] });
        Assert.Contains("leaves the image folder", Assert.Throws<InputException>(() => StudyTree.Prepare(options)).Message,
            StringComparison.Ordinal);
        Assert.Equal(1, StudyTree.Prepare(options with { Bad = BadSamples.Skip }).Sources["roco"].Kept);
    }

    [Theory]
    [InlineData("{\"id\": \"a\"}", "'image', 'width'")]
    [InlineData("not json", "no valid JSON")]
    [InlineData(null, "")]
    public void A_manifest_is_checked_line_by_line(string? line, string problem)
    {
        StudyTree.Prepare(Options(_tree.MsCxr(10)));
        var path = Path.Combine(Output, "refer.train.jsonl");
        var good = File.ReadAllLines(path);
        if (line is null)
        {
            foreach (var (field, value, error) in new[]
            {
                ("width", "0", "size"), ("image", "\"../x\"", "leaves the image folder"), ("text", "\"\"", "text is empty"),
                ("boxes", "[[1,2,3,400]]", "outside"), ("boxes", "null", "'boxes' is null"),
                ("boxes", "[[1,2,3]]", "'boxes[0]' is no list of four numbers"),
                ("task", "\"caption\"", "task"), ("source", "\"other\"", "no image folder"),
            })
            {
                var changed = JsonNode.Parse(good[1])!;
                changed[field] = JsonNode.Parse(value);
                Expect(changed.ToJsonString(), error);
            }

            Expect(good[0], "occurs twice");
        }
        else Expect(line, problem);

        void Expect(string second, string error)
        {
            File.WriteAllLines(path, [good[0], second, .. good[2..]]);
            var message = Assert.Throws<InputException>(() => PreparedData.Open(Output).Read(SampleTask.Refer, Split.Train)).Message;
            Assert.Contains(error, message, StringComparison.Ordinal);
            if (error != "no image folder") Assert.StartsWith($"{path}:2", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Moved_pictures_are_found_by_an_override()
    {
        StudyTree.Prepare(Options(_tree.MsCxr(5)));
        Directory.Move(_tree["files"], _tree["prepared", "files"]);
        var moved = PreparedData.Open(Output, new Dictionary<string, string> { ["ms-cxr"] = Output });
        Assert.True(File.Exists(moved.ImagePath(moved.Read(SampleTask.Refer, Split.Train)[0])));
        Assert.Throws<InputException>(() => PreparedData.Open(Output, new Dictionary<string, string> { ["roco"] = Output }));
        Assert.Throws<InputException>(() => PreparedData.Open(_tree["nothing here"]));
        foreach (var broken in new[] { "", "[]", "{", "{\"version\": 1}", "{\"version\": \"x\", \"roots\": {}}",
            "{\"version\": 1, \"roots\": {\"a\": 5}}", "{\"version\": 1, \"roots\": {\"a\": null}}" })
        {
            File.WriteAllText(Path.Combine(Output, "prepared.json"), broken);
            Assert.Throws<InputException>(() => PreparedData.Open(Output));
        }
    }
}
