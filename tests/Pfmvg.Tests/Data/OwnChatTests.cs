using Pfmvg.Data;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

public sealed class OwnChatTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private ListedSample Read(string answer, string? coordinates = "thousand-xyxy", string phrase = "x", string format = "ms-swift") =>
        Assert.Single(Rows($$"""
            {"messages": [{"role": "user", "content": "<image>Where is {{phrase}}?"}, {"role": "assistant", "content": {{answer}}}],
             "images": ["a.png"]}
            """, coordinates, format));

    private List<ListedSample> Rows(string row, string? coordinates = null, string format = "ms-swift", string? question = null)
    {
        _tree.Picture("a.png");
        return [.. new OwnReader(_tree.Write("rows.jsonl", row.Replace("\n", "", StringComparison.Ordinal)), format, null, coordinates,
            question).Read()];
    }

    [Theory]
    [InlineData("""{"images": ["a.png"], "objects": {"ref": ["x"]}, "messages": MESSAGES}""", "no list 'bbox'")]
    [InlineData("""{"images": ["a.png"], "objects": {"ref": ["x"], "bbox": []}, "messages": MESSAGES}""", "objects.bbox has 0 boxes")]
    [InlineData("""{"images": ["a.png"], "objects": {"ref": ["x"], "bbox": [[1,2,3,4],[1,2,3,4]]}, "messages": MESSAGES}""", "has 2 boxes")]
    [InlineData("""{"images": ["a.png"], "objects": {"ref": [], "bbox": [[1,2,3,4]]}, "messages": MESSAGES}""", "objects.ref has 0")]
    [InlineData("""{"images": ["a.png"], "objects": {"ref": ["x"], "bbox": [[1,2,3]]}, "messages": MESSAGES}""", "not four numbers")]
    [InlineData("""{"images": ["a.png"], "objects": {"ref": ["x"], "bbox": [[1,2]]}, "messages": MESSAGES}""", "not four numbers")]
    [InlineData("""{"images": ["a.png"], "objects": {"ref": ["x"], "bbox": [[1,2,3,4]], "bbox_type": "px"}, "messages": MESSAGES}""",
        "bbox_type")]
    [InlineData("""{"images": ["a.png", "b.png"], "messages": MESSAGES}""", "names 2 pictures")]
    [InlineData("""{"messages": MESSAGES}""", "names 0 pictures")]
    [InlineData("""{"images": ["a.png"]}""", "no messages")]
    [InlineData("""{"images": ["a.png"], "messages": [{"role": "assistant", "content": "[]"}]}""", "do not take turns")]
    [InlineData("""{"images": ["a.png"], "messages": [{"role": "user", "content": "Where is x?"}]}""", "do not take turns")]
    public void A_row_that_its_tool_would_misread_has_a_problem(string row, string problem)
    {
        const string Messages =
            """[{"role": "user", "content": "<image>Where is <ref-object>?"}, {"role": "assistant", "content": "<bbox>"}]""";
        var sample = Assert.Single(Rows(row.Replace("MESSAGES", Messages, StringComparison.Ordinal)));
        Assert.Contains(problem, sample.Problem, StringComparison.Ordinal);
        Assert.EndsWith("rows.jsonl:1", sample.Place, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"The box is at [1, 2, 3, 4]\"", "neither boxes nor 'none'")]
    [InlineData("\"[1, 2, 3]\"", "neither boxes nor 'none'")]
    [InlineData("\"[1, 2, 3, 4, 5]\"", "neither boxes nor 'none'")]
    [InlineData("\"[{\\\"bbox_2d\\\": [1, 2, 3], \\\"label\\\": \\\"x\\\"}]\"", "no 'bbox_2d' of four numbers")]
    [InlineData("\"[{\\\"bbox_2d\\\": [1, 2, 3, 4], \\\"label\\\": \\\"y\\\"}]\"", "another phrase")]
    [InlineData("\"<p>y</p> {<1><2><3><4>}\"", "another phrase")]
    [InlineData("\"\"", "is empty")]
    public void An_answer_that_is_not_boxes_has_a_problem(string answer, string problem) =>
        Assert.Contains(problem, Read(answer).Problem, StringComparison.Ordinal);

    [Fact]
    public void Numbers_without_declared_coordinates_are_refused_where_the_format_does_not_say()
    {
        var message = Assert.Throws<InputException>(() => Read("\"[1, 2, 3, 4]\"", null)).Message;
        Assert.Contains("rows.jsonl:1: numbers stand in the answer", message, StringComparison.Ordinal);
        Assert.Contains("--coordinates", message, StringComparison.Ordinal);
        Assert.Empty(Read("\"none\"", null).Boxes); // no numbers, nothing to declare
        Assert.Equal([new Box(4, 3, 8, 6)], Read("\"[0.1, 0.1, 0.2, 0.2]\"", null, format: "llava").BoxesIn(40, 30));
        Assert.Equal([new Box(4, 3, 8, 6)], Read("\"{<10><10><20><20>}\"", null).BoxesIn(40, 30));
    }

    [Fact]
    public void A_padded_box_is_one_of_the_square_and_never_leaves_the_picture_by_rounding()
    {
        var box = Assert.Single(Read("\"[0, 0.25, 1, 0.75]\"", null, format: "llava-padded").BoxesIn(4000, 2001));
        Assert.Equal(new Box(0, 1, 4000, 2001), box); // offset (4000 - 2001) / 2 = 999
        Assert.Equal(new Box(0, 0, 4000, 2000), Padded("[0, 0.2495, 1, 0.7505]")); // two pixels too far by rounding
        Assert.Equal(-40, Padded("[0, 0.24, 1, 0.75]").Top, 9); // wrong, and left for the checks to find

        Box Padded(string answer) => Assert.Single(Read($"\"{answer}\"", null, format: "llava-padded").BoxesIn(4000, 2000));
    }

    [Fact]
    public void A_question_of_another_form_is_named_and_can_be_declared()
    {
        const string Row = """
            {"image": "a.png", "conversations": [
             {"from": "human", "value": "Show me edema, please.\n<image>"}, {"from": "gpt", "value": "none"},
             {"from": "human", "value": "Show me mass, please."}, {"from": "gpt", "value": "none"}]}
            """;
        Assert.All(Rows(Row, format: "llava"), sample => Assert.Contains("--question", sample.Problem, StringComparison.Ordinal));
        var declared = Rows(Row, format: "llava", question: "Show me {phrase}, please.");
        Assert.Equal(["edema", "mass"], declared.Select(sample => sample.Text));
        Assert.Contains("must stand in it once",
            Assert.Throws<InputException>(() => Rows(Row, format: "llava", question: "Where?")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_says_padded_is_not_read_as_unpadded() => Assert.Contains("--format llava-padded",
        Assert.Throws<InputException>(() => new OwnReader(_tree.Write("x_padded.json", "[]"), "llava")).Message, StringComparison.Ordinal);
}
