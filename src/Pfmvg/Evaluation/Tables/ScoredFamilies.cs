using System.Globalization;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Tables;

/// <summary>One protocol's scores of a set of answers, or why it cannot score them.</summary>
/// <param name="Protocol">The protocol.</param>
/// <param name="Table">The scores; null when there are none.</param>
/// <param name="Reason">Why there are none, as a clause; null when there are.</param>
internal sealed record ScoredFamily(Protocol Protocol, ScoreTable? Table, string? Reason);

/// <summary>One set of answers scored by one protocol, or by the field's families of protocols side by side.</summary>
/// <param name="All">The protocols in the order of the table.</param>
internal sealed record ScoredFamilies(IReadOnlyList<ScoredFamily> All)
{
    // What the literature compares under each protocol, and the figures that it prints.
    private static readonly (Protocol Protocol, string Family, (string Name, bool Mean, Metric Metric)[] Figures)[] Families =
    [
        (Protocol.SingleBox, "single box", [("mIoU", false, Metric.Iou), ("Acc@0.5", false, Metric.Accuracy50)]),
        (Protocol.Map50, "detection", [("mAP@0.5", true, Metric.AveragePrecision50)]),
        (Protocol.MaskThresholds, "heat maps", [("mIoU over 0.1..0.5", false, Metric.Iou), ("mean over classes", true, Metric.Iou)]),
        (Protocol.PhraseUnion, "sets of boxes", [("union IoU", false, Metric.Iou), ("union Dice", false, Metric.Dice)]),
        (Protocol.PfmvgBox, "one sample a box (the paper)",
            [("wIoU", false, Metric.Iou), ("mean IoU", true, Metric.Iou), ("wDice", false, Metric.Dice)]),
    ];

    /// <summary>The scores that a report shows: the default protocol's where it has any, else the first.</summary>
    public ScoreTable Main => Tables.FirstOrDefault(table => table.Options.Protocol == Protocol.PfmvgBox) ?? Tables.First();

    /// <summary>The scores that there are.</summary>
    public IEnumerable<ScoreTable> Tables => All.Select(one => one.Table).OfType<ScoreTable>();

    /// <summary>Scores answers by one protocol.</summary>
    public static ScoredFamilies One(ScoreTable table) => new([new ScoredFamily(table.Options.Protocol, table, null)]);

    /// <summary>Scores answers by every protocol that can score them.</summary>
    /// <param name="predictions">The answers.</param>
    /// <param name="options">The rules; each protocol takes those that it has.</param>
    /// <exception cref="InputException">No protocol can score them.</exception>
    public static ScoredFamilies Every(IReadOnlyList<Prediction> predictions, ScoringOptions options)
    {
        ScoredFamilies scored = new([.. Families.Select(family => Obstacle(predictions, family.Protocol) is { } reason
            ? new ScoredFamily(family.Protocol, null, reason)
            : new ScoredFamily(family.Protocol, Scorer.Score(predictions, For(family.Protocol, options)), null))]);
        return scored.Tables.Any() ? scored : throw new InputException(
            $"No protocol can score these answers: {string.Join("; ", scored.All.Select(one => $"{Name(one.Protocol)}: {one.Reason}"))}.");
    }

    /// <summary>The same scores, each table changed.</summary>
    public ScoredFamilies Each(Func<ScoreTable, ScoreTable> change) =>
        new([.. All.Select(one => one with { Table = one.Table is null ? null : change(one.Table) })]);

    /// <summary>The families side by side; none for one protocol alone.</summary>
    public IReadOnlyList<TextGrid> Side => All.Count > 1 ? [Grid()] : [];

    /// <summary>The options as one protocol has them.</summary>
    private static ScoringOptions For(Protocol protocol, ScoringOptions options) => options with
    {
        Protocol = protocol,
        Rule = protocol == Protocol.MaskThresholds ? AnswerRule.Raw : options.Rule,
        PlusOne = protocol != Protocol.MaskThresholds && options.PlusOne,
        InclusiveAccuracy = protocol != Protocol.Map50 && options.InclusiveAccuracy,
        HeatMapMayHaveHoles = protocol == Protocol.MaskThresholds && options.HeatMapMayHaveHoles,
    };

    /// <summary>Why a protocol cannot score the answers, as a clause; null when it can.</summary>
    private static string? Obstacle(IReadOnlyList<Prediction> predictions, Protocol protocol)
    {
        var asked = predictions.Where(prediction => prediction.Truth.Count > 0).ToList();
        var (maps, others) = (predictions.Count(answer => answer.HeatMap is not null),
            predictions.Count(answer => answer.Answer is not null || answer.Boxes is not null));
        if (asked.Count == 0) return "no phrase has a true box";
        if (protocol == Protocol.MaskThresholds)
            return maps == 0 ? "the answers hold no heat maps" : others > 0 ? $"{others} of the answers are boxes, not heat maps" : null;
        if (maps > 0) return $"{maps} of the answers are heat maps, which have no boxes";
        if (protocol == Protocol.SingleBox && !asked.GroupBy(answer => answer.PhraseKey)
                .Any(phrase => phrase.SelectMany(row => row.Truth).Distinct().Count() == 1))
            return "no phrase has exactly one true box";
        if (protocol != Protocol.Map50) return null;
        var unsure = predictions.Count(answer => AnswerReader.Read(answer, AnswerRule.Raw, single: false) is { Confidence: null } read
            && read.Boxes.Count + read.Dropped.Count > 0);
        return unsure > 0 ? $"{unsure} of the answers have boxes without a confidence, by which average precision sorts them" : null;
    }

    /// <summary>The families side by side, with the figures that the literature prints for each and their n.</summary>
    public TextGrid Grid()
    {
        List<IReadOnlyList<string>> rows = [];
        foreach (var (protocol, family, figures) in Families)
        {
            var scored = All.First(one => one.Protocol == protocol);
            if (scored.Table is not { } table) rows.Add([family, Name(protocol), "not computed", "-", "0"]);
            else foreach (var (name, mean, metric) in figures)
                rows.Add([family, Name(protocol), name, ScoreGrid.Cell((mean ? table.Mean : table.Weighted)[metric]), Counted(table)]);
        }

        return new TextGrid("One set of answers by each family of protocols", ["family", "protocol", "figure", "value", "n"], rows,
        [
            "Figures of different families are not comparable with each other. mIoU, union IoU and accuracy are means over the samples.",
            .. All.Where(one => one.Reason is not null).Select(one => $"{Name(one.Protocol)} is not computed: {one.Reason}."),
            .. Tables.SelectMany(ScoreGrid.Notes).Distinct(),
        ]) { Cite = [.. Tables.Select(Citation.Of)] };

        static string Counted(ScoreTable table) => string.Create(CultureInfo.InvariantCulture,
            $"{table.Weighted.Count} {(table.Options.Protocol is Protocol.PfmvgBox or Protocol.Map50 ? "boxes" : "phrases")}");
    }

    /// <summary>Every figure of every family as one document; a family without figures is a line that says why.</summary>
    public TidyTable Tidy()
    {
        if (All.Count == 1) return TidyTable.Of($"Scores, protocol {Main.Protocol.Name}", (null, Main));
        var tidy = TidyTable.Of("One set of answers by each family of protocols", [.. Tables.Select(table => ((string?)null, table))]);
        return tidy with
        {
            Rows = [.. All.SelectMany(one => one.Table is { } table ? TidyTable.RowsOf(table)
                : [new TidyRow("all", "not_computed", null, null, null, 0, Name(one.Protocol), one.Reason!)])],
            Notes = [.. Grid().Notes],
        };
    }

    private static string Name(Protocol protocol) => ProtocolDescription.Names[(int)protocol];
}
