using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Predictions;

public sealed class PredictionFileTests : IDisposable
{
    private const string Sample = """ "id": "a", "image": "x.png", "class": "Edema", "phrase": "p", "width": 100, "height": 200 """;
    private const string Truth = """ "truth": [[10, 20, 30, 40]] """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read()
    {
        var predictions = Answers.Varied(50);
        predictions.Add(Answers.WithIou("boxes", 0.5, patient: "p1") with
        {
            Confidence = [0.25],
            Synthetic = true,
            Phrase = "ö \u2028 </script> \"",
        });
        predictions.Add(Answers.WithIou("missing", 0.5) with { Boxes = null, Answer = null });
        var path = Path.Combine(_folder.Path, "predictions.jsonl");
        PredictionFile.Write(path, predictions, keepPatients: true);
        var read = PredictionFile.Read(path, new ReadOptions { AllowMissing = true });
        Assert.Equal(predictions.Select(Flat), read.Select(Flat));
    }

    [Fact]
    public void Patients_are_opaque_unless_asked_for_and_stay_together()
    {
        var path = Path.Combine(_folder.Path, "predictions.jsonl");
        PredictionFile.Write(path, [Answers.WithIou("a", 0.5, patient: "p10000032"), Answers.WithIou("b", 0.5, patient: "p10000980"),
            Answers.WithIou("c", 0.5, patient: "p10000032")]);
        Assert.DoesNotContain("p1000", File.ReadAllText(path), StringComparison.Ordinal);
        Assert.Equal(["p1", "p2", "p1"], PredictionFile.Read(path).Select(prediction => prediction.Patient));
    }

    [Theory]
    [InlineData("{", "no valid JSON: it ends early")]
    [InlineData("[1]", "must be a JSON object")]
    [InlineData("{" + Sample + "}", "no 'truth'")]
    [InlineData("{" + Sample + "," + Truth + "}", "none of 'answer', 'boxes' and 'heatmap'")]
    [InlineData("{" + Sample + "," + Truth + """, "answer": "", "boxes": []}""", "more than one of")]
    [InlineData("{" + Sample + "," + Truth + """, "boxes": [[1, 2, 3, 4]]}""", "declare it with --coordinates")]
    [InlineData("{" + Sample + "," + Truth + """, "boxes": [[1, 2, 3]], "coordinates": "pixels-xyxy"}""", "a box of 3 numbers")]
    [InlineData("{" + Sample + "," + Truth + """, "boxes": [[1, 2, 3, NaN]], "coordinates": "pixels-xyxy"}""", "write null instead")]
    [InlineData("{" + Sample + "," + Truth + """, "boxes": [[1, 2, 3, 4]], "coordinates": "metres-xyxy"}""",
        "'metres-xyxy' is no kind of coordinates")]
    [InlineData("{" + Sample + "," + Truth + """, "boxes": [[1, 2, 3, 4]], "confidence": [0.1, 0.2], "coordinates": "pixels-xyxy"}""",
        "1 boxes and 2 confidences")]
    [InlineData("{" + Sample + "," + Truth + """, "answer": "", "confidence": [7]}""", "confidence 7 is not in 0..1")]
    [InlineData("{" + Sample + """, "truth": [[30, 20, 10, 40]], "answer": ""}""", "swapped")]
    [InlineData("{" + Sample + """, "truth": [[10, 20, 130, 40]], "answer": ""}""", "outside its picture of 100 x 200")]
    [InlineData("{" + Sample + """, "truth": [], "answer": ""}""", "no true box")]
    [InlineData("""{"id": "a", "class": "Edema", "phrase": "p", "width": 100, "height": 200, "truth": [[1, 2, 3, 4]], "answer": ""}""",
        "'image' is missing")]
    [InlineData(
        """{"id": "a", "image": "i", "class": "Edema", "phrase": "p", "width": 0, "height": 200, """ + Truth + ""","answer": ""}""",
        "0 x 200 pixels")]
    [InlineData(
        """{"id": "a", "image": "i", "class": "Edema", "phrase": "\ud800", "width": 90, "height": 90, """ + Truth + ""","answer": ""}""",
        "not valid text")]
    public void A_wrong_line_is_named_with_what_is_wrong(string line, string reason)
    {
        var good = "{" + Sample.Replace("\"a\"", "\"first\"", StringComparison.Ordinal) + "," + Truth + """, "answer": ""}""";
        var path = Answers.Write(_folder.Path, "p.jsonl", good, "", line);
        var error = Assert.Throws<InputException>(() => PredictionFile.Read(path));
        Assert.StartsWith($"{path}:3", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sample_answered_twice_names_both_lines()
    {
        var line = "{" + Sample + "," + Truth + """, "answer": ""}""";
        var path = Answers.Write(_folder.Path, "p.jsonl", line, line);
        var error = Assert.Throws<InputException>(() => PredictionFile.Read(path));
        Assert.Contains($"{path}:2", error.Message, StringComparison.Ordinal);
        Assert.Contains($"already answered at {path}:1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_or_missing_file_is_an_error()
    {
        Assert.Contains("holds no prediction",
            Assert.Throws<InputException>(() => PredictionFile.Read(Answers.Write(_folder.Path, "p.jsonl", "", " \t"))).Message,
            StringComparison.Ordinal);
        Assert.Contains("no such file", Assert.Throws<InputException>(
            () => PredictionFile.Read(Path.Combine(_folder.Path, "none.jsonl"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_may_declare_its_coordinates_once_in_a_first_line_and_must_not_contradict()
    {
        const string Line = "{" + Sample + "," + Truth + """, "boxes": [[0.1, 0.1, 0.2, 0.1]]}""";
        var path = Answers.Write(_folder.Path, "p.jsonl", """{"coordinates": "unit-xywh"}""", Line);
        Assert.Equal([new Box(10, 20, 30, 40)],
            PredictionFile.Read(path)[0].Boxes!
            .Select(box => new Box(box.Left, box.Top, Math.Round(box.Right, 9), Math.Round(box.Bottom, 9))));
        var error = Assert.Throws<InputException>(
            () => PredictionFile.Read(path, new ReadOptions { Coordinates = Coordinates.Parse("unit-xyxy") }));
        Assert.Contains("they must agree", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void With_a_truth_file_missing_extra_repeated_and_resized_samples_are_refused()
    {
        var truth = Truths(("a", "pneumonia left"), ("b", "pneumonia right"));
        Assert.Contains("'b'", Fail("""{"id": "a", "answer": ""}"""), StringComparison.Ordinal);
        Assert.Contains("no sample 'z'", Fail("""{"id": "z", "answer": ""}"""), StringComparison.Ordinal);
        const string Again = """{"image": "a", "phrase": "pneumonia left", "answer": ""}""";
        Assert.Contains("already answered", Fail("""{"id": "a", "answer": ""}""", Again), StringComparison.Ordinal);
        Assert.Contains("512 x 512", Fail("""{"id": "a", "answer": "", "width": 512, "height": 512}"""), StringComparison.Ordinal);
        Assert.Contains("has 'Edema'", Fail("""{"id": "a", "answer": "", "class": "Pneumonia"}"""), StringComparison.Ordinal);
        Assert.Contains("no such phrase", Fail("""{"image": "a.jpg", "phrase": "other", "answer": ""}"""), StringComparison.Ordinal);
        Assert.Contains("'id', or an 'image' and a 'phrase'", Fail("""{"answer": ""}"""), StringComparison.Ordinal);

        const string Elsewhere = """{"image": "elsewhere/a.jpg", "phrase": "pneumonia left", "answer": "{<10><10><30><20>}"}""";
        var path = Answers.Write(_folder.Path, "p.jsonl", Elsewhere);
        var read = PredictionFile.Read(path, new ReadOptions { Truth = truth, AllowMissing = true });
        Assert.Equal(["a", "b"], read.Select(prediction => prediction.Id));
        var table = Scorer.Score(read, new ScoringOptions { Resamples = 0 });
        Assert.Equal([Flaw.None, Flaw.Missing], table.Samples.Select(sample => sample.Flaw));
        Assert.Equal(0, table.Samples[1].Iou);

        string Fail(params string[] lines) => Assert.Throws<InputException>(() =>
            PredictionFile.Read(Answers.Write(_folder.Path, "p.jsonl", lines), new ReadOptions { Truth = truth })).Message;
    }

    [Theory]
    [InlineData("\"boxes\": []", 0)]
    [InlineData("\"answer\": \"none\"", 0)]
    [InlineData("\"answer\": \"[]\"", 0)]
    [InlineData("\"boxes\": [[10, 20, 30, 40]]", 1)]
    public void A_phrase_without_a_true_box_scores_nothing_and_an_empty_list_is_an_answer_without_a_box(string answer, int strays)
    {
        var truth = TruthFile.Read(Answers.Write(_folder.Path, "truth.jsonl", Line("a", "[[10, 20, 30, 40]]"),
            Line("b", "[[10, 20, 30, 40]]"), Line("normal", "[]")));
        var notes = new List<string>();
        var options = new ReadOptions { Truth = truth, Coordinates = Coordinates.Parse("pixels-xyxy"), Note = notes.Add };
        var read = PredictionFile.Read(Answers.Write(_folder.Path, "p.jsonl", """{"id": "a", "boxes": [[10, 20, 30, 40]]}""",
            """{"id": "b", "boxes": []}""", $$"""{"id": "normal", {{answer}}}"""), options);
        Assert.Contains(notes, note => note.StartsWith("1 of 3 phrases have no true box", StringComparison.Ordinal));
        var table = Scorer.Score(read, new ScoringOptions { Resamples = 0 });
        Assert.Equal([("a", Flaw.None, 1.0), ("b", Flaw.NoBox, 0)], table.Samples.Select(sample => (sample.Id, sample.Flaw, sample.Iou)));
        var precision = Scorer.Score(read, new ScoringOptions { Resamples = 0, Protocol = Protocol.Map50 });
        Assert.Equal(strays, precision.Notes.Count(note => note.StartsWith("1 boxes lie on pictures", StringComparison.Ordinal)));

        static string Line(string id, string boxes) => "{" + Sample.Replace("\"a\"", $"\"{id}\"", StringComparison.Ordinal)
            .Replace("\"p\"", $"\"{id}\"", StringComparison.Ordinal) + $", \"truth\": {boxes}}}";
    }

    [Fact]
    public void A_phrase_without_a_true_box_needs_no_answer()
    {
        var truth = TruthFile.Read(Answers.Write(_folder.Path, "truth.jsonl", "{" + Sample + "," + Truth + "}",
            "{" + Sample.Replace("\"a\"", "\"b\"", StringComparison.Ordinal) + ", \"truth\": []}"));
        Assert.Equal(2, PredictionFile.Read(Answers.Write(_folder.Path, "p.jsonl", """{"id": "a", "answer": ""}"""),
            new ReadOptions { Truth = truth }).Count);
    }

    [Fact]
    public void One_answer_to_a_phrase_answers_all_of_its_boxes()
    {
        var truth = Truths(("a", "both"), ("a2", "both")) is var set ? set with
        {
            Questions = [set.Questions[0], set.Questions[1] with { Image = "a.png", Truth = [new Box(50, 50, 60, 60)] }],
        } : null!;
        var path = Answers.Write(_folder.Path, "p.jsonl", """{"image": "a", "phrase": "both", "answer": "{<10><10><30><20>}"}""");
        var read = Assert.Single(PredictionFile.Read(path, new ReadOptions { Truth = truth }));
        Assert.Equal(2, read.Truth.Count);
        Assert.Equal(2, Scorer.Score([read], new ScoringOptions { Resamples = 0 }).Samples.Count);
    }

    [Fact]
    public void Huge_answers_and_answers_with_thousands_of_boxes_are_counted_failures()
    {
        var million = "{" + string.Concat(Enumerable.Repeat("<1>", 333_333));
        var flood = string.Concat(Enumerable.Range(0, 50_000).Select(i => $"{{<{i % 97}><{i % 89}><{i % 97 + 3}><{i % 89 + 5}>}}"));
        var boxes = string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"[{i % 90},{i % 70},{i % 90 + 9},{i % 70 + 99}]"));
        var path = Answers.Write(_folder.Path, "p.jsonl",
            Line("million", $"\"answer\": \"{million}\""),
            Line("flood", $"\"answer\": \"{flood}\""),
            Line("boxes", $"\"coordinates\": \"pixels-xyxy\", \"boxes\": [{boxes}]"));
        foreach (var protocol in Enum.GetValues<Protocol>().Where(protocol => protocol != Protocol.MaskThresholds)) // it scores no boxes
        {
            var table = Scorer.Score(PredictionFile.Read(path), new ScoringOptions { Protocol = protocol, Resamples = 10 });
            Assert.Equal([Flaw.TooLong, Flaw.TooLong, Flaw.TooManyBoxes], table.Samples.Select(sample => sample.Flaw));
            Assert.All(table.Samples, sample => Assert.Equal(0, sample.Iou));
        }

        static string Line(string id, string answer) =>
            "{" + Sample.Replace("\"a\"", $"\"{id}\"", StringComparison.Ordinal).Replace("\"p\"", $"\"{id}\"", StringComparison.Ordinal)
            + "," + Truth + "," + answer + "}";
    }

    [Fact]
    public void A_file_without_line_breaks_is_refused_before_it_fills_the_memory()
    {
        var path = Path.Combine(_folder.Path, "p.jsonl");
        using (var file = File.Create(path)) file.SetLength(200L << 20); // sparse
        Assert.Contains("longer than 32 MiB", Assert.Throws<InputException>(() => PredictionFile.Read(path)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_that_are_null_are_a_counted_failure()
    {
        const string Line = "{" + Sample + "," + Truth + """, "boxes": [[1, 2, 3, null]], "coordinates": "pixels-xyxy"}""";
        var path = Answers.Write(_folder.Path, "p.jsonl", Line);
        Assert.Equal(Flaw.NotFinite, Assert.Single(Scorer.Score(PredictionFile.Read(path)).Samples).Flaw);
    }

    private static TruthSet Truths(params (string Id, string Phrase)[] samples) => new(
        [.. samples.Select(sample => Answers.Make(sample.Id, [new Box(10, 20, 30, 40)], "") with
        {
            Answer = null,
            Phrase = sample.Phrase,
            Width = 100,
            Height = 200,
        })],
        new Dictionary<string, string>(), new Dictionary<string, string>());

    private static string Flat(Prediction p) =>
        $"{p.Id}|{p.Image}|{p.Class}|{p.Phrase}|{p.Width}|{p.Height}|{string.Join(';', p.Truth)}|{p.Answer}|" +
        $"{(p.Boxes is null ? "-" : string.Join(';', p.Boxes))}|{(p.Confidence is null ? "-" : string.Join(';', p.Confidence))}|" +
        $"{p.Patient}|{p.Synthetic}|{p.HeatMap}";
}
