using System.Numerics;
using System.Text.Json.Nodes;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Scoring;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Golden;

/// <summary>Box text, answers and scores against the original projects and against exact rational arithmetic.</summary>
[Trait("Category", "Golden")]
public class GroundingTests
{
    private const double Tolerance = 1e-9;

    private readonly JsonNode _expected = Fixtures.Json("grounding", "expected_iou_dice.json");
    private readonly Dictionary<int, Annotation> _annotations = ReadAnnotations();
    private readonly Dictionary<int, string> _outputs = File.ReadLines(Fixtures.Path("grounding", "predictions.jsonl"))
        .Where(line => line.Length > 0).Select(line => JsonNode.Parse(line)!)
            .ToDictionary(line => Number(line, "ann_id"), line => Text(line, "output"));

    private sealed record Annotation(Box Box, int Width, int Height, string Phrase)
    {
        public Region Truth => new(Box);
        public Region ToRegion(IEnumerable<GridBox> boxes, bool repaired) =>
            new([.. boxes.Select(box => box.ToPixels(Width, Height, repaired))]);
    }

    [Fact]
    public void Training_answers_are_the_original_s()
    {
        foreach (var answer in Fixtures.Json("grounding", "answers.json").AsArray())
        {
            var annotation = _annotations[Number(answer!, "ann_id")];
            var text = BoxCodec.Format([annotation.Box], annotation.Width, annotation.Height);
            Assert.Equal(Text(answer!, "text"), text);
            Assert.Equal(Grid(answer!["box"]!), BoxCodec.ToGrid(annotation.Box, annotation.Width, annotation.Height));
            Assert.Equal([Grid(answer["box"]!)], BoxCodec.Parse(text).Boxes);
        }
    }

    [Fact]
    public void Phrases_and_the_legacy_prompts_are_the_original_s()
    {
        foreach (var answer in Fixtures.Json("grounding", "answers.json").AsArray())
        {
            var phrase = CaptionNormalizer.Normalize(_annotations[Number(answer!, "ann_id")].Phrase).Text;
            Assert.Equal(Text(answer!, "refer_sentence"), phrase);
            Assert.Equal(Text(answer!, "eval_text_input"), LegacyInput(InstructionPool.Refer[0], phrase));
            Assert.Equal(
                answer!["train_text_inputs"]!.AsArray().Select(text => text!.GetValue<string>()),
                InstructionPool.PublishedRefer.Select(wording => LegacyInput(wording, phrase)));
        }

        static string LegacyInput(string wording, string phrase)
        {
            var prompt = PromptTemplate.Build(PromptTemplate.ReferTask, InstructionPool.Fill(wording, phrase), normalizeWhole: true);
            return $"{prompt.BeforeImage["[INST] ".Length..]}<imagehere>{prompt.AfterImage[..^" [/INST]".Length]}";
        }
    }

    [Fact]
    public void Answers_are_cleaned_and_read_as_the_reference_does()
    {
        foreach (var expected in _expected["annotations"]!.AsArray())
        {
            var output = _outputs[Number(expected!, "ann_id")];
            var parsed = BoxCodec.Parse(output);
            Assert.Equal(Text(expected!, "cleaned"), BoxCodec.Clean(output));
            Assert.Equal(expected!["boxes"]!.AsArray().Select(box => Grid(box!)), parsed.Boxes);
            Assert.Equal(expected["parseable"]!.GetValue<bool>(), parsed.Boxes.Count > 0);
            Assert.Equal(expected["reference_regex_matches_at_start"]!.GetValue<bool>(), BoxCodec.ParseAtStart(output) is not null);
            if (parsed.Boxes.Count == 0) Assert.NotEqual(Flaw.None, parsed.Failure);
        }
    }

    [Fact]
    public void Iou_and_Dice_of_every_annotation_are_the_exact_fractions()
    {
        foreach (var expected in _expected["annotations"]!.AsArray())
        {
            var id = Number(expected!, "ann_id");
            var annotation = _annotations[id];
            var boxes = BoxCodec.Parse(_outputs[id]).Boxes;
            AssertScores(expected!["first_box"], annotation.Truth, annotation.ToRegion(boxes.Take(1), false), $"{id} first_box");
            AssertScores(expected["first_box_sorted_clamped"], annotation.Truth, annotation.ToRegion(boxes.Take(1), true),
                $"{id} first_box_sorted_clamped");
            AssertScores(expected["all_boxes_union"], annotation.Truth, annotation.ToRegion(boxes, false), $"{id} all_boxes_union");
            AssertScores(expected["all_boxes_union_sorted_clamped"], annotation.Truth, annotation.ToRegion(boxes, true),
                $"{id} all_boxes_union_sorted_clamped");
            if (expected["box_pixels"] is { } pixels) AssertBox(pixels, boxes[0].ToPixels(annotation.Width, annotation.Height, false));
        }
    }

    [Fact]
    public void The_original_s_plus_one_scores_are_those_of_the_pixel_inclusive_regions()
    {
        foreach (var annotated in _expected["annotations"]!.AsArray())
        {
            if (annotated!["reference_plus_one"] is not { } expected) continue;
            var id = Number(annotated, "ann_id");
            var annotation = _annotations[id];
            var box = BoxCodec.ParseAtStart(_outputs[id])!.Value;
            AssertBox(expected["box_pixels"]!, box.ToPixels(annotation.Width, annotation.Height, false));
            var (truth, found) = (annotation.Truth.PixelInclusive(), annotation.ToRegion([box], false).PixelInclusive());
            Assert.Equal(Real(expected, "iou"), Region.Iou(truth, found), Tolerance);
            Assert.Equal(Real(expected, "dice"), Region.Dice(truth, found), Tolerance);
        }
    }

    [Fact]
    public void Phrases_are_scored_as_unions()
    {
        foreach (var phrase in _expected["phrases"]!.AsArray())
        {
            int[] ids = [.. phrase!["ann_ids"]!.AsArray().Select(id => id!.GetValue<int>())];
            var (first, truth) = (_annotations[ids[0]], new Region([.. ids.Select(id => _annotations[id].Box)]));
            Assert.Equal(Number(phrase, "n_gt"), truth.Boxes.Count);
            Assert.Equal(Real(phrase, "gt_union_area"), truth.Area, Tolerance * truth.Area);
            List<GridBox> all = [.. ids.SelectMany(id => BoxCodec.Parse(_outputs[id]).Boxes)];
            Assert.Equal(phrase["pred_boxes_all"]!.AsArray().Select(box => Grid(box!)), all);
            AssertScores(phrase["union_all_predictions"], truth, first.ToRegion(all, true), $"phrase of {ids[0]}");
            AssertScores(phrase["union_first_annotations_prediction"], truth, first.ToRegion(BoxCodec.Parse(_outputs[ids[0]]).Boxes, true),
                $"phrase of {ids[0]}, first");
        }
    }

    [Fact]
    public void Summaries_are_the_reference_s()
    {
        var summary = _expected["summary"]!;
        AssertSummary("first_box", Score(parsed => parsed.Take(1), false));
        AssertSummary("first_box_sorted_clamped", Score(parsed => parsed.Take(1), true));
        AssertSummary("all_boxes_union_sorted_clamped", Score(parsed => parsed, true));
        Assert.Equal(Number(summary, "n_annotations"), _annotations.Count);
        Assert.Equal(Number(summary, "n_parseable"), Score(parsed => parsed, true).Valid);
        Assert.Equal(Number(summary, "n_reference_regex"), _outputs.Values.Count(output => BoxCodec.ParseAtStart(output) is not null));

        var inclusive = Aggregate(_annotations.Keys.Select(id => BoxCodec.ParseAtStart(_outputs[id]) is { } box
            ? Sample(id, _annotations[id].Truth.PixelInclusive(), _annotations[id].ToRegion([box], false).PixelInclusive())
            : Failed(id)));
        var expected = summary["reference_plus_one"]!;
        Assert.Equal(Number(expected, "n_scored"), inclusive.Valid);
        Assert.Equal(Real(expected, "mean_iou_unmatched_as_0"), inclusive.WeightedIou(), Tolerance);
        Assert.Equal(Real(expected, "mean_dice_unmatched_as_0"), inclusive.WeightedDice(), Tolerance);
        Assert.Equal(Real(expected, "acc_iou_gt_0_5"), inclusive.Accuracy(0.5), Tolerance);

        var phrases = Aggregate(_expected["phrases"]!.AsArray().Select(phrase =>
        {
            int[] ids = [.. phrase!["ann_ids"]!.AsArray().Select(id => id!.GetValue<int>())];
            List<GridBox> boxes = [.. ids.SelectMany(id => BoxCodec.Parse(_outputs[id]).Boxes)];
            return boxes.Count == 0
                ? Failed(ids[0])
                : Sample(ids[0], new Region([.. ids.Select(id => _annotations[id].Box)]), _annotations[ids[0]].ToRegion(boxes, true));
        }));
        Assert.Equal(Number(summary["phrases_union_all_predictions"]!, "n"), phrases.Count);
        Assert.Equal(Real(summary["phrases_union_all_predictions"]!, "mean_iou"), phrases.WeightedIou(), Tolerance);
        Assert.Equal(Real(summary["phrases_union_all_predictions"]!, "mean_dice"), phrases.WeightedDice(), Tolerance);

        PlainScores Score(Func<IReadOnlyList<GridBox>, IEnumerable<GridBox>> choose, bool repaired) =>
            Aggregate(_annotations.Keys.Select(id =>
            BoxCodec.Parse(_outputs[id]).Boxes is { Count: > 0 } boxes
                ? Sample(id, _annotations[id].Truth, _annotations[id].ToRegion(choose(boxes), repaired))
                : Failed(id)));

        void AssertSummary(string name, PlainScores scores)
        {
            Assert.Equal(Real(summary[name]!, "mean_iou"), scores.WeightedIou(), Tolerance);
            Assert.Equal(Real(summary[name]!, "mean_dice"), scores.WeightedDice(), Tolerance);
            Assert.Equal(Real(summary[name]!, "acc_iou_gt_0_5"), scores.Accuracy(0.5), Tolerance);
            Assert.Equal(Real(summary[name]!, "acc_iou_ge_0_5"), scores.Accuracy(0.5, inclusive: true), Tolerance);
        }
    }

    private static PlainScores Aggregate(IEnumerable<SampleScore> samples) => new([.. samples], []);

    private static SampleScore Sample(int id, Region truth, Region found) =>
        new($"{id}", "all", Region.Iou(truth, found), Region.Dice(truth, found), true);

    private static SampleScore Failed(int id) => new($"{id}", "all", 0, 0, false);

    /// <summary>null stands for "nothing parseable".</summary>
    private static void AssertScores(JsonNode? expected, Region truth, Region found, string what)
    {
        if (expected is null)
        {
            Assert.Empty(found.Boxes);
            return;
        }

        var (iou, dice) = (Fraction(expected, "iou_exact"), Fraction(expected, "dice_exact"));
        Assert.Equal(Real(expected, "iou"), iou, Tolerance);
        Assert.True(Math.Abs(iou - Region.Iou(truth, found)) <= Tolerance, $"{what}: IoU {Region.Iou(truth, found):r}, exactly {iou:r}");
        Assert.True(Math.Abs(dice - Region.Dice(truth, found)) <= Tolerance,
            $"{what}: Dice {Region.Dice(truth, found):r}, exactly {dice:r}");
    }

    private static void AssertBox(JsonNode expected, Box actual)
    {
        double[] numbers = [.. expected.AsArray().Select(number => number!.GetValue<double>())];
        double[] found = [actual.Left, actual.Top, actual.Right, actual.Bottom];
        foreach (var (number, value) in numbers.Zip(found)) Assert.Equal(number, value, Tolerance);
    }

    private static Dictionary<int, Annotation> ReadAnnotations()
    {
        var coco = Directory.GetFiles(Fixtures.Path("grounding"), "*.json").Select(path => JsonNode.Parse(File.ReadAllText(path)))
            .OfType<JsonObject>().Single(file => file.ContainsKey("images")); // the data set's own file, whatever its name
        var images = coco["images"]!.AsArray().ToDictionary(image => Number(image!, "id"), image => image!);
        return coco["annotations"]!.AsArray().ToDictionary(annotation => Number(annotation!, "id"), annotation =>
        {
            var image = images[Number(annotation!, "image_id")];
            double[] box = [.. annotation!["bbox"]!.AsArray().Select(number => number!.GetValue<double>())];
            return new Annotation(Box.FromXywh(box[0], box[1], box[2], box[3]), Number(image, "width"), Number(image, "height"),
                Text(annotation, "label_text"));
        });
    }

    private static GridBox Grid(JsonNode box)
    {
        int[] numbers = [.. box.AsArray().Select(number => number!.GetValue<int>())];
        return new GridBox(numbers[0], numbers[1], numbers[2], numbers[3]);
    }

    private static double Fraction(JsonNode node, string key)
    {
        var parts = Text(node, key).Split('/').Select(part => BigInteger.Parse(part, null)).ToArray();
        return (double)parts[0] / (double)parts[1];
    }

    private static int Number(JsonNode node, string key) => node[key]!.GetValue<int>();

    private static double Real(JsonNode node, string key) => node[key]!.GetValue<double>();

    private static string Text(JsonNode node, string key) => node[key]!.GetValue<string>();
}
