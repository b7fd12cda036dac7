using System.Text.Json;
using Pfmvg.Cli.Serving;
using Pfmvg.Cli.Serving.Chat;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Serving;

namespace Pfmvg.Tests.Cli.Serving.Chat;

public class JsonAnswerTests
{
    private const string Boxes = """{"type": "array", "items": {"type": "array", "items": {"type": "number"}}}""";

    // A picture of 200 x 50: the boxes are (20, 10, 60, 30) and (100, 0, 200, 50).
    private static ServedAnswer Answer(string text = "{<10><20><30><60>}<delim>{<50><0><100><100>}") => new(AnswerLine.Read(new Prediction
    {
        Id = "1", Image = "", Class = "", Phrase = "edema", Width = 200, Height = 50, Truth = [], Answer = text, Confidence = [0.5, 0.25],
    }), true, 9);

    private static string Write(string schema, ServedAnswer? answer = null)
    {
        const string Form = """{"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}""";
        using var body = JsonDocument.Parse(Form.Replace("SCHEMA", schema, StringComparison.Ordinal));
        return JsonAnswer.Read(body.RootElement)!.Write(answer ?? Answer());
    }

    [Theory]
    [InlineData("""{"type": "object", "properties": {"boxes": BOXES}}""", """{"boxes":[[20,10,60,30],[100,0,200,50]]}""")]
    [InlineData("""{"type": "object", "properties": {"bbox": {"type": "array", "items": {"type": "integer"}}}}""",
        """{"bbox":[20,10,60,30]}""")]
    [InlineData("""{"type": "object", "properties": {"detections": {"type": "array", "items": {"$ref": "#/$defs/D"}}}, """
        + """ "$defs": {"D": {"type": "object", "properties": {"label": {"type": "string"}, "x1": {"type": "number"}, """
        + """ "y_min": {"type": "integer"}, "right": {"type": "number"}, "h": {"type": "number"}, """
        + """ "score": {"anyOf": [{"type": "number"}, {"type": "null"}]}}}}}""",
        """{"detections":[{"label":"edema","x1":20,"y_min":10,"right":60,"h":20,"score":0.5},"""
        + """{"label":"edema","x1":100,"y_min":0,"right":200,"h":50,"score":0.25}]}""")]
    [InlineData("""{"type": "object", "properties": {"answers": {"type": "array", "items": {"type": "object", "properties": """
        + """{"box": {"type": "array", "items": {"type": "number"}}, "confidence": {"type": "number"}}}}}}""",
        """{"answers":[{"box":[20,10,60,30],"confidence":0.5},{"box":[100,0,200,50],"confidence":0.25}]}""")]
    [InlineData("""{"type": "object", "properties": {"found": {"type": "boolean"}, "diagnosis": {"type": "string"}, """
        + """ "image_size": {"type": "array", "items": {"type": "integer"}}, "confidences": {"type": "array", "items": """
        + """{"type": "number"}}}}""", """{"found":true,"image_size":[200,50],"confidences":[0.5,0.25]}""")]
    public void A_schema_is_filled_with_the_boxes_in_pixels(string schema, string expected) =>
        Assert.Equal(expected, Write(schema.Replace("BOXES", Boxes, StringComparison.Ordinal)));

    [Fact]
    public void An_answer_without_a_box_fills_it_with_none() => Assert.Equal("""{"boxes":[],"found":false,"box":[]}""", Write(
        """{"properties": {"boxes": BOXES, "found": {"type": "boolean"}, "box": {"type": "array", "items": {"type": "number"}}}}"""
            .Replace("BOXES", Boxes, StringComparison.Ordinal), Answer("none")));

    [Theory]
    [InlineData("""{"type": "object", "properties": {"diagnosis": {"type": "string"}}, "required": ["diagnosis"]}""", "'diagnosis'")]
    [InlineData("""{"type": "object", "properties": {"polygon": {"type": "array", "items": {"type": "number"}}}}""", "'polygon'")]
    [InlineData("""{"type": "object", "properties": {"boxes": {"$ref": "#/$defs/none"}}}""", "'#/$defs/none'")]
    [InlineData("""{"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}""", "too deep")]
    [InlineData("""{"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"$ref": "#"}}}}}""", "too deep")]
    [InlineData("""{"type": "string"}""", "''")]
    public void A_schema_that_wants_what_no_answer_holds_is_refused_before_the_model_is_asked(string schema, string word)
    {
        var refused = Assert.Throws<ApiError>(() => Write(schema));
        Assert.Equal(("response_format", 400), (refused.Param, refused.Status));
        Assert.Contains(word, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_schema_the_boxes_come_as_beside_the_text()
    {
        using var body = JsonDocument.Parse("""{"response_format": {"type": "json_object"}}""");
        Assert.Equal("""{"boxes":[{"phrase":"edema","box":[20,10,60,30],"confidence":0.5},{"phrase":"edema","box":[100,0,200,50]"""
            + ""","confidence":0.25}],"image_size":[200,50]}""", JsonAnswer.Read(body.RootElement)!.Write(Answer()));
    }
}
