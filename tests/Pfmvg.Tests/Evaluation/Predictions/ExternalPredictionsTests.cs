using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Predictions;

public sealed class ExternalPredictionsTests : IDisposable
{
    private const string Coco = """
        {
          "images": [
            {"id": 7, "file_name": "files/p10/p10000032/s50414267/aaa.jpg", "width": 400, "height": 200},
            {"id": 8, "file_name": "bbb.jpg", "width": 400, "height": 200}],
          "categories": [{"id": 1, "name": "Edema"}, {"id": 2, "name": "Pneumonia"}],
          "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "label_text": "left", "bbox": [0, 0, 100, 100]},
            {"id": 2, "image_id": 7, "category_id": 1, "label_text": "right", "bbox": [200, 0, 100, 100]},
            {"id": 3, "image_id": 8, "category_id": 2, "label_text": "both", "bbox": [0, 0, 100, 100]},
            {"id": 4, "image_id": 8, "category_id": 2, "label_text": "both", "bbox": [200, 100, 100, 100]}
          ]
        }
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> EveryKind => [.. Coordinates.All.Select(kind => kind.ToString())];

    [Theory]
    [MemberData(nameof(EveryKind))]
    public void Boxes_in_any_declared_coordinates_score_as_in_pixels(string kind)
    {
        var predictions = Boxed();
        var expected = Scorer.Score(predictions, new ScoringOptions { Resamples = 0 });
        var read = PredictionFile.Read(WriteBoxes(predictions, Coordinates.Parse(kind)),
            new ReadOptions { Coordinates = Coordinates.Parse(kind) });
        var table = Scorer.Score(read, new ScoringOptions { Resamples = 0 });
        for (var i = 0; i < expected.Samples.Count; i++) Assert.Equal(expected.Samples[i].Iou, table.Samples[i].Iou, 1e-9);
    }

    [Theory]
    [MemberData(nameof(EveryKind))]
    public void Every_wrong_declaration_is_refused_and_the_right_one_named(string kind)
    {
        var right = Coordinates.Parse(kind);
        var path = WriteBoxes(Boxed(), right);
        foreach (var wrong in Coordinates.All.Where(other => other != right))
        {
            var error = Assert.Throws<InputException>(() => PredictionFile.Read(path, new ReadOptions { Coordinates = wrong }));
            Assert.Contains($"do not look like {wrong}", error.Message, StringComparison.Ordinal);
            Assert.Contains($"They fit {right}", error.Message, StringComparison.Ordinal);
            Assert.NotEmpty(PredictionFile.Read(path, new ReadOptions { Coordinates = wrong, TrustCoordinates = true }));
        }
    }

    [Fact]
    public void A_bad_model_in_the_declared_coordinates_is_not_refused()
    {
        var random = new CounterRandom(3, "bad model");
        var predictions = Boxed().ConvertAll(p =>
        {
            var (x, y) = (2200 * random.NextDouble(), 1700 * random.NextDouble());
            return p with { Boxes = [new Box(x, y, x + 300 * random.NextDouble(), y + 300 * random.NextDouble())] };
        });
        foreach (var kind in Coordinates.All)
            Assert.Equal(predictions.Count, PredictionFile.Read(
                WriteBoxes(predictions, kind), new ReadOptions { Coordinates = kind }).Count);
    }

    [Fact]
    public void Boxes_without_a_truth_never_pass_for_the_truth()
    {
        const string Line = """{"id": "a", "image": "i", "class": "Edema", "phrase": "p", "width": 9, "height": 9, """;
        var path = Answers.Write(_folder.Path, "p.jsonl", Line + """ "boxes": [[1, 2, 3, 4]], "coordinates": "pixels-xyxy"}""");
        Assert.Contains("no 'truth'", Assert.Throws<InputException>(() => PredictionFile.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Coco_results_find_their_phrases_by_annotation_by_text_or_by_class()
    {
        List<string> notes = [];
        var read = ReadCoco("""
            [{"image_id": 7, "category_id": 1, "annotation_id": 1, "bbox": [0, 0, 50, 100], "score": 0.9},
             {"image_id": 7, "category_id": 1, "label_text": "right", "bbox": [200, 0, 100, 100], "score": 0.5},
             {"image_id": 8, "category_id": 2, "bbox": [200, 100, 100, 100], "score": 0.2},
             {"image_id": 8, "category_id": 2, "bbox": [0, 0, 100, 100], "score": 0.8},
             {"image_id": 8, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.8}]
            """, new ReadOptions { Note = notes.Add });
        var asked = read.Where(p => p.Truth.Count > 0).ToList();
        Assert.Equal(["1", "2", "3", "4"], asked.Select(p => p.Id));
        Assert.Equal(["p10000032", "p10000032", null, null], asked.Select(p => p.Patient));
        Assert.Contains("1 results are of a picture and class that has no phrase", Assert.Single(notes), StringComparison.Ordinal);

        var boxes = Scorer.Score(read, new ScoringOptions { Resamples = 0 });
        Assert.Equal([0.5, 1, 1, 0], boxes.Samples.Select(sample => sample.Iou)); // the most certain box counts
        var union = Scorer.Score(read, new ScoringOptions { Resamples = 0, Protocol = Protocol.PhraseUnion });
        Assert.Equal([0.5, 1, 1], union.Samples.Select(sample => sample.Iou));
        var map = Scorer.Score(read, new ScoringOptions { Resamples = 0, Protocol = Protocol.Map50 });
        Assert.Equal(1, map.Classes[0][Metric.AveragePrecision50].Value);
        Assert.Equal((51 + 50 * 2 / 3.0) / 101, map.Classes[1][Metric.AveragePrecision50].Value, 1e-12); // one box where no edema is
        Assert.Equal([2, 2], map.Classes.Select(row => row.Count));
    }

    [Fact]
    public void A_note_names_coco_results_that_phrases_share_and_a_phrase_without_one_is_a_failure()
    {
        List<string> notes = [];
        const string Results = """[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 100], "score": 0.9}]""";
        var read = ReadCoco(Results, new ReadOptions { Note = notes.Add });
        Assert.Contains("belong to several phrases", Assert.Single(notes), StringComparison.Ordinal);
        Assert.Equal([Flaw.None, Flaw.None, Flaw.NoBox, Flaw.NoBox],
            Scorer.Score(read, new ScoringOptions { Resamples = 0 }).Samples.Select(s => s.Flaw));
    }

    [Theory]
    [InlineData("{}", "JSON list")]
    [InlineData("""[{"image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]""", "no image_id 9")]
    [InlineData("""[{"image_id": 7, "category_id": 9, "bbox": [0, 0, 1, 1], "score": 0.5}]""", "no category_id 9")]
    [InlineData("""[{"annotation_id": 9, "bbox": [0, 0, 1, 1], "score": 0.5}]""", "no annotation '9'")]
    [InlineData("""[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1], "score": 0.5}]""", "4 numbers")]
    [InlineData("""[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}]""", "'score'")]
    [InlineData("""[{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "score": NaN}]""", "NaN")]
    [InlineData("""[7]""", "must be a JSON object")]
    public void Wrong_coco_results_are_named(string results, string reason) =>
        Assert.Contains(reason, Assert.Throws<InputException>(() => ReadCoco(results, new ReadOptions())).Message,
            StringComparison.Ordinal);

    [Fact]
    public void The_truth_is_read_alike_from_json_and_csv()
    {
        const string Csv = """
            category_name,label_text,path,x,y,w,h,image_width,image_height,dicom_id,split
            Edema,"left, small",files/p10/p10000032/s50414267/aaa.jpg,0,0,100,100,400,200,aaa,test
            Pneumonia,both,bbb.jpg,0,0,100,100,400,200,bbb,train
            """;
        var truth = TruthFile.Read(Answers.Write(_folder.Path, "truth.csv", Csv), "test");
        var question = Assert.Single(truth.Questions);
        Assert.Equal(("left, small", "p10000032", "Edema", new Box(0, 0, 100, 100)),
            (question.Phrase, question.Patient, question.Class, question.Truth[0]));
        Assert.Equal(4, TruthFile.Read(Answers.Write(_folder.Path, "truth.json", Coco)).Questions.Count);
        foreach (var path in (string[])[Answers.Write(_folder.Path, "truth.json", Coco), Answers.Write(_folder.Path, "truth.jsonl", ""),
            Answers.Write(_folder.Path, "none.csv", Csv.Replace(",split", "", StringComparison.Ordinal)
                .Replace(",test", "", StringComparison.Ordinal).Replace(",train", "", StringComparison.Ordinal))])
            Assert.Contains("names no splits, so that none can be chosen",
                Assert.Throws<InputException>(() => TruthFile.Read(path, "test")).Message, StringComparison.Ordinal);
        Assert.Contains("has no 'annotations'",
            Assert.Throws<InputException>(() => TruthFile.Read(Answers.Write(_folder.Path, "empty.json", "{}"))).Message,
            StringComparison.Ordinal);
        var three = Coco.Replace("[0, 0, 100, 100]", "[0, 0, 100]", StringComparison.Ordinal);
        Assert.Contains("annotations[0]: 'bbox' must have 4 numbers", Assert.Throws<InputException>(
            () => TruthFile.Read(Answers.Write(_folder.Path, "three.json", three))).Message, StringComparison.Ordinal);
        var outside = Coco.Replace("[0, 0, 100, 100]", "[390, 0, 100, 100]", StringComparison.Ordinal);
        Assert.Contains("annotations[0]", Assert.Throws<InputException>(
            () => TruthFile.Read(Answers.Write(_folder.Path, "out.json", outside))).Message, StringComparison.Ordinal);
    }

    private IReadOnlyList<Prediction> ReadCoco(string results, ReadOptions options) => ExternalPredictions.Read(
        Answers.Write(_folder.Path, "results.json", results), options with
        {
            Truth = TruthFile.Read(Answers.Write(_folder.Path, "truth.json", Coco)),
        });

    private static List<Prediction> Boxed()
    {
        var random = new CounterRandom(2, "boxed");
        return [.. Enumerable.Range(0, 40).Select(i =>
        {
            var (x, y) = (300 + 1000 * random.NextDouble(), 300 + 800 * random.NextDouble());
            var (w, h) = (200 + 600 * random.NextDouble(), 200 + 500 * random.NextDouble());
            var truth = new Box(x, y, x + w, y + h);
            return Answers.Make($"s{i}", [truth], [truth.Move(80 * random.NextNormal(), 80 * random.NextNormal())]) with
            {
                Width = 2500,
                Height = 2000,
            };
        })];
    }

    private string WriteBoxes(List<Prediction> predictions, Coordinates kind) =>
        Answers.Write(_folder.Path, $"{kind}.jsonl", predictions.Select(p =>
        {
            var box = p.Boxes![0].Scale((kind.Range ?? p.Width) / (double)p.Width, (kind.Range ?? p.Height) / (double)p.Height);
            double[] n = kind.Layout switch
            {
                BoxLayout.Xyxy => [box.Left, box.Top, box.Right, box.Bottom],
                BoxLayout.Xywh => [box.Left, box.Top, box.Width, box.Height],
                BoxLayout.Yxyx => [box.Top, box.Left, box.Bottom, box.Right],
                _ => [(box.Left + box.Right) / 2, (box.Top + box.Bottom) / 2, box.Width, box.Height],
            };
            var t = p.Truth[0];
            return JsonSerializer.Serialize(new Dictionary<string, object>
            {
                ["id"] = p.Id,
                ["image"] = p.Image,
                ["class"] = p.Class,
                ["phrase"] = p.Phrase,
                ["width"] = p.Width,
                ["height"] = p.Height,
                ["truth"] = new[] { new[] { t.Left, t.Top, t.Right, t.Bottom } },
                ["boxes"] = new[] { n },
            });
        }));
}
