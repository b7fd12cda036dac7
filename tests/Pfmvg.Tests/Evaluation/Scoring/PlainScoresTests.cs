using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Tests.Evaluation.Scoring;

public class PlainScoresTests
{
    private static readonly PublishedScores Published = PublishedScores.Load();

    [Theory]
    [InlineData("MSLL")]
    [InlineData("MedKLIP")]
    [InlineData("BioViL")]
    [InlineData("GLoRIA")]
    public void Published_means_and_weighted_scores_follow_from_the_published_classes(string method)
    {
        foreach (var row in new[] { Published.Iou[method], Published.Dice[method] })
        {
            var scores = FromPublished(row);
            Assert.Equal(1162, scores.Count);
            AssertThreeDecimals(row.Mean!.Value, scores.MeanIou);
            AssertThreeDecimals(row.Weighted!.Value, scores.WeightedIou());
            AssertThreeDecimals(row.Weighted!.Value, scores.WeightedDice());
            Assert.Equal(scores.WeightedIou(), scores.WeightedIou(ClassWeighting.ClassesWithValue), 1e-12); // every class has a value
        }
    }

    [Fact]
    public void The_mean_of_every_published_row_is_over_all_eight_classes()
    {
        foreach (var table in new[] { Published.Iou, Published.Dice, Published.AblationIou, Published.AblationDice })
            foreach (var row in table.Values.Where(row => row.PerClass.Any(score => score is not null)))
                // some published means are truncated or off by a rounding of the classes
                Assert.Equal(row.Mean!.Value, FromPublished(row).MeanIou, 0.00105);
    }

    [Fact]
    public void The_row_stage_1_only_divides_its_mean_by_eight_but_weighs_only_classes_with_a_value()
    {
        foreach (var row in new[] { Published.AblationIou["stage 1 only"], Published.AblationDice["stage 1 only"] })
        {
            var scores = FromPublished(row);
            Assert.Equal(3, scores.Classes.Count(score => score.HasValue));
            AssertThreeDecimals(row.Mean!.Value, scores.MeanIou);
            // The row's own class counts are not published; with those of all of MS-CXR only one weighting comes near.
            Assert.Equal(row.Weighted!.Value, scores.WeightedIou(ClassWeighting.ClassesWithValue), 0.15 * row.Weighted.Value);
            Assert.True(scores.WeightedIou() < 0.6 * row.Weighted.Value);
        }
    }

    [Fact]
    public void The_published_counts_are_those_of_MS_CXR()
    {
        Assert.Equal(8, Published.Classes.Count);
        Assert.Equal(1162, Published.PhraseCounts.Sum());
        Assert.Equal(["zero-shot", "stage 2 only", "stage 1 only", "stages 1 and 2"], Published.AblationIou.Keys);
    }

    [Fact]
    public void Failures_count_0_in_their_class_and_a_class_of_failures_has_no_value()
    {
        var scores = new PlainScores(
            [
                new("1", "Edema", 0.8, 0.9, true), new("2", "Edema", 0, 0, false),
                new("3", "Pneumonia", 0, 0, false),
                new("4", "Other", 0.2, 0.4, true), new("5", "Other", 0.4, 0.6, true), new("6", "Other", 0, 0, true),
            ],
            ["Pneumonia", "Edema", "Cardiomegaly"]);

        Assert.Equal(["Pneumonia", "Edema", "Cardiomegaly", "Other"], scores.Classes.Select(row => row.Class));
        Assert.Equal([1, 2, 0, 3], scores.Classes.Select(row => row.Count));
        Assert.Equal([false, true, false, true], scores.Classes.Select(row => row.HasValue));
        Assert.Equal((6, 4), (scores.Count, scores.Valid));
        Assert.Equal((0 + 0.4 + 0.2) / 3, scores.MeanIou, 1e-12); // Cardiomegaly was not asked
        Assert.Equal((0 + 0.45 + 1.0 / 3) / 3, scores.MeanDice, 1e-12);
        Assert.Equal(1.4 / 6, scores.WeightedIou(), 1e-12);
        Assert.Equal(1.4 / 5, scores.WeightedIou(ClassWeighting.ClassesWithValue), 1e-12);
        Assert.Equal(0.1, scores.MedianIou, 1e-12);
        Assert.Equal(0.2, scores.MedianDice, 1e-12);
    }

    [Fact]
    public void Accuracy_is_strict_as_the_authors_have_it_unless_asked_otherwise()
    {
        var scores = new PlainScores([.. new[] { 0.29, 0.3, 0.5 - 1e-16, 0.5 + 1e-16, 0.51 }
            .Select((iou, i) => new SampleScore($"{i}", "Edema", iou, iou, true))], []);
        Assert.Equal(0.2, scores.Accuracy(0.5), 1e-12);
        Assert.Equal(0.6, scores.Accuracy(0.5, inclusive: true), 1e-12);
        Assert.Equal(0.6, scores.Accuracy(0.3), 1e-12);
        Assert.Equal(0.8, scores.Accuracy(0.3, inclusive: true), 1e-12);
    }

    [Fact]
    public void Weighting_all_samples_is_the_mean_over_the_samples_in_any_order()
    {
        var random = new Random(1);
        for (var round = 0; round < 100; round++)
        {
            SampleScore[] samples = [.. Enumerable.Range(0, random.Next(1, 60))
                .Select(i => new SampleScore($"{i}", Published.Classes[random.Next(8)], random.NextDouble(), random.NextDouble(), true))];
            var scores = new PlainScores(samples, Published.Classes);
            random.Shuffle(samples);
            var shuffled = new PlainScores(samples, Published.Classes);
            Assert.Equal(samples.Average(sample => sample.Iou), scores.WeightedIou(), 1e-12);
            Assert.Equal(scores.WeightedDice(), shuffled.WeightedDice(), 1e-12);
            Assert.Equal(scores.MeanIou, shuffled.MeanIou, 1e-12);
            Assert.Equal(scores.MedianIou, shuffled.MedianIou);
        }
    }

    [Fact]
    public void No_samples_score_0()
    {
        var scores = new PlainScores([], Published.Classes);
        Assert.Equal((0d, 0d, 0d, 0d), (scores.MeanIou, scores.WeightedIou(), scores.MedianIou, scores.Accuracy(0.5)));
        Assert.Equal(8, scores.Classes.Count);
    }

    [Theory]
    [InlineData(1.01, 0.5, true)]
    [InlineData(0.5, -0.1, true)]
    [InlineData(double.NaN, 0.5, true)]
    [InlineData(0.5, 0.5, false)]
    public void A_score_that_cannot_be_is_refused(double iou, double dice, bool valid) =>
        Assert.Throws<ArgumentException>(() => new PlainScores([new("1", "Edema", iou, dice, valid)], []));

    /// <summary>An evaluation with MS-CXR's phrases in which every phrase has its class's published score.</summary>
    private static PlainScores FromPublished(PublishedRow row) => new(
        [
            .. Published.Classes.SelectMany((name, c) => Enumerable.Range(0, Published.PhraseCounts[c]).Select(i =>
                new SampleScore($"{name} {i}", name, row.PerClass[c] ?? 0, row.PerClass[c] ?? 0, row.PerClass[c] is not null))),
        ],
        Published.Classes);

    private static void AssertThreeDecimals(double expected, double actual) =>
        Assert.Equal(expected, Math.Round(actual, 3, MidpointRounding.AwayFromZero), 1e-9);
}
