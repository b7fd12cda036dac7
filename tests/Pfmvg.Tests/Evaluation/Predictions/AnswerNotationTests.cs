using System.Globalization;
using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Predictions;

public sealed class AnswerNotationTests : IDisposable
{
    private const int Width = 2000, Height = 1600;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory] // %1 to %4: left, top, right, bottom
    [InlineData("{<%1><%2><%3><%4>}", "unit-xyxy", true)]
    [InlineData("{<%1><%2><%3><%4>}", "thousand-xyxy", false)]
    [InlineData("```json\n[\n\t{\"bbox_2d\": [%1, %2, %3, %4], \"label\": \"edema\"}\n]\n```", "pixels-xyxy", true)]
    [InlineData("[{'bbox_2d': [%1, %2, %3, %4]}]", "thousand-xyxy", false)]
    [InlineData("<ref>edema</ref><box>[[%1, %2, %3, %4]]</box>", "thousand-xyxy", true)]
    [InlineData("<ref>edema</ref><box>(%1,%2),(%3,%4)</box>", "thousand-xyxy", true)]
    [InlineData("<|box_start|>(%1,%2),(%3,%4)<|box_end|>", "thousand-xyxy", true)]
    [InlineData("<obj>Edema.<box><x%1><y%2><x%3><y%4></box></obj>", "unit-xyxy", true)]
    [InlineData("<obj>Edema.<box><x%1><y%2><x%3><y%4></box></obj>", "percent-xyxy", true)]
    [InlineData("edema<loc_%1><loc_%2><loc_%3><loc_%4>", "thousand-xyxy", true)]
    [InlineData("The finding is located at [%1, %2, %3, %4] on the image.", "unit-xyxy", true)]
    [InlineData("[%1, %2, %3, %4]", "pixels-xyxy", true)]
    [InlineData("[%1,%2,%3,%4]", "percent-xyxy", false)]
    [InlineData("Edema [[%1,%2,%3,%4]].", "thousand-xyxy", true)]
    [InlineData("%1, %2, %3, %4", "unit-xyxy", true)]
    [InlineData("```json\n[{\"box_2d\": [%2, %1, %4, %3]}]\n```", "thousand-xyxy", true)]
    public void The_answers_of_other_models_score_as_their_boxes_do(string pattern, string coordinates, bool detected)
    {
        var kind = Coordinates.Parse(coordinates);
        var questions = Questions();
        var boxes = questions.ConvertAll(question => Numbers(question.Truth[0], kind));
        var expected = questions.Zip(boxes, (question, n) => Region.Iou(
            new Region(question.Truth[0]), new Region(kind.ToPixels(n, Width, Height)))).ToList();
        var path = Write(questions, boxes.Select(n => Enumerable.Range(1, 4)
            .Aggregate(pattern, (text, i) => text.Replace($"%{i}", Written(n[i - 1], kind), StringComparison.Ordinal))));

        var declared = Scored(path, new ReadOptions { Coordinates = kind });
        Assert.Equal(expected, declared.Samples.Select(sample => sample.Iou));
        Assert.All(expected, iou => Assert.True(iou > 0.9));
        Assert.Contains(declared.Notes, note => note.Contains($"{coordinates} (declared)", StringComparison.Ordinal));
        List<string> notes = [];
        if (detected)
        {
            var read = Scored(path, new ReadOptions { Note = notes.Add });
            Assert.Equal(expected, read.Samples.Select(sample => sample.Iou));
            Assert.Contains(read.Notes, note => note.Contains($"{coordinates} (detected)", StringComparison.Ordinal));
            Assert.Contains($"{coordinates} (detected)", Assert.Single(notes), StringComparison.Ordinal);
        }
        else
        {
            var error = Assert.Throws<InputException>(() => Scored(path, new ReadOptions()));
            Assert.Contains($"--coordinates {coordinates}", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void PaliGemma_writes_y_first_on_a_grid_of_1024()
    {
        var question = Questions()[0] with { Truth = [new Box(Width / 4.0, 0, Width / 2.0, Height / 8.0)] };
        var table = Scored(Write([question], ["<loc0000><loc0256><loc0128><loc0512> edema"]), new ReadOptions());
        Assert.Equal(1, table.Samples[0].Iou);
    }

    [Theory]
    [InlineData("<box>[[100, 100, 200, 200], [300, 300, 400, 400]]</box>")]
    [InlineData("[{\"bbox_2d\": [100, 100, 200, 200]}, {\"bbox_2d\": [300, 300, 400, 400]}]")]
    [InlineData("[[100,100,200,200;300,300,400,400]]")]
    [InlineData("[0.1, 0.1, 0.2, 0.2] and [0.3, 0.3, 0.4, 0.4]")]
    public void Several_boxes_of_an_answer_are_all_read(string answer)
    {
        var notation = AnswerNotation.Of(answer)!;
        var scale = answer.Contains("0.1", StringComparison.Ordinal) ? 1000 : 1;
        Assert.Equal([[100, 100, 200, 200], [300, 300, 400, 400]],
            notation.Boxes(answer).Select(box => box.Select(value => Math.Round(value * scale))));
    }

    [Fact]
    public void An_answer_in_another_notation_than_the_file_or_in_two_is_malformed_and_never_read_otherwise()
    {
        var questions = Questions();
        var answers = questions.ConvertAll(_ => "<box>[[100, 100, 200, 200]]</box>");
        answers[1] = "[0.1, 0.1, 0.2, 0.2]";
        answers[2] = "<box>[[100, 100, 200, 200]]</box> or {<10><10><20><20>}";
        answers[3] = "<box>[[100, 100, 200, 200]]</box><box>[[100, 1";
        answers[4] = "No finding.";
        var table = Scored(Write(questions, answers), new ReadOptions { TrustCoordinates = true });
        Assert.Equal([Flaw.None, Flaw.Malformed, Flaw.Malformed, Flaw.CutOff, Flaw.NoBox, Flaw.None],
            table.Samples.Take(6).Select(sample => sample.Flaw));
        Assert.Equal([true, false, false, true, false, true], table.Samples.Take(6).Select(sample => sample.Valid));
    }

    [Fact]
    public void Our_own_answers_are_read_as_ever_however_bad_they_are()
    {
        var predictions = Answers.Varied(60);
        var path = Path.Combine(_folder.Path, "own.jsonl");
        PredictionFile.Write(path, predictions);
        List<string> notes = [];
        var read = PredictionFile.Read(path, new ReadOptions { Note = notes.Add });
        Assert.Empty(notes);
        Assert.All(read, prediction => Assert.Null(prediction.Reading));
    }

    [Fact]
    public void A_confidence_that_rounding_lifts_above_1_is_1_and_a_larger_one_is_refused()
    {
        var line = Line(Questions()[0], "boxes", "[[1, 1, 500, 500]]")
            + ", \"coordinates\": \"pixels-xyxy\", \"confidence\": [1.0000001192092896]}";
        var trust = new ReadOptions { TrustCoordinates = true };
        Assert.Equal([1.0], PredictionFile.Read(Answers.Write(_folder.Path, "one.jsonl", line), trust)[0].Confidence!);
        var large = Answers.Write(_folder.Path, "two.jsonl", line.Replace("1.0000001192092896", "1.001", StringComparison.Ordinal));
        Assert.Contains("1.001 is not in 0..1", Assert.Throws<InputException>(() => PredictionFile.Read(large)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Whole_numbers_that_a_table_made_floats_are_the_same_identifiers_and_one_that_is_twice_is_refused_with_its_places()
    {
        const string Truth = """
            {"images": [{"id": 7, "file_name": "a.jpg", "width": 400, "height": 400}{0}], "categories": [{"id": 1, "name": "Edema"}],
             "annotations": [{"id": 1, "image_id": 7.0, "category_id": 1.0, "bbox": [0, 0, 100, 100]}]}
            """;
        const string Results = """[{"image_id": 7.0, "category_id": "1", "bbox": [0, 0, 100, 100], "score": 1.000001}]""";
        var truth = Answers.Write(_folder.Path, "truth.json", Truth.Replace("{0}", "", StringComparison.Ordinal));
        var results = Answers.Write(_folder.Path, "results.json", Results);
        var read = ExternalPredictions.Read(results, new ReadOptions { Truth = TruthFile.Read(truth) });
        Assert.Equal([new Box(0, 0, 100, 100)], read[0].Boxes!);
        Assert.Equal([1.0], read[0].Confidence!);
        var twice = Answers.Write(_folder.Path, "twice.json", Truth.Replace("{0}",
            """, {"id": 7.0, "file_name": "b.jpg", "width": 400, "height": 400}""", StringComparison.Ordinal));
        var message = Assert.Throws<InputException>(() => TruthFile.Read(twice)).Message;
        Assert.Contains("twice.json, images[1]: the id 7.0 stands at", message, StringComparison.Ordinal);
        Assert.Contains("images[0]", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_csv_of_results_is_refused_by_name() => Assert.Contains("CSV is not read",
        Assert.Throws<InputException>(() => ExternalPredictions.Read(Answers.Write(_folder.Path, "sink.csv", "x_min,y_min"))).Message,
        StringComparison.Ordinal);

    private static List<Prediction> Questions()
    {
        var random = new CounterRandom(3, "notations");
        return [.. Enumerable.Range(0, 20).Select(i =>
        {
            var (x, y) = (200 + 800 * random.NextDouble(), 200 + 600 * random.NextDouble());
            return Answers.Make($"s{i}", [new Box(x, y, x + 400 + 500 * random.NextDouble(), y + 300 + 450 * random.NextDouble())], "") with
            {
                Width = Width,
                Height = Height,
            };
        })];
    }

    /// <summary>The box as a model with these coordinates writes it: hundredths, or whole numbers.</summary>
    private static double[] Numbers(Box box, Coordinates kind)
    {
        var scaled = box.Scale((kind.Range ?? Width) / (double)Width, (kind.Range ?? Height) / (double)Height);
        return [.. new[] { scaled.Left, scaled.Top, scaled.Right, scaled.Bottom }.Select(v => Math.Round(v, kind.Range == 1 ? 2 : 0))];
    }

    private static string Written(double number, Coordinates kind) =>
        number.ToString(kind.Range == 1 ? "0.00" : kind.Range == 1000 ? "000" : "0", CultureInfo.InvariantCulture);

    private static ScoreTable Scored(string path, ReadOptions options) =>
        Scorer.Score(PredictionFile.Read(path, options), new ScoringOptions { Resamples = 0 });

    private string Write(List<Prediction> questions, IEnumerable<string> answers) => Answers.Write(_folder.Path, "answers.jsonl",
        questions.Zip(answers, (question, answer) => Line(question, "answer", JsonSerializer.Serialize(answer)) + "}"));

    private static string Line(Prediction question, string name, string value)
    {
        var box = question.Truth[0];
        return $"{{\"id\": \"{question.Id}\", \"image\": \"{question.Image}\", \"class\": \"Edema\", \"phrase\": \"e\", "
            + FormattableString.Invariant($"\"width\": {question.Width}, \"height\": {question.Height}, ")
            + FormattableString.Invariant($"\"truth\": [[{box.Left:R}, {box.Top:R}, {box.Right:R}, {box.Bottom:R}]], \"{name}\": {value}");
    }
}
