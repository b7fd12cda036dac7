using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Tables;

public sealed class ScoredFamiliesTests : IDisposable
{
    private static readonly ScoringOptions Options = new() { Resamples = 20 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Each_protocol_gives_what_it_gives_alone()
    {
        var answers = Answers.Varied(120);
        var scored = ScoredFamilies.Every(answers, Options);
        Assert.Equal(Enum.GetValues<Protocol>().Length, scored.All.Count);
        foreach (var one in scored.All.Where(one => one.Table is not null))
        {
            var alone = Scorer.Score(answers, Options with { Protocol = one.Protocol });
            Assert.Equal(TidyTable.Of("t", (null, alone)).ToCsv(), TidyTable.Of("t", (null, one.Table!)).ToCsv());
        }

        Assert.Equal([Protocol.SingleBox, Protocol.Map50, Protocol.PhraseUnion, Protocol.PfmvgBox],
            scored.Tables.Select(table => table.Options.Protocol));
        Assert.Equal(Protocol.PfmvgBox, scored.Main.Options.Protocol);
        var grid = scored.Grid();
        var single = scored.Tables.First();
        Assert.Equal(["single box", "single-box", "mIoU", ScoreGrid.Cell(single.Weighted[Metric.Iou]), $"{single.Phrases} phrases"],
            grid.Rows[0]);
        Assert.Equal(scored.Tables.Count(), grid.Cite.Count);
    }

    [Fact]
    public void A_family_that_cannot_be_computed_is_named_with_its_reason()
    {
        var scored = ScoredFamilies.Every([Answers.WithIou("a", 0.5), Answers.WithIou("b", 0.2)], Options); // boxes without confidences
        Assert.Equal("the answers hold no heat maps", Reason(scored, Protocol.MaskThresholds));
        Assert.StartsWith("2 of the answers have boxes without a confidence", Reason(scored, Protocol.Map50), StringComparison.Ordinal);
        var lines = StrictCsv.Read(scored.Tidy().ToCsv()).FindAll(line => line["metric"] == "not_computed");
        Assert.Equal(["map50", "mask-thresholds"], lines.Select(line => line["protocol"]));
        Assert.All(lines, line => Assert.Equal(("", "0"), (line["value"], line["n"])));
        Assert.Contains($"map50 is not computed: {Reason(scored, Protocol.Map50)}.", scored.Grid().Notes);

        var pair = Answers.Make("c", [new Box(1, 1, 9, 9), new Box(20, 20, 40, 40)], [new Box(1, 1, 9, 9)]);
        Assert.Equal("no phrase has exactly one true box", Reason(ScoredFamilies.Every([pair], Options), Protocol.SingleBox));
    }

    [Fact]
    public void Heat_maps_are_scored_by_their_own_family_only_and_by_its_own_rules()
    {
        HeatMap.Write(_folder.In("a.npy"), [0.9f, 0f, 0f, 0f], rows: 2, columns: 2);
        var answer = Answers.Make("a", [new Box(0, 0, 500, 500)], []) with { Boxes = null, HeatMap = _folder.In("a.npy") };
        var scored = ScoredFamilies.Every([answer], Options with { PlusOne = true, Rule = AnswerRule.Strict, HeatMapMayHaveHoles = true });
        Assert.Equal([Protocol.MaskThresholds], scored.Tables.Select(table => table.Options.Protocol));
        Assert.Equal(1, scored.Main.Weighted[Metric.Iou].Value);
        Assert.Equal("nan-outside", scored.Tidy().Rows.First(row => row.Metric == "iou").Rule);
        Assert.Equal("1 of the answers are heat maps, which have no boxes", Reason(scored, Protocol.PfmvgBox));

        var mixed = ScoredFamilies.Every([answer, Answers.WithIou("b", 0.5) with { Boxes = null }], Options); // the second has no answer
        Assert.Equal(0.5, mixed.Main.Weighted[Metric.Iou].Value);
        var refused = Assert.Throws<InputException>(() => ScoredFamilies.Every([answer, Answers.WithIou("b", 0.5)], Options));
        Assert.Contains("mask-thresholds: 1 of the answers are boxes, not heat maps", refused.Message, StringComparison.Ordinal);
    }

    private static string? Reason(ScoredFamilies scored, Protocol protocol) => scored.All.Single(one => one.Protocol == protocol).Reason;
}
