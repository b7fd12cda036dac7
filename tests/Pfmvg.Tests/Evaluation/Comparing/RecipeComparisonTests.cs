using System.Text.Json.Nodes;
using Pfmvg.Cli.Commands;
using Pfmvg.Configuration;
using Pfmvg.Evaluation.Comparing;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Comparing;

public sealed class RecipeComparisonTests
{
    private static readonly ScoringOptions Options = new() { Resamples = 2000 };

    private static ScoreTable Table(long seed, double shift = 30) => Scorer.Score(Answers.Varied(120, seed, shift), Options);

    [Fact]
    public void With_one_seed_a_difference_is_that_of_the_paired_comparison()
    {
        var (a, b) = (Table(1), Table(2, 20));
        var compared = new RecipeComparison(["a", "b"], [42], [[a], [b]]);
        var paired = Comparison.Between(a, b).Rows[^1];
        foreach (var metric in (Metric[])[Metric.Iou, Metric.Accuracy50])
        {
            var (figure, expected) = (compared[metric, 1], paired.Figures[metric]);
            Assert.Equal(expected.B, figure.Value, 1e-12);
            Assert.Equal(expected.Difference.Value, figure.Difference.Value, 1e-12);
            Assert.Equal(expected.Difference.Low, figure.Difference.Low, 0.015); // BCa there, percentile here
            Assert.Equal(expected.Difference.High, figure.Difference.High, 0.015);
            Assert.Equal(expected.P, figure.P, 0.04); // patients are numbered otherwise, so their exchanges are others
            Assert.Equal(figure.Difference, figure.Together); // one recipe tried: nothing to correct
            Assert.Equal(figure.P, figure.Adjusted);
        }
    }

    [Fact]
    public void Seeds_are_paired_so_what_they_share_is_in_no_interval()
    {
        // Both recipes are good with seed 1 and bad with seed 2, and the second one has the same answers: no difference at all.
        var (good, bad) = (Table(1, 5), Table(2, 90));
        var compared = new RecipeComparison(["a", "b"], [1, 2], [[good, bad], [good, bad]]);
        Assert.Equal(new Estimate(0, 0, 0), compared[Metric.Iou, 1].Difference);
        Assert.Equal(1, compared[Metric.Iou, 1].P);
        Assert.Equal((good.Weighted[Metric.Iou].Value + bad.Weighted[Metric.Iou].Value) / 2, compared[Metric.Iou, 1].Value, 1e-12);

        // What one recipe gains with one seed alone makes the interval wide: it may have been that seed.
        var once = new RecipeComparison(["a", "b"], [1, 2], [[bad, bad], [bad, good]])[Metric.Iou, 1].Difference;
        var always = new RecipeComparison(["a", "b"], [1, 2], [[bad, bad], [good, good]])[Metric.Iou, 1].Difference;
        Assert.Equal(always.Value / 2, once.Value, 1e-12);
        Assert.True(once.High - once.Low > 2 * (always.High - always.Low));
    }

    [Fact]
    public void The_more_recipes_are_tried_the_wider_is_each_interval_and_the_larger_each_p_value()
    {
        var (a, b, c, d) = (Table(1), Table(2, 26), Table(3, 31), Table(4, 29));
        var two = new RecipeComparison(["a", "b"], [42], [[a], [b]])[Metric.Iou, 1];
        var four = new RecipeComparison(["a", "b", "c", "d"], [42], [[a], [b], [c], [d]]);
        Assert.Equal(two.Difference, four[Metric.Iou, 1].Difference);
        Assert.Equal(two.P, four[Metric.Iou, 1].P);
        Assert.True(four[Metric.Iou, 1].Together.Low < two.Together.Low && four[Metric.Iou, 1].Together.High > two.Together.High);
        double[] raw = [.. Enumerable.Range(1, 3).Select(r => four[Metric.Iou, r].P)];
        Assert.Equal(Holm.Adjust(raw), Enumerable.Range(1, 3).Select(r => four[Metric.Iou, r].Adjusted));
    }

    [Fact]
    public void Table_and_json_name_the_recipes_their_settings_and_the_correction()
    {
        var compared = new RecipeComparison(["paper", "middle"], [1, 2], [[Table(1), Table(2)], [Table(3), Table(4)]]);
        IReadOnlyList<IReadOnlyList<string>> settings = [[], ["eval.box_reading: written -> middle"]];
        var text = compared.Grid(settings).Print(TableFormat.Text);
        Assert.Contains("Bonferroni's correction for 1 recipe tried", text, StringComparison.Ordinal);
        Assert.Contains("middle: eval.box_reading: written -> middle.", text, StringComparison.Ordinal);
        var json = JsonNode.Parse(compared.ToJson(settings, [["x", "y"], ["z", "w"]]))!;
        var second = json["recipes"]![1]!;
        Assert.Equal(compared[Metric.Iou, 1].Together.Low, (double)second["iou"]!["low_together"]!);
        Assert.Equal(compared[Metric.Iou, 1].Seeds[1], (double)second["runs"]![1]!["iou"]!);
        Assert.Equal("w", (string)second["runs"]![1]!["folder"]!);
        Assert.Null(json["recipes"]![0]!["iou"]!["difference"]);
    }

    [Fact]
    public void Everything_that_is_wrong_with_recipes_and_seeds_is_said_at_once()
    {
        var refused = Assert.Throws<InputException>(() => RecipeCommand.Read(["a", "b/c", "a=none.yaml"],
            ["d:eval.beams=2", "a:eval.beams", "a:eval.bems=2"], "42,x,42", Read)).Message;
        foreach (var problem in (string[])["--seeds: 'x' is no seed", "'b/c' is no name of a recipe", "there is no recipe 'd'",
            "--change a:eval.beams: write NAME:PATH=VALUE", "eval.bems", "The configuration none.yaml does not exist"])
            Assert.Contains(problem, refused, StringComparison.Ordinal);
        refused = Assert.Throws<InputException>(() => RecipeCommand.Read(["a", "A", "b"], ["b:phantom.seed=8"], "42,42", Read)).Message;
        foreach (var problem in (string[])["the recipe 'a' is given 2 times", "the seed 42 is given 2 times",
            "the recipe 'b' has another study than 'a' (phantom.seed: 7 -> 8)"])
            Assert.Contains(problem, refused, StringComparison.Ordinal);
        refused = Assert.Throws<InputException>(
            () => RecipeCommand.Read(["a", "b", "c"], ["b:eval.beams=2", "c:seed=7"], "1", Read)).Message;
        Assert.Equal("the recipe 'c' has the settings of 'a'; give it another file, or --change c:PATH=VALUE.", refused);
        Assert.Contains("name at least two", Assert.Throws<InputException>(() => RecipeCommand.Read(["a"], [], "1", Read)).Message,
            StringComparison.Ordinal);

        static PfmvgConfiguration Read(string? file, IReadOnlyList<string> changes) =>
            ConfigurationFile.Load(file ?? Path.Combine(Fixtures.Repository, "configs", "tiny.yaml"), changes);
    }
}
