using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Scoring;

/// <summary>Every score of the fixtures, which were computed as exact fractions.</summary>
[Trait("Category", "Golden")]
public sealed class FixtureScoreTests
{
    private const double Tolerance = 1e-9;

    private static readonly JsonNode Expected = Fixtures.Json("grounding", "expected_iou_dice.json");
    private static readonly IReadOnlyList<Prediction> Predictions = ExternalPredictions.Read(
        Fixtures.Path("grounding", "predictions.jsonl"), new ReadOptions
        {
            Truth = TruthFile.Read(Fixtures.Path("grounding", "MS_CXR_Local_Alignment.json")),
        });

    [Fact]
    public void The_first_box_as_it_stands_scores_the_exact_fraction() =>
        AssertSamples(new ScoringOptions { Protocol = Protocol.PfmvgBox }, "first_box");

    [Fact]
    public void The_first_box_repaired_scores_the_exact_fraction() =>
        AssertSamples(new ScoringOptions { Protocol = Protocol.PfmvgBox, Rule = AnswerRule.Repair }, "first_box_sorted_clamped");

    [Fact]
    public void The_authors_evaluator_is_reproduced_with_its_added_pixel_and_its_match_at_the_start() =>
        AssertSamples(new ScoringOptions { Protocol = Protocol.PfmvgBox, Rule = AnswerRule.Original }, "reference_plus_one");

    [Fact]
    public void The_union_of_all_predictions_of_a_phrase_scores_the_exact_fraction()
    {
        var table = Scorer.Score(Predictions, new ScoringOptions
        {
            Protocol = Protocol.PhraseUnion,
            Rule = AnswerRule.Repair,
            Resamples = 0,
        });
        var phrases = Expected["phrases"]!.AsArray();
        Assert.Equal(phrases.Count, table.Phrases);
        foreach (var phrase in phrases)
        {
            var sample = Assert.Single(table.Samples, s => s.Id == phrase!["ann_ids"]![0]!.ToString());
            var exact = phrase!["union_all_predictions"];
            AssertScore(exact, sample);
            Assert.Equal(phrase["n_gt"]!.GetValue<int>(), sample.Truth.Count);
            Assert.Equal(phrase["gt_union_area"]!.GetValue<double>(), new Region(sample.Truth).Area, 6);
        }

        var summary = Expected["summary"]!["phrases_union_all_predictions"]!;
        Assert.Equal(summary["mean_iou"]!.GetValue<double>(), table.Weighted[Metric.Iou].Value, Tolerance);
        Assert.Equal(summary["mean_dice"]!.GetValue<double>(), table.Weighted[Metric.Dice].Value, Tolerance);
    }

    [Theory]
    [InlineData("first_box", AnswerRule.Raw)]
    [InlineData("first_box_sorted_clamped", AnswerRule.Repair)]
    public void Means_and_accuracy_over_all_samples_are_the_exact_ones(string name, AnswerRule rule)
    {
        var summary = Expected["summary"]![name]!;
        foreach (var inclusive in new[] { false, true })
        {
            var table = Scorer.Score(Predictions, new ScoringOptions { Rule = rule, InclusiveAccuracy = inclusive, Resamples = 0 });
            Assert.Equal(summary["mean_iou"]!.GetValue<double>(), table.Weighted[Metric.Iou].Value, Tolerance);
            Assert.Equal(summary["mean_dice"]!.GetValue<double>(), table.Weighted[Metric.Dice].Value, Tolerance);
            Assert.Equal(summary[inclusive ? "acc_iou_ge_0_5" : "acc_iou_gt_0_5"]!.GetValue<double>(),
                table.Weighted[Metric.Accuracy50].Value, Tolerance);
        }
    }

    [Fact]
    public void The_authors_means_over_all_samples_are_reproduced()
    {
        var summary = Expected["summary"]!["reference_plus_one"]!;
        var table = Scorer.Score(Predictions, new ScoringOptions { Rule = AnswerRule.Original, Resamples = 0 });
        Assert.Equal(summary["n_scored"]!.GetValue<int>(), table.Samples.Count(sample => sample.Valid));
        Assert.Equal(summary["mean_iou_unmatched_as_0"]!.GetValue<double>(), table.Weighted[Metric.Iou].Value, Tolerance);
        Assert.Equal(summary["mean_dice_unmatched_as_0"]!.GetValue<double>(), table.Weighted[Metric.Dice].Value, Tolerance);
        Assert.Equal(summary["acc_iou_gt_0_5"]!.GetValue<double>(), table.Weighted[Metric.Accuracy50].Value, Tolerance);
    }

    private static void AssertSamples(ScoringOptions options, string name)
    {
        var table = Scorer.Score(Predictions, options with { Resamples = 0 });
        var annotations = Expected["annotations"]!.AsArray();
        Assert.Equal(annotations.Count, table.Samples.Count);
        foreach (var annotation in annotations)
            AssertScore(annotation![name], Assert.Single(table.Samples, sample => sample.Id == annotation["ann_id"]!.ToString()));
    }

    private static void AssertScore(JsonNode? exact, ScoredSample sample)
    {
        Assert.Equal(exact?["iou"]!.GetValue<double>() ?? 0, sample.Iou, Tolerance);
        Assert.Equal(exact?["dice"]!.GetValue<double>() ?? 0, sample.Dice, Tolerance);
    }
}
