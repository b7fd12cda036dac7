using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Evaluation.Tables;

public sealed class GridTests
{
    private static readonly TextGrid Small = new("T_1 & x", ["name", "IoU"], [["a|b", "0.5"], ["c,\"d\"", "0.25 [0.1, 0.3]"]], ["n = 5 %"]);
    private static readonly ScoreTable Table = Scorer.Score(Answers.Varied(200), new ScoringOptions { Resamples = 200 });

    [Fact]
    public void Text_is_aligned() => Assert.Equal(
        """
        T_1 & x

        name               IoU
        -----  ---------------
        a|b                0.5
        c,"d"  0.25 [0.1, 0.3]

        n = 5 %

        """, Small.Print(TableFormat.Text));

    [Fact]
    public void Markdown_escapes_what_would_break_it() =>
        Assert.Equal("**T\\_1 & x**\n\n| name | IoU |\n| --- | ---: |\n| a\\|b | 0.5 |\n| c,\"d\" | 0.25 [0.1, 0.3] |\n\n- n = 5 %\n",
            Small.Print(TableFormat.Markdown));

    [Fact]
    public void Csv_quotes_as_rfc_4180() =>
        Assert.Equal("name,IoU\na|b,0.5\n\"c,\"\"d\"\"\",\"0.25 [0.1, 0.3]\"\n", Small.Print(TableFormat.Csv));

    [Fact]
    public void Json_holds_everything()
    {
        var json = JsonNode.Parse(Small.Print(TableFormat.Json))!;
        Assert.Equal("c,\"d\"", json["rows"]![1]![0]!.ToString());
        Assert.Equal("n = 5 %", json["notes"]![0]!.ToString());
    }

    [Fact]
    public void Latex_escapes_its_special_characters()
    {
        var latex = Small.Print(TableFormat.Latex);
        Assert.Contains(@"\caption{T\_1 \& x. n = 5 \%}", latex, StringComparison.Ordinal);
        Assert.Contains(@"\begin{tabular}{lr}", latex, StringComparison.Ordinal);
        Assert.Contains(@"a|b & 0.5 \\", latex, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_table_names_its_protocol_numbers_and_rules()
    {
        foreach (var protocol in Enum.GetValues<Protocol>())
        {
            var maps = protocol == Protocol.MaskThresholds; // it scores no text; without a map an answer is missing
            var table = Scorer.Score(Answers.Varied(60).ConvertAll(p => maps ? p with { Answer = null } : p),
                new ScoringOptions { Protocol = protocol, Resamples = 10 });
            foreach (var grid in (TextGrid[])[ScoreGrid.PerClass(table),
                PaperGrid.Methods(Metric.Iou, [("ours", table)], withPublished: true)])
            {
                var text = grid.Print(TableFormat.Text);
                Assert.Contains(ProtocolDescription.Names[(int)protocol], text, StringComparison.Ordinal);
                Assert.Contains($"n = {table.Phrases} phrases, {table.Boxes} boxes", text, StringComparison.Ordinal);
                Assert.Contains(table.Protocol.MultiBox, text, StringComparison.Ordinal);
                Assert.Contains(table.Protocol.Failure, text, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void The_paper_s_tables_come_out_in_the_paper_s_form()
    {
        var grid = PaperGrid.Methods(Metric.Dice, [("this run", Table)], withPublished: true);
        Assert.Equal(["method", .. Scorer.ClassOrder, "mean", "wDice"], grid.Columns);
        Assert.Equal(["MSLL (published)", "0.576", "0.163", "0.538", "0.538", "0.433", "0.485", "0.468", "0.525", "0.466", "0.440"],
            grid.Rows[0]);
        Assert.Equal("this run", grid.Rows[^2][0]);
        Assert.Equal(ScoreGrid.Figure(Table.Weighted[Metric.Dice].Value), grid.Rows[^2][^1]);
        Assert.Equal(["n", .. Scorer.ClassOrder.Select(name => $"{Table.Classes.Single(row => row.Name == name).Count}"),
            $"{Table.Samples.Count}", $"{Table.Samples.Count}"], grid.Rows[^1]);
        var gpt = PaperGrid.Methods(Metric.Iou, [("this run", Table)], withPublished: true).Rows.Single(
            row => row[0].StartsWith("GPT-4V", StringComparison.Ordinal));
        Assert.Equal(["-", "0.0833", "n/a"], [gpt[1], gpt[^2], gpt[^1]]);
    }

    [Fact]
    public void The_ablation_sets_the_four_published_rows_above_ours()
    {
        var grid = PaperGrid.Ablation(Metric.Iou, [(true, true, Table), (false, false, Table), (true, false, Table)], withPublished: true);
        Assert.Equal(["×", "×", "published", "0.118"], grid.Rows[0].Take(4));
        Assert.Equal(["✓", "×", "published", "0.049", "-"], grid.Rows[2].Take(5));
        Assert.Equal(["× ×", "✓ ×", "✓ ✓"], grid.Rows.Where(row => row[2] == "ours").Select(row => $"{row[0]} {row[1]}"));
        Assert.Equal(["stage 1", "stage 2", ""], grid.Columns.Take(3));
        var weighted = Table.Weighted[Metric.Iou];
        Assert.Equal(Enumerable.Repeat($"{ScoreGrid.Figure(weighted.Low)}–{ScoreGrid.Figure(weighted.High)}", 3),
            grid.Rows.Where(row => row[2] == "95 %").Select(row => row[^1]));
        Assert.Contains("Intervals: 95 %, 200 bootstrap resamples", string.Join('\n', grid.Notes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(80)]
    [InlineData(60)]
    [InlineData(40)]
    public void A_table_that_is_too_wide_is_divided_and_loses_nothing(int width)
    {
        string[] columns = ["class", "n", .. Enumerable.Range(1, 6).Select(i => $"figure {i}")];
        var grid = new TextGrid("Title", columns,
            [.. new[] { "Pneumonia", "Pleural Effusion" }.Select(name =>
                (IReadOnlyList<string>)[name, .. Enumerable.Range(0, 7).Select(i => $"0.{i}00 [0.123, 0.456]")])], ["a note"]);
        var parts = grid.Fit(width);
        Assert.True(parts.Count > 1);
        foreach (var part in parts)
        {
            Assert.Equal("class", part.Columns[0]);
            Assert.All((part with { Title = "" }).Print(TableFormat.Text).Split('\n'), line => Assert.True(line.Length <= width, line));
        }

        Assert.Equal(columns[1..], parts.SelectMany(part => part.Columns.Skip(1)));
        Assert.Equal(grid.Rows[1].Skip(1), parts.SelectMany(part => part.Rows[1].Skip(1)));
        Assert.Equal(["a note"], parts.SelectMany(part => part.Notes));
        Assert.Same(grid, Assert.Single(grid.Fit(1000)));
        Assert.All(grid.Fit(width, names: 2), part => Assert.Equal(["class", "n"], part.Columns.Take(2)));
    }
}
