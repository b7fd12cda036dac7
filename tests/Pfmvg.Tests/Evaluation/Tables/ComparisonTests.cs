using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Evaluation.Tables;

public sealed class ComparisonTests
{
    [Fact]
    public void Equal_answers_do_not_differ()
    {
        var table = Score(Answers.Varied(100));
        var comparison = Comparison.Between(table, table);
        Assert.All(comparison.Rows, row => Assert.All(row.Figures.Values, d =>
        {
            Assert.Equal(new Estimate(0, 0, 0), d.Difference);
            Assert.Equal(1, d.P);
        }));
    }

    [Fact]
    public void A_better_model_differs_with_an_interval_above_zero_and_the_differences_are_those_of_the_tables()
    {
        var (a, b) = (Score(Answers.Varied(400, seed: 1, shift: 80)), Score(Answers.Varied(400, seed: 1, shift: 15)));
        var comparison = Comparison.Between(a, b);
        Assert.Equal([.. b.Classes.Select(row => row.Name), "mean", "weighted"], comparison.Rows.Select(row => row.Name));
        var weighted = comparison.Rows[^1].Figures[Metric.Iou];
        Assert.Equal(b.Weighted[Metric.Iou].Value - a.Weighted[Metric.Iou].Value, weighted.Difference.Value, 1e-12);
        Assert.Equal(b.Mean[Metric.Dice].Value - a.Mean[Metric.Dice].Value, comparison.Rows[^2].Figures[Metric.Dice].Difference.Value,
            1e-12);
        Assert.True(weighted.Difference.Low > 0);
        Assert.True(weighted.P < 0.001);
        Assert.All(comparison.Rows.SkipLast(2), row => Assert.True(row.Figures[Metric.Iou].Adjusted >= row.Figures[Metric.Iou].P));
        Assert.Equal(comparison.Changes.Max(change => Math.Abs(change.Iou)), Math.Abs(comparison.Changes[0].Iou));
    }

    [Fact]
    public void The_p_value_is_the_exact_one_of_all_exchanges()
    {
        double[] differences = [0.3, -0.1, 0.25, 0.4, 0.05, -0.2, 0.35, 0.1];
        var a = differences.Select((_, i) => Answers.WithIou($"s{i}", 0.5, patient: $"p{i}")).ToList();
        var b = differences.Select((d, i) => Answers.WithIou($"s{i}", 0.5 + d, patient: $"p{i}")).ToList();
        var observed = Math.Abs(differences.Sum());
        var extreme = Enumerable.Range(0, 256)
            .Count(signs => Math.Abs(differences.Select((d, i) => (signs >> i & 1) == 1 ? d : -d).Sum()) >= observed - 1e-9);
        Assert.Equal(extreme / 256.0, Comparison.Between(Score(a, 50_000), Score(b, 50_000)).Rows[^1].Figures[Metric.Iou].P, 0.006);
    }

    [Fact]
    public void Without_a_difference_small_p_values_are_as_rare_as_they_should_be()
    {
        var small = 0;
        for (var s = 0; s < 300; s++)
        {
            var random = new CounterRandom(s, "null");
            List<Prediction> Sample() => [.. Enumerable.Range(0, 60)
                .Select(i => Answers.WithIou($"s{i}", 0.1 + 0.8 * random.NextDouble(), patient: $"p{i / 2}"))];
            if (Comparison.Between(Score(Sample(), 300), Score(Sample(), 300)).Rows[^1].Figures[Metric.Iou].P < 0.05) small++;
        }

        Assert.InRange(small, 4, 28); // 15 expected
    }

    [Fact]
    public void Only_answers_to_the_same_questions_under_the_same_rules_are_compared()
    {
        var (table, fewer) = (Score(Answers.Varied(20)), Score(Answers.Varied(20)[..19]));
        var strict = Scorer.Score(Answers.Varied(20), new ScoringOptions { Rule = AnswerRule.Strict });
        var changed = Answers.Varied(20);
        changed[3] = changed[3] with { Truth = [new Box(1, 1, 2, 2)] };
        AssertRefused("in B, but not in A", fewer, table);
        AssertRefused("in A, but not in B", table, fewer);
        AssertRefused("equal rules", table, strict);
        AssertRefused("another truth", table, Score(changed));

        static void AssertRefused(string reason, ScoreTable a, ScoreTable b) => Assert.Contains(
            reason, Assert.Throws<InputException>(() => Comparison.Between(a, b)).Message, StringComparison.Ordinal);
    }

    private static ScoreTable Score(IReadOnlyList<Prediction> predictions, int resamples = 2000) =>
        Scorer.Score(predictions, new ScoringOptions { Resamples = resamples });
}
