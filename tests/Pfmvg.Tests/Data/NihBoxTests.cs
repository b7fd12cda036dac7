using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

public sealed class NihBoxTests : IDisposable
{
    private const string Header = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n";

    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private List<ListedSample> Read(string rows)
    {
        _tree.Write("BBox_List_2017.csv", Header + rows);
        return [.. new NihBoxReader(_tree.Root).Read()];
    }

    [Fact]
    public void Rows_are_read_by_position_whatever_the_header_says()
    {
        _tree.Picture("images_001/images/00000001_000.png", 1024, 1024);
        var samples = Read("00000001_000.png,Atelectasis,225.5,547,86.25,79,,,\n\n00000001_000.png,Mass,1,2,3,4\n");
        Assert.Equal([new Box(225.5, 547, 311.75, 626)], samples[0].Boxes);
        Assert.Equal(("images_001/images/00000001_000.png", "Atelectasis", "Atelectasis", "00000001", null),
            (samples[0].Image, samples[0].Text, samples[0].Class, samples[0].Patient, samples[0].Problem));
        Assert.Equal(["00000001_000#1", "00000001_000#2"], samples.Select(sample => sample.Id));
        Assert.EndsWith("BBox_List_2017.csv:4", samples[1].Place, StringComparison.Ordinal);
        StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = new DataSources { NihBoxes = _tree.Root } });
        var prepared = File.ReadAllText(_tree["prepared", "prepared.json"]);
        Assert.Contains("nih-cxr14 has no phrases: its class names are the prompts.", prepared, StringComparison.Ordinal);
        Assert.Contains("nih-cxr14 has nothing in validate and test", prepared, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a.png,Mass,1,2,3", "six values")]
    [InlineData("a.png,Mass,1,2,3,4,5", "six values")]
    [InlineData(",Mass,1,2,3,4", "names no picture")]
    public void A_row_of_another_shape_has_a_problem(string row, string problem) =>
        Assert.Contains(problem, Assert.Single(Read(row)).Problem, StringComparison.Ordinal);

    [Theory]
    [InlineData("a.png,Mass,1,x,3,4", "not a number")]
    [InlineData("a.png,Mass,1000,2,30,4", "outside")]
    [InlineData("a.png,Mass,10,2,-3,4", "swapped")]
    public void A_wrong_box_stops_the_preparation(string row, string problem)
    {
        _tree.Picture("a.png", 1024, 1024);
        Read(row);
        Assert.Contains(problem, Prepare(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_resized_picture_is_refused_because_the_boxes_are_at_1024()
    {
        _tree.Picture("a.png", 512, 512);
        Read("a.png,Mass,1,2,3,4");
        Assert.Contains("512 x 512 pixels, its annotation says 1024 x 1024", Prepare(), StringComparison.Ordinal);
    }

    private string Prepare() => Assert.Throws<InputException>(() => StudyTree.Prepare(
        new PrepareOptions { Output = _tree["prepared"], Sources = new DataSources { NihBoxes = _tree.Root } })).Message;
}
