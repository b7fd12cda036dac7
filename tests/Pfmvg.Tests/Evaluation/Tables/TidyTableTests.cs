using System.Globalization;
using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Tables;

public sealed class TidyTableTests
{
    private static readonly string[] Header = ["row", "metric", "value", "low", "high", "n", "protocol", "rule"];

    [Theory]
    [InlineData(Protocol.PfmvgBox)]
    [InlineData(Protocol.PhraseUnion)]
    [InlineData(Protocol.SingleBox)]
    [InlineData(Protocol.Map50)]
    public void Every_number_of_a_table_stands_in_csv_and_json_to_its_last_bit(Protocol protocol)
    {
        var table = Scorer.Score(Answers.Varied(150), new ScoringOptions { Protocol = protocol, Resamples = 100 });
        var tidy = TidyTable.Of("title", (null, table));
        var csv = StrictCsv.Read(tidy.ToCsv());
        var json = JsonNode.Parse(tidy.ToJson())!["figures"]!.AsArray();
        Assert.Equal(Header, StrictCsv.Header(tidy.ToCsv()));
        Assert.Equal(table.Rows.Count() * (table.Metrics.Count + 2), csv.Count);
        foreach (var row in table.Rows)
            foreach (var metric in table.Metrics)
            {
                var name = row == table.WeightedOverValid ? "weighted_over_valid_classes" : row.Name;
                var at = csv.FindIndex(line => line["row"] == name && line["metric"] == ScoreGrid.Key(metric));
                double?[] expected = [row[metric].Value, row[metric].Low, row[metric].High];
                Assert.Equal(expected.Select(Bits), new[] { "value", "low", "high" }.Select(c => Bits(Number(csv[at][c]))));
                Assert.Equal(expected.Select(Bits), new[] { "value", "low", "high" }.Select(c => Bits((double?)json[at]![c])));
                Assert.Equal(row.Count, int.Parse(csv[at]["n"], CultureInfo.InvariantCulture));
                Assert.Equal((ProtocolDescription.Names[(int)protocol], "raw"), (csv[at]["protocol"], csv[at]["rule"]));
            }

        var mean = csv.Single(line => line["row"] == "mean" && line["metric"] == "flawed");
        Assert.Equal($"{table.Mean.Flaws.Values.Sum()}", mean["value"]);
        Assert.Equal("", mean["low"]);
    }

    [Fact]
    public void A_number_that_there_is_not_is_an_empty_cell_and_null()
    {
        var table = Scorer.Score([Answers.WithIou("a", 0.5)], new ScoringOptions { Resamples = 0 }) with
        {
            Further =
            [
                new Figure("side=left", "map@[.5:.95]", 1.0 / 3, 0.1, double.NaN, 7),
                new Figure("side=right", "map@[.5:.95]", null, null, null, 0),
            ],
        };
        var tidy = TidyTable.Of("title", (null, table));
        Assert.EndsWith("side=left,map@[.5:.95],0.3333333333333333,0.1,,7,pfmvg-box,raw\nside=right,map@[.5:.95],,,,0,pfmvg-box,raw\n",
            tidy.ToCsv(), StringComparison.Ordinal);
        Assert.StartsWith("row,metric,value,low,high,n,protocol,rule\nEdema,iou,0.5,,,1,pfmvg-box,raw\n", tidy.ToCsv(),
            StringComparison.Ordinal);
        var last = JsonNode.Parse(tidy.ToJson())!["figures"]!.AsArray()[^1]!;
        Assert.Null(last["value"]);
        Assert.Equal(0, last["n"]!.GetValue<int>());
        Assert.Equal(Header, last.AsObject().Select(pair => pair.Key));
    }

    [Theory]
    [InlineData("Effusion, left")]
    [InlineData("a \"quoted\" name")]
    [InlineData("two\nlines")]
    [InlineData("carriage\rreturn")]
    [InlineData("Ü, 肺炎")]
    [InlineData(" spaces ")]
    public void Names_come_back_as_they_were(string name)
    {
        var tidy = TidyTable.Of("title", (name, Scorer.Score([Answers.WithIou("a", 0.5, name)], new ScoringOptions { Resamples = 0 })));
        var line = StrictCsv.Read(tidy.ToCsv())[0];
        Assert.Equal((name, name), (line["row"], line["answers"]));
        Assert.Equal(name, JsonNode.Parse(tidy.ToJson())!["figures"]![0]!["row"]!.ToString());
    }

    [Fact]
    public void The_rule_names_every_option_that_shapes_a_number()
    {
        Assert.Equal("raw", TidyTable.Rule(new ScoringOptions()));
        Assert.Equal("repair+plus-one+inclusive",
            TidyTable.Rule(new ScoringOptions { Rule = AnswerRule.Repair, PlusOne = true, InclusiveAccuracy = true }));
        Assert.Equal("nan-fails", TidyTable.Rule(new ScoringOptions { Protocol = Protocol.MaskThresholds }));
        Assert.Equal("nan-outside", TidyTable.Rule(new ScoringOptions { Protocol = Protocol.MaskThresholds, HeatMapMayHaveHoles = true }));
    }

    /// <summary>
    /// tidy_random.figures.json was made by a program of its own in Python, in exact fractions, from the page on evaluation alone: 60
    /// random boxes of four classes, some missing, some with swapped corners.
    /// </summary>
    [Fact]
    public void The_numbers_are_those_of_an_independent_calculation_in_exact_fractions()
    {
        var answers = PredictionFile.Read(InFiles("tidy_random.jsonl"));
        var csv = StrictCsv.Read(TidyTable.Of("title", (null, Scorer.Score(answers, new ScoringOptions { Resamples = 10 }))).ToCsv());
        var figures = JsonNode.Parse(File.ReadAllText(InFiles("tidy_random.figures.json")))!["figures"]!.AsObject();
        Assert.Equal(6, figures.Count);
        foreach (var (row, expected) in figures)
            foreach (var (metric, value) in expected!.AsObject().Where(figure => figure.Key != "n"))
            {
                var line = csv.Single(line => line["row"] == row && line["metric"] == metric);
                Assert.Equal(value!.GetValue<double>(), Number(line["value"])!.Value, 1e-14);
                Assert.Equal(expected["n"]!.ToString(), line["n"]);
            }
    }

    [Fact]
    public void A_comparison_keeps_differences_and_p_values_in_full()
    {
        var options = new ScoringOptions { Resamples = 200 };
        var comparison = Comparison.Between(Scorer.Score(Answers.Varied(120, seed: 1), options),
            Scorer.Score(Answers.Varied(120, seed: 2), options));
        var csv = StrictCsv.Read(TidyComparison.Of(comparison, "old", "new").ToCsv());
        foreach (var (r, row) in comparison.Rows.Index())
        {
            var paired = row.Figures[Metric.Dice];
            Assert.Equal(Bits(paired.A), Bits(Number(Line("dice", "old")["value"])));
            Assert.Equal(Bits(paired.B), Bits(Number(Line("dice", "new")["value"])));
            Assert.Equal(Bits(paired.Difference.Value), Bits(Number(Line("dice", "new - old")["value"])));
            Assert.Equal(Bits(paired.Difference.High), Bits(Number(Line("dice", "new - old")["high"])));
            Assert.Equal(Bits(paired.P), Bits(Number(Line("dice_p", "new - old")["value"])));
            Assert.Equal(r < comparison.Rows.Count - 2, csv.Exists(line => line["row"] == row.Name && line["metric"] == "dice_p_holm"));

            Dictionary<string, string> Line(string metric, string answers) =>
                csv.Single(line => line["row"] == row.Name && line["metric"] == metric && line["answers"] == answers);
        }
    }

    internal static string InFiles(string name) =>
        Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Evaluation", "Files", name);

    internal static double? Number(string cell) =>
        cell.Length == 0 ? null : double.Parse(cell, NumberStyles.Float, CultureInfo.InvariantCulture);

    // NaN is written as nothing.
    private static long? Bits(double? value) =>
        value is { } number && double.IsFinite(number) ? BitConverter.DoubleToInt64Bits(number) : null;
}
