using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Scoring;

public sealed class ScorerTests
{
    private static readonly Box Truth = new(100, 100, 200, 200);

    [Fact]
    public void Protocols_count_boxes_phrases_and_single_boxes()
    {
        var other = new Box(300, 300, 400, 400);
        var two = Answers.Make("two", [Truth, other], [Truth, other]);
        var one = Answers.Make("one", [Truth], [Truth, other]);

        var perBox = Score(Protocol.PfmvgBox, two, one);
        Assert.Equal(["two", "two#2", "one"], perBox.Samples.Select(sample => sample.Id));
        Assert.Equal([1, 0, 1], perBox.Samples.Select(sample => sample.Iou)); // the first box against each true box
        Assert.Equal((2, 3), (perBox.Phrases, perBox.Boxes));

        var union = Score(Protocol.PhraseUnion, two, one);
        Assert.Equal([1, 0.5], union.Samples.Select(sample => sample.Iou));

        var single = Score(Protocol.SingleBox, two, one);
        Assert.Equal(["one"], single.Samples.Select(sample => sample.Id));
        Assert.Equal(Flaw.Several, single.Samples[0].Flaw);

        Assert.Contains("finds no sample", Assert.Throws<InputException>(() => Score(Protocol.SingleBox, two)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nothing here", Flaw.NoBox, 0, 0)]
    [InlineData("", Flaw.NoBox, 0, 0)]
    [InlineData("{<10><10><20>}", Flaw.TooFewNumbers, 0, 0)]
    [InlineData("{<10><10><2", Flaw.CutOff, 0, 0)]
    [InlineData("{<10.5><10><20><20>}", Flaw.Malformed, 0, 0)]
    [InlineData("{<20><20><10><10>}", Flaw.Swapped, 0, 1)]
    [InlineData("{<10><10><10><20>}", Flaw.Empty, 0, 0)]
    [InlineData("{<10><10><20><200>}", Flaw.OutOfRange, 1.0 / 19, 1.0 / 9)]
    [InlineData("{<10><10><20><20>}<delim>{<1><1><2><2>}", Flaw.Several, 1, 1)]
    [InlineData("{<10><10><20><20>}<delim>{<1><1", Flaw.CutOff, 1, 1)]
    [InlineData("{<10><10><20><20>}", Flaw.None, 1, 1)]
    public void Every_flaw_has_its_reason_and_its_rule(string answer, Flaw flaw, double raw, double repaired)
    {
        var prediction = Answers.Make("a", [Truth], answer);
        foreach (var (rule, iou) in ((AnswerRule, double)[])[
            (AnswerRule.Raw, raw), (AnswerRule.Repair, repaired), (AnswerRule.Strict, flaw == Flaw.None ? 1 : 0)])
        {
            var table = Scorer.Score([prediction], new ScoringOptions { Rule = rule, Resamples = 0 });
            Assert.Equal(flaw, table.Samples[0].Flaw);
            Assert.Equal(iou, table.Samples[0].Iou, 1e-12);
            Assert.Equal(flaw == Flaw.None ? 0 : 1, table.Mean.Flaws.GetValueOrDefault(flaw));
        }
    }

    [Fact]
    public void A_class_without_any_valid_answer_counts_zero_in_the_mean_and_may_be_left_out_of_the_weights()
    {
        var table = Score(Protocol.PfmvgBox, Answers.WithIou("a", 0.5, "Edema"), Answers.WithIou("b", 0.7, "Edema"),
            Answers.Make("c", [Truth], "none", "Pneumonia"));
        Assert.Equal(["Pneumonia", "Edema"], table.Classes.Select(row => row.Name)); // the paper's order
        Assert.Equal("-", ScoreGrid.Cell(table.Classes[0], Metric.Iou));
        Assert.Equal(0.3, table.Mean[Metric.Iou].Value, 1e-12);
        Assert.Equal(0.4, table.Weighted[Metric.Iou].Value, 1e-12);
        Assert.Equal(0.6, table.WeightedOverValid[Metric.Iou].Value, 1e-12);
        Assert.Equal(0.5, table.Weighted[Metric.MedianIou].Value, 1e-12);
    }

    [Fact]
    public void The_published_weighted_scores_come_out_of_the_published_class_scores()
    {
        var published = PublishedScores.Load();
        foreach (var method in (string[])["MSLL", "MedKLIP", "BioViL", "GLoRIA"])
        {
            var row = published.Iou[method];
            var predictions = published.Classes.SelectMany((name, c) =>
                Enumerable.Range(0, published.PhraseCounts[c]).Select(i => Answers.WithIou($"{name}{i}", row.PerClass[c]!.Value, name)))
                    .ToArray();
            var table = Score(Protocol.PhraseUnion, predictions);
            Assert.Equal(row.Weighted!.Value, Math.Round(table.Weighted[Metric.Iou].Value, 3), 1e-9);
            Assert.Equal(row.Mean!.Value, table.Mean[Metric.Iou].Value, 0.00051);
        }
    }

    [Fact]
    public void Every_figure_agrees_with_an_aggregation_written_separately()
    {
        var table = Scorer.Score(Answers.Varied(400), new ScoringOptions { Resamples = 0 });
        var scores = new PlainScores([.. table.Samples.Select(s => new SampleScore(s.Id, s.Prediction.Class, s.Iou, s.Dice, s.Valid))],
            Scorer.ClassOrder);
        Assert.Equal(scores.MeanIou, table.Mean[Metric.Iou].Value, 1e-12);
        Assert.Equal(scores.MeanDice, table.Mean[Metric.Dice].Value, 1e-12);
        Assert.Equal(scores.WeightedIou(), table.Weighted[Metric.Iou].Value, 1e-12);
        Assert.Equal(scores.WeightedDice(ClassWeighting.ClassesWithValue), table.WeightedOverValid[Metric.Dice].Value, 1e-12);
        Assert.Equal(scores.MedianIou, table.Weighted[Metric.MedianIou].Value, 1e-12);
        Assert.Equal(scores.MedianDice, table.Weighted[Metric.MedianDice].Value, 1e-12);
        Assert.Equal(scores.Accuracy(0.3), table.Weighted[Metric.Accuracy30].Value, 1e-12);
        Assert.Equal(scores.Accuracy(0.5), table.Weighted[Metric.Accuracy50].Value, 1e-12);
    }

    [Fact]
    public void Average_precision_is_the_hand_computed_one()
    {
        // Two true boxes; by confidence: hit, miss, hit. Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1.
        var far = new Box(800, 800, 900, 900);
        var table = Score(Protocol.Map50,
            Answers.Make("a", [Truth], [Truth, far]) with { Confidence = [0.9, 0.5] },
            Answers.Make("b", [Truth], [Truth]) with { Confidence = [0.3] });
        Assert.Equal(0.5 * 1 + 0.5 * (2.0 / 3), table.Mean[Metric.AveragePrecision50AllPoints].Value, 1e-12);
        Assert.Equal((51 * 1 + 50 * (2.0 / 3)) / 101, table.Mean[Metric.AveragePrecision50].Value, 1e-12);

        // A true box is taken once: the second box on it is a miss.
        var twice = Score(Protocol.Map50, Answers.Make("a", [Truth, far], [Truth, Truth.Move(1, 0)]) with { Confidence = [0.9, 0.8] });
        Assert.Equal(0.5, twice.Mean[Metric.AveragePrecision50AllPoints].Value, 1e-12);

        // IoU of exactly one half is a hit, as in COCO.
        Assert.Equal(1, Score(Protocol.Map50, Answers.WithIou("a", 0.5)).Mean[Metric.AveragePrecision50AllPoints].Value);
        Assert.Equal(0, Score(Protocol.Map50, Answers.Make("a", [Truth], "none")).Mean[Metric.AveragePrecision50].Value);
    }

    [Fact]
    public void Doubling_every_patient_leaves_average_precision_as_it_is()
    {
        var predictions = Answers.Varied(60).ConvertAll(p => p with { Confidence = null });
        predictions = [.. predictions.Select((p, i) => p with { Confidence = [(i * 37 % 61) / 61.0] })];
        var once = Scorer.Score(predictions, new ScoringOptions { Protocol = Protocol.Map50, Resamples = 0 });
        var figures = new TableStatistics([Metric.AveragePrecision50AllPoints], [[.. once.Samples]],
            once.Samples.Select((s, i) => (s.Cluster, i)).DistinctBy(c => c.Cluster).ToDictionary(c => c.Cluster, c => c.i), once.Options);
        var (one, two) = (new double[4], new double[4]);
        var drawn = new int[predictions.Count];
        Array.Fill(drawn, 1);
        figures.Evaluate(drawn, one);
        Array.Fill(drawn, 2);
        figures.Evaluate(drawn, two);
        Assert.Equal(one, two);
    }

    [Fact]
    public void A_confidence_below_the_minimum_drops_the_box_and_the_most_certain_comes_first()
    {
        var (boxes, confidence) = PredictionFile.BestFirst([Truth, new Box(0, 0, 1, 1), new Box(0, 0, 2, 2)], [0.2, 0.05, 0.9], 0.1);
        Assert.Equal([new Box(0, 0, 2, 2), Truth], boxes);
        Assert.Equal([0.9, 0.2], confidence);
    }

    [Fact]
    public void Calibration_is_exact_for_a_model_that_knows_itself()
    {
        var predictions = Enumerable.Range(0, 100)
            .Select(i => Answers.WithIou($"s{i}", i % 4 == 0 ? 0.2 : 0.9) with { Confidence = [0.75] }).ToList();
        var calibration = Calibration.Measure(Scorer.Score(predictions, new ScoringOptions { Resamples = 0 }))!;
        Assert.Equal(0, calibration.ExpectedError, 1e-12);
        Assert.Equal((100, 0.75), (Assert.Single(calibration.Bins).Count, calibration.Bins[0].Accuracy));
        Assert.Null(Calibration.Measure(Scorer.Score([Answers.WithIou("a", 0.5)])));
    }

    [Fact]
    public void Classes_with_few_patients_are_named_because_their_intervals_are_too_narrow()
    {
        List<Prediction> predictions = [.. Enumerable.Range(0, 30)
            .Select(i => Answers.WithIou($"s{i}", 0.5, i < 25 ? "Edema" : "Pneumonia", $"p{i}"))];
        var note = Assert.Single(Scorer.Score(predictions).Notes);
        Assert.Contains("Fewer than 20 patients: Pneumonia.", note, StringComparison.Ordinal);
    }

    [Fact]
    public void Tables_of_phantom_scores_say_so()
    {
        var table = Scorer.Score([Answers.WithIou("a", 0.5) with { Synthetic = true }], new ScoringOptions { Resamples = 0 });
        Assert.Contains(ScoreGrid.PerClass(table).Notes, note => note.Contains("phantoms", StringComparison.Ordinal));
    }

    private static ScoreTable Score(Protocol protocol, params Prediction[] predictions) =>
        Scorer.Score(predictions, new ScoringOptions { Protocol = protocol, Resamples = 0 });
}
