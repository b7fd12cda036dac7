using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Scoring;

/// <summary>Which box of an answer counts, what is counted as flawed, and what the signs of a table mean.</summary>
public sealed class AnswerRuleTests : IDisposable
{
    private static readonly Box Truth = new(100, 100, 200, 200), Other = new(300, 300, 400, 400), Far = new(800, 800, 900, 900);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Protocol.PfmvgBox)]
    [InlineData(Protocol.SingleBox)]
    public void The_most_certain_box_counts_in_text_and_in_numbers_alike_and_without_confidences_the_first(Protocol protocol)
    {
        const string Wrong = "{<80><80><90><90>}", Right = "{<10><10><20><20>}";
        const string Question = "\"image\": \"a.png\", \"class\": \"Edema\", \"phrase\": \"p\", \"width\": 1000, \"height\": 1000, "
            + "\"truth\": [[100, 100, 200, 200]]";
        foreach (var (confidence, expected) in ((string, double)[])[("[0.2, 0.9]", 1), ("[0.9, 0.2]", 0), ("[0.5, 0.5]", 0), ("null", 0)])
        {
            Assert.Equal(expected, Iou($"\"answer\": \"{Wrong}<delim>{Right}\"", confidence));
            Assert.Equal(expected, Iou("\"answer\": \"[80, 80, 90, 90] or [10, 10, 20, 20]\"", confidence));
            Assert.Equal(expected, Iou("\"boxes\": [[80, 80, 90, 90], [10, 10, 20, 20]]", confidence));
        }

        double Iou(string answer, string confidence)
        {
            var line = $$"""{"id": "a", {{Question}}, {{answer}}, "confidence": {{confidence}}}""";
            var read = PredictionFile.Read(Answers.Write(_folder.Path, "p.jsonl", line), new ReadOptions
            {
                Coordinates = Coordinates.Parse("percent-xyxy"),
                TrustCoordinates = true,
            });
            var table = Score(protocol, [.. read]);
            Assert.Contains(ProtocolDescription.One, table.Protocol.MultiBox, StringComparison.Ordinal);
            return table.Mean[Metric.Iou].Value;
        }
    }

    [Fact]
    public void A_text_with_another_number_of_confidences_than_boxes_is_refused()
    {
        PredictionFile.Write(_folder.In("p.jsonl"),
            [Answers.Make("s7", [Truth], "{<10><10><20><20>}<delim>{<1><1><2><2>}") with { Confidence = [0.5] }]);
        var message = Assert.Throws<InputException>(() => PredictionFile.Read(_folder.In("p.jsonl"))).Message;
        Assert.Contains("'s7' has 2 boxes and 1 confidences; give one for each box", message, StringComparison.Ordinal);
        PredictionFile.Write(_folder.In("p.jsonl"), [Answers.Make("s7", [Truth], "nothing") with { Confidence = [0.5] }]);
        Assert.Single(PredictionFile.Read(_folder.In("p.jsonl"))); // no box, and nothing that the number could be mistaken for
    }

    [Fact]
    public void One_empty_answer_to_three_boxes_is_one_flawed_answer()
    {
        var table = Score(Protocol.PfmvgBox, Answers.Make("a", [Truth, Other, Far], "none"), Answers.WithIou("b", 0.5));
        Assert.Equal((4, 2, 1, 1), (table.Mean.Samples, table.Mean.Answers, table.Mean.WithRegion, table.Mean.Flaws[Flaw.NoBox]));
        Assert.Contains("Flawed answers: 1 of 2 (no box 1).", ScoreGrid.Notes(table));
        Assert.Equal(["4", "1", "1"], [ScoreGrid.PerClass(table).Rows[0][1], .. ScoreGrid.PerClass(table).Rows[0].TakeLast(2)]);
    }

    [Fact]
    public void A_phrase_that_was_asked_once_per_box_has_as_many_answers_but_one_list_of_results_is_one()
    {
        Prediction[] asked = [PerBox("a", Truth, "none"), PerBox("b", Other, "{<30><30><40><40>}")];
        var table = Score(Protocol.PhraseUnion, asked);
        Assert.Equal((1, 2, 1, 1), (table.Mean.Samples, table.Mean.Answers, table.Mean.WithRegion, table.Mean.Flaws[Flaw.NoBox]));
        table = Score(Protocol.PhraseUnion, [.. asked.Select(row => row with { Answer = null, Boxes = [Truth] })]);
        Assert.Equal((1, 1), (table.Mean.Samples, table.Mean.Answers));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_phrase_of_two_boxes_may_be_answered_with_both_of_them(bool perBox)
    {
        const string Both = "{<10><10><20><20>}<delim>{<30><30><40><40>}", Three = Both + "<delim>{<80><80><90><90>}";
        foreach (var (answer, flaw, strict) in ((string, Flaw, double)[])[(Both, Flaw.None, 0.5), (Three, Flaw.Several, 0)])
        {
            Prediction[] predictions = perBox ? [PerBox("a", Truth, answer), PerBox("b", Other, answer)]
                : [PerBox("a", Truth, answer) with { Truth = [Truth, Other] }];
            var table = Scorer.Score(predictions, new ScoringOptions { Rule = AnswerRule.Strict, Resamples = 0 });
            Assert.Equal([flaw, flaw], table.Samples.Select(sample => sample.Flaw));
            Assert.Equal(strict, table.Mean[Metric.Iou].Value, 1e-12); // the first box, against each of the two
        }
    }

    [Theory]
    [InlineData(Protocol.PfmvgBox, 2)]
    [InlineData(Protocol.PhraseUnion, 1)]
    [InlineData(Protocol.SingleBox, 1)]
    [InlineData(Protocol.Map50, 2)]
    public void A_true_box_that_two_annotations_hold_counts_the_same_by_identifier_and_by_phrase(Protocol protocol, int boxes)
    {
        var truth = new TruthSet(
            [.. ((string[])["1", "2"]).Select(id => PerBox(id, Truth, "") with { Answer = null })],
            new Dictionary<string, string>(), new Dictionary<string, string>());
        string[] byId = ["""{"id": "1", "answer": "{<10><10><20><20>}"}""", """{"id": "2", "answer": "{<10><10><20><20>}"}"""];
        var tables = ((string[][])[byId, ["""{"image": "a.png", "phrase": "p", "answer": "{<10><10><20><20>}"}"""]]).Select(lines =>
            Score(protocol, [.. PredictionFile.Read(
                Answers.Write(_folder.Path, "p.jsonl", lines), new ReadOptions { Truth = truth })])).ToList();
        Assert.All(tables, table => Assert.Equal((boxes, 1), (table.Boxes, table.Phrases)));
        Assert.Equal(tables[0].Mean.Count, tables[1].Mean.Count);
        foreach (var metric in tables[0].Metrics) Assert.Equal(tables[0].Mean[metric], tables[1].Mean[metric]);
    }

    [Fact]
    public void Questions_that_each_repeat_the_boxes_of_their_phrase_add_none()
    {
        var row = PerBox("a", Truth, "") with { Truth = [Truth, Other] };
        Assert.Equal([Truth, Other], QuestionIndex.Merge([row, row with { Id = "b" }]).Truth);
    }

    [Fact]
    public void A_dash_is_a_class_without_a_valid_answer_in_scores_and_in_comparisons_and_nothing_to_measure_is_another_sign()
    {
        Prediction[] wrong = [Answers.Make("a", [Truth], [Far], "Edema"), Answers.Make("b", [Truth], "none", "Pneumonia")];
        var table = Score(Protocol.PfmvgBox, wrong);
        Assert.Equal(["-", "0.000"], table.Classes.Select(row => ScoreGrid.Cell(row, Metric.Iou))); // Pneumonia, Edema: valid, but wrong
        var better = Score(Protocol.PfmvgBox, wrong[0], Answers.Make("b", [Truth], [Truth], "Pneumonia") with { Phrase = wrong[1].Phrase });
        var compared = Comparison.Between(table, better).Grid();
        Assert.Equal(["Pneumonia", "1", "-", "1.000", "+1.000"], compared.Rows[0].Take(5));
        Assert.Equal("0.000", compared.Rows[1][2]);
        var paper = PaperGrid.Methods(Metric.Iou, [("this run", table)], withPublished: false);
        Assert.Equal("-", paper.Rows[0][1 + paper.Columns.Skip(1).ToList().IndexOf("Pneumonia")]);
        Assert.Equal("n/a", paper.Rows[0][1 + paper.Columns.Skip(1).ToList().IndexOf("Atelectasis")]);
        foreach (var grid in (TextGrid[])[ScoreGrid.PerClass(table), compared, paper])
            Assert.Contains(ScoreGrid.Signs, string.Join('\n', grid.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_rule_that_shaped_a_number_stands_in_the_note_and_in_scores_json()
    {
        var lines = """
            {"coordinates": "pixels-xywh", "frame": "500x500"}
            {"id": "a", "image": "a.png", "class": "Edema", "phrase": "p", "width": 1000, "height": 1000, "truth": [[100, 100, 200, 200]],
            "boxes": [[50, 50, 50, 50]], "confidence": [0.9]}
            """;
        var reading = new ReadOptions { AllowMissing = true, MinimumConfidence = 0.25 };
        var path = Answers.Write(_folder.Path, "p.jsonl", lines.Replace(",\n", ",", StringComparison.Ordinal));
        var table = Scorer.Score(
            PredictionFile.Read(path, reading), new ScoringOptions { Reading = reading, PlusOne = true, Resamples = 20 });
        Assert.Equal(1, table.Mean[Metric.Iou].Value, 1e-12);
        ScoreReport.WriteAll(_folder.In("out"), table, new ReportOptions { IncludeImages = false });
        var json = JsonNode.Parse(File.ReadAllText(_folder.In("out", "scores.json")))!["rules"]!;
        var html = System.Net.WebUtility.HtmlDecode(File.ReadAllText(_folder.In("out", "report.html")));
        var note = string.Join('\n', ScoreGrid.Notes(table));
        foreach (var (key, value) in ((string, string)[])[
            ("answers", "raw"), ("box", ProtocolDescription.One), ("coordinates", "pixels-xywh of 500x500"),
            ("plus_one", "a pixel is added to each side"), ("trust_coordinates", "checked against the truth"),
            ("allow_missing", "a sample without an answer scores 0"), ("min_confidence", "0.25"),
            ("intervals", "BCa (medians: percentile)")])
        {
            Assert.Equal(value, (string)json[key]!);
            Assert.Contains(key is "box" or "intervals" ? value : $"{key.Replace('_', ' ')}: {value}", note, StringComparison.Ordinal);
            Assert.Contains(value, html, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Few_patients_make_the_intervals_of_the_mean_narrow_too()
    {
        List<Prediction> predictions = [.. Enumerable.Range(0, 30)
            .Select(i => Answers.WithIou($"s{i}", 0.5, i < 25 ? "Edema" : "Pneumonia", $"p{i}"))];
        Assert.Contains("and with them that of the mean (", Scorer.Score(predictions).Notes.Single(), StringComparison.Ordinal);
        Assert.Contains("of the mean and of the weighted row (", Scorer.Score(predictions[..15]).Notes.Single(), StringComparison.Ordinal);
    }

    private static Prediction PerBox(string id, Box truth, string answer) =>
        Answers.Make(id, [truth], answer) with { Image = "a.png", Phrase = "p" };

    private static ScoreTable Score(Protocol protocol, params Prediction[] predictions) =>
        Scorer.Score(predictions, new ScoringOptions { Protocol = protocol, Resamples = 0 });
}
