using Pfmvg.Answering;
using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Answering;

public sealed class ControlsTests
{
    private static readonly ScoringOptions Options = new() { Resamples = 200 };

    private static Sample Asked(
        string id, string patient, string image, string name = "Edema", string text = "edema", params Box[] boxes) => new()
    {
        Id = id,
        Task = SampleTask.Refer,
        Image = image,
        Width = 1000,
        Height = 500,
        Text = text,
        Class = name,
        Patient = patient,
        Source = "ms-cxr",
        Boxes = boxes.Length > 0 ? boxes : [new Box(0, 0, 100, 100)],
    };

    [Theory, InlineData(2), InlineData(3), InlineData(40)]
    public void No_patient_keeps_a_picture_and_the_phrases_of_a_picture_stay_together(int patients)
    {
        List<Sample> samples = [];
        for (var p = 0; p < patients; p++)
            for (var i = 0; i <= p % 3; i++)
                for (var q = 0; q < 2; q++) samples.Add(Asked($"{p}-{i}-{q}", $"p{p}", $"{p}/{i}.png"));
        var shuffled = ControlQuestions.Shuffle(samples, seed: 4);
        Assert.Equal(samples.Select(s => s.Id), shuffled.Select(s => s.Id));
        var owners = samples.DistinctBy(s => s.Image).ToDictionary(s => s.Image, s => s.Patient);
        Assert.All(samples.Zip(shuffled), pair =>
        {
            Assert.NotEqual(pair.First.Patient, owners[pair.Second.Image]);
            Assert.Equal(pair.First.Boxes, pair.Second.Boxes);
        });
        Assert.All(samples.Zip(shuffled).GroupBy(pair => pair.First.Image),
            picture => Assert.Single(picture.Select(pair => pair.Second.Image).Distinct()));
        // Each patient gives to one other: a cycle through all of them.
        Assert.Equal(patients, samples.Zip(shuffled).GroupBy(pair => pair.First.Patient)
            .Select(own => Assert.Single(own.Select(pair => owners[pair.Second.Image]).Distinct())).Distinct().Count());
        Assert.Equal(shuffled, ControlQuestions.Shuffle([.. samples], seed: 4));
        if (patients > 3) Assert.NotEqual(shuffled, ControlQuestions.Shuffle(samples, seed: 5));
    }

    [Fact]
    public void One_patient_alone_cannot_exchange_pictures() =>
        Assert.Contains("one patient only", Assert.Throws<InputException>(
            () => ControlQuestions.Shuffle([Asked("a", "p", "a.png"), Asked("b", "p", "b.png")], 1)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_constant_box_fits_its_class_and_side_best_and_else_its_class_or_all()
    {
        var constant = new ConstantBoxes(
        [
            Asked("1", "a", "1.png", "Edema", "edema on the left", new Box(100, 50, 300, 250)),
            Asked("2", "a", "2.png", "Edema", "Left edema.", new Box(200, 100, 400, 300)),
            Asked("3", "a", "3.png", "Edema", "LEFT-sided edema", new Box(900, 450, 1000, 500)),
            Asked("4", "a", "4.png", "Edema", "right edema", new Box(0, 0, 10, 5)),
            Asked("5", "a", "5.png", "Pneumonia", "left and right", new Box(500, 0, 1000, 500)),
        ]);
        Box Answer(string name, string text) =>
            Assert.Single(constant.Answer([Asked("x", "b", "x.png", name, text) with { Width = 2000, Height = 1000 }])[0].Boxes!);
        Box[] left = [new(200, 100, 600, 500), new(400, 200, 800, 600), new(1800, 900, 2000, 1000)];
        AssertBest(left, Answer("Edema", "on the left"));
        Assert.Equal(new Box(0, 0, 20, 10), Rounded(Answer("Edema", "right")));
        Assert.Equal(new Box(1000, 0, 2000, 1000), Rounded(Answer("Pneumonia", "bilateral pneumonia"))); // both words are both sides
        // no side word: all four of the class
        AssertBest([.. left, new(0, 0, 20, 10)], Answer("Edema", "edema"));
        AssertBest([.. left, new(0, 0, 20, 10), new(1000, 0, 2000, 1000)], Answer("Nodule", "left"));   // no such class: all five
        Assert.Contains("no training split", Assert.Throws<InputException>(() => new ConstantBoxes([])).Message, StringComparison.Ordinal);

        // No worse than any of the boxes, nor than any neighbour.
        static void AssertBest(Box[] truths, Box answer)
        {
            double Fit(Box box) => truths.Average(truth => Region.Iou(new Region([box]), new Region([truth])));
            Assert.All(truths, truth => Assert.True(Fit(answer) >= Fit(truth) - 1e-9));
            foreach (var step in new[] { -20, 20 })
                Assert.All(
                    (Box[])[answer with { Left = answer.Left + step }, answer with { Top = answer.Top + step },
                        answer with { Right = answer.Right + step }, answer with { Bottom = answer.Bottom + step }],
                    neighbour => Assert.True(Fit(answer) >= Fit(neighbour) - 1e-9));
        }

        static Box Rounded(Box box) => new(Math.Round(box.Left, 6), Math.Round(box.Top, 6), Math.Round(box.Right, 6),
            Math.Round(box.Bottom, 6));
    }

    [Fact]
    public void A_box_that_follows_the_phrase_moves_and_one_that_does_not_moves_in_half_of_the_cases()
    {
        Box left = new(0, 0, 100, 100), right = new(500, 0, 700, 100);
        List<Prediction> Picture(Func<Box, Box> answer) =>
        [
            .. Enumerable.Range(0, 10).SelectMany(i => new[] { left, right }.Select((truth, j) =>
                Answers.Make($"{i}{j}", [truth], [answer(truth)], patient: $"p{i}") with { Image = $"{i}.png" })),
        ];
        var follows = PhraseSwap.Measure(Picture(box => box), Options)!;
        Assert.Equal((20, 1.0, 1.0, 0.0), (follows.Cases, follows.Moved.Value, follows.AskedIou.Value, follows.OtherIou.Value));
        var deaf = PhraseSwap.Measure(Picture(_ => left), Options)!;
        Assert.Equal((0.5, 0.5, 0.5), (deaf.Moved.Value, deaf.AskedIou.Value, deaf.OtherIou.Value));
        var none = PhraseSwap.Measure(Picture(_ => default), Options)!;
        Assert.Equal(0, none.Moved.Value);
        Assert.True(follows.Moved is { Low: 1, High: 1 });
        Assert.Null(PhraseSwap.Measure([.. Picture(box => box).Where(p => p.Truth[0] == left)], Options)); // one phrase per picture
    }

    [Fact]
    public void The_table_of_controls_shows_the_lead_of_the_model()
    {
        var model = Scorer.Score(Answers.Varied(200), Options);
        var blind = Scorer.Score(Answers.Varied(200, seed: 2, shift: 200), Options);
        var grid = ControlGrid.Controls(model, new Dictionary<ControlCondition, ScoreTable> { [ControlCondition.Blind] = blind });
        Assert.Equal(["model", "blind"], grid.Rows.Select(row => row[0]));
        var difference = model.Weighted[Metric.Iou].Value - blind.Weighted[Metric.Iou].Value;
        Assert.True(difference > 0.1);
        Assert.StartsWith(difference.ToString("+0.000", System.Globalization.CultureInfo.InvariantCulture) + " [+", grid.Rows[1][4],
            StringComparison.Ordinal);
        Assert.Equal(Comparison.Probability(Comparison.Between(blind, model).Rows[^1].Figures[Metric.Iou].P), grid.Rows[1][5]);
    }
}
