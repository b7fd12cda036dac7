using System.Globalization;
using System.Text.Json.Nodes;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Exporting;

/// <summary>Makes the rows of other tools' training files. What each tool's loader makes of them decides how they are written.</summary>
/// <param name="question">How the phrase stands in the question, with {phrase}.</param>
internal sealed class ExportRows(string question)
{
    /// <summary>Boxes that rounding has left without width or height.</summary>
    public long Collapsed { get; private set; }

    /// <summary>One's own JSON Lines, as `data prepare --own` reads them.</summary>
    public static JsonObject Lines(Sample sample, string picture, string split)
    {
        var row = new JsonObject
        {
            ["id"] = sample.Id,
            ["image"] = picture,
            ["phrase"] = sample.Text,
            ["boxes"] = List(sample.Boxes, box => [box.Left, box.Top, box.Right, box.Bottom]),
            ["width"] = sample.Width,
            ["height"] = sample.Height,
            ["split"] = split,
        };
        foreach (var (name, value) in new[] { ("class", sample.Class), ("patient", sample.Patient), ("study", sample.Study) })
            if (value is not null) row[name] = value;
        return row;
    }

    /// <summary>A row of imagefolder's `metadata.jsonl`.</summary>
    public static JsonObject ImageFolder(Sample sample, string picture) => new()
    {
        ["file_name"] = picture,
        ["id"] = sample.ShareableId,
        ["phrase"] = sample.Text,
        ["objects"] = new JsonObject
        {
            ["bbox"] = List(sample.Boxes, box => [box.Left, box.Top, box.Width, box.Height]),
            ["category"] = new JsonArray([.. sample.Boxes.Select(_ => (JsonNode)0)]),
        },
    };

    /// <summary>
    /// ms-swift's grounding form: boxes in pixels of the stored picture, which it moves to what the model wants (pixels of the
    /// resized picture for Qwen2.5-VL). An empty `bbox` must be there, or the row is dropped.
    /// </summary>
    public JsonObject Swift(Sample sample, string picture) => new()
    {
        ["messages"] = Messages("role", "content", "user", "assistant", "<image>" + Ask("<ref-object>"),
            sample.Boxes.Count == 0 ? "none" : string.Concat(sample.Boxes.Select(_ => "<bbox>"))),
        ["images"] = new JsonArray(picture),
        ["objects"] = new JsonObject
        {
            ["ref"] = new JsonArray(sample.Text),
            ["bbox"] = List(sample.Boxes, box => [box.Left, box.Top, box.Right, box.Bottom]),
        },
    };

    /// <summary>LLaMA-Factory's sharegpt form; it resizes pictures but no numbers, so these are 0 to 1000.</summary>
    public JsonObject LlamaFactory(Sample sample, string picture) => new()
    {
        ["conversations"] = Messages("from", "value", "human", "gpt", "<image>" + Ask(sample.Text), Thousand(sample)),
        ["images"] = new JsonArray(picture),
    };

    /// <summary>TRL's form of prompt and completion; of `messages` it would learn the prompt, too.</summary>
    public JsonObject Trl(Sample sample, string picture) => new()
    {
        ["images"] = new JsonArray(picture),
        ["prompt"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = Ask(sample.Text) }),
        ["completion"] = new JsonArray(new JsonObject { ["role"] = "assistant", ["content"] = Thousand(sample) }),
    };

    /// <summary>LLaVA's form, 0 to 1 with three decimals: of the picture, or of the picture padded to a square.</summary>
    public JsonObject Llava(Sample sample, string picture, bool padded)
    {
        var side = Math.Max(sample.Width, sample.Height);
        var (width, height) = padded ? (side, side) : (sample.Width, sample.Height);
        var (x, y) = padded ? ((side - sample.Width) / 2, (side - sample.Height) / 2) : (0, 0);
        var answer = string.Join("; ", sample.Boxes.Select(box => "[" + string.Join(", ", Rounded(box.Move(x, y), width, height, 1, 3)
            .Select(edge => edge.ToString("F3", CultureInfo.InvariantCulture))) + "]"));
        return new JsonObject
        {
            ["id"] = sample.ShareableId,
            ["image"] = picture,
            ["conversations"] = Messages("from", "value", "human", "gpt", "<image>\n" + Ask(sample.Text),
                answer.Length > 0 ? answer : "none"),
        };
    }

    private string Ask(string phrase) => question.Replace("{phrase}", phrase, StringComparison.Ordinal);

    /// <summary>The answer as [{"bbox_2d": ..., "label": ...}] with whole numbers from 0 to 1000, halves to the even one.</summary>
    private string Thousand(Sample sample) => "[" + string.Join(", ", sample.Boxes.Select(box =>
        $"{{\"bbox_2d\": [{string.Join(", ", Rounded(box, sample.Width, sample.Height, 1000, 0))}], "
            + $"\"label\": {JsonValue.Create(sample.Text).ToJsonString(ExportFiles.Json)}}}")) + "]";

    private double[] Rounded(Box box, int width, int height, int range, int decimals)
    {
        double[] edges =
        [
            Math.Round(box.Left / width * range, decimals), Math.Round(box.Top / height * range, decimals),
            Math.Round(box.Right / width * range, decimals), Math.Round(box.Bottom / height * range, decimals),
        ];
        if (edges[2] <= edges[0] || edges[3] <= edges[1]) Collapsed++;
        return edges;
    }

    private static JsonArray Messages(string role, string text, string user, string model, string question, string answer) =>
    [
        new JsonObject { [role] = user, [text] = question },
        new JsonObject { [role] = model, [text] = answer },
    ];

    private static JsonArray List(IReadOnlyList<Box> boxes, Func<Box, double[]> numbers) =>
        [.. boxes.Select(box => new JsonArray([.. numbers(box).Select(number => (JsonNode)number)]))];
}
