using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Tables;

public sealed class PublishedResultsTests
{
    private static readonly PublishedResults Published = PublishedResults.Load();

    [Fact]
    public void Every_figure_names_its_source_with_title_year_and_place()
    {
        Assert.All(Published.Results, result => Assert.Contains(Published.Sources, source => source.Key == result.Source));
        Assert.All(Published.Sources, source => Assert.True(
            source is { Title.Length: > 10, Year: > 2020, Where.Length: > 5, Id.Length: > 5 }, source.Key));
        Assert.All(Published.Results,
            result => Assert.True(result.Value is > 0 && (result.Value < 1 || result.Metric == "cnr"), result.Work));
        Assert.All(Published.Results, result => Assert.Contains(result.Protocol, ProtocolDescription.Names));
        string[] works = ["BioViL", "GLoRIA", "MedKLIP", "MSLL", "MedRPG", "ClueGround", "AGPT", "MAIRA-2", "RadVLM", "PFMVG"];
        foreach (var work in works)
            Assert.Contains(Published.Results, result => result.Work.Contains(work, StringComparison.Ordinal));
    }

    [Fact]
    public void The_paper_s_figures_are_those_of_its_tables()
    {
        var tables = PublishedScores.Load();
        foreach (var result in Published.Results.Where(result => result.Source == "pfmvg"))
        {
            var row = (result.Metric == "dice" ? tables.Dice : tables.Iou)[result.Work.Split(' ')[0]];
            Assert.Equal(result.Row == "mean" ? row.Mean : row.Weighted, result.Value);
        }
    }

    [Fact]
    public void Each_is_marked_comparable_or_not_and_says_why()
    {
        var scored = ScoredFamilies.One(
            Scorer.Score(Answers.Varied(300), new ScoringOptions { Protocol = Protocol.SingleBox, Resamples = 0 }));
        var ours = scored.Main;
        var clue = Published.Results.Single(result => result is { Work: "ClueGround", Label: "mIoU" });
        Assert.Equal($"no: other samples (163 there, {ours.Phrases} here), {clue.Samples}", clue.Comparable(ours));
        Assert.StartsWith("only if the 163 phrases are the same", clue.Comparable(ours with { Phrases = 163 }), StringComparison.Ordinal);
        var radvlm = Published.Results.First(result => result.Work.StartsWith("RadVLM", StringComparison.Ordinal));
        Assert.Equal("no: by map50, which is not scored here", radvlm.Comparable(null));
        Assert.StartsWith("no: average precision per picture", radvlm.Comparable(ours with { Phrases = 189 }), StringComparison.Ordinal);

        var row = Published.Grid(scored).Rows.First(row => row[0] == "ClueGround");
        Assert.Equal(["single-box", "mIoU", "0.554", "163", ScoreGrid.Figure(ours.Weighted[Metric.Iou].Value)], row.Skip(1).Take(5));
        var lines = StrictCsv.Read((scored.Tidy() with { Rows = [.. Published.Rows(scored)] }).ToCsv());
        Assert.Equal(Published.Results.Count, lines.Count);
        Assert.All(lines, line => Assert.Contains("source: ", line["rule"], StringComparison.Ordinal));
        Assert.Equal("", lines.First(line => line["answers"] == "AGPT (published)")["n"]);
    }
}
