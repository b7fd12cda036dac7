using System.Globalization;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Comparing;

/// <summary>Several methods on the same questions: their pairs, with p values corrected for how many comparisons there are.</summary>
/// <param name="Names">The methods' letters, A and so on.</param>
/// <param name="Tables">Their scores.</param>
/// <param name="Pairs">Who is compared with whom, as places in the list.</param>
internal sealed record MethodComparison(
    IReadOnlyList<string> Names, IReadOnlyList<ScoreTable> Tables, IReadOnlyList<(int A, int B, Comparison Comparison)> Pairs)
{
    /// <summary>More than this have no letters, and their pairs no table that anybody reads.</summary>
    public const int Most = 26;

    /// <summary>What was left out before the scores; null for nothing.</summary>
    public string? LeftOut { get; init; }

    private ScoreTable First => Tables[0];

    private int Classes => First.Classes.Count;

    /// <summary>Compares every pair, or each method with the first one.</summary>
    /// <exception cref="InputException">The tables have other rules or other samples.</exception>
    public static MethodComparison Between(IReadOnlyList<ScoreTable> tables, bool withFirst)
    {
        var names = Enumerable.Range(0, tables.Count).Select(i => ((char)('A' + i)).ToString()).ToList();
        return new MethodComparison(names, tables,
        [
            .. from a in Enumerable.Range(0, withFirst ? 1 : tables.Count)
               from b in Enumerable.Range(a + 1, tables.Count - a - 1)
               select (a, b, Comparison.Between(tables[a], tables[b], (names[a], names[b]))),
        ]);
    }

    /// <summary>
    /// The p values of a figure with Holm's correction, as [row][pair]: over the pairs in a summary row, over all pairs and classes in
    /// the classes.
    /// </summary>
    public double[][] Adjusted(Metric metric)
    {
        double[] Raw(int row) => [.. Pairs.Select(pair => pair.Comparison.Rows[row].Figures[metric].P)];
        var classes = Holm.Adjust([.. Enumerable.Range(0, Classes).SelectMany(Raw)]);
        return [.. classes.Chunk(Pairs.Count), Holm.Adjust(Raw(Classes)), Holm.Adjust(Raw(Classes + 1))];
    }

    /// <summary>One figure of every method.</summary>
    public TextGrid Figures(Metric metric, IReadOnlyList<string> files) => new(
        $"{ScoreGrid.Label(metric)} of {Tables.Count} sets", ["class", "n", .. Names],
        [.. Enumerable.Range(0, Classes + 2).Select(r => (IReadOnlyList<string>)[
            Row(First, r).Name, Text(Row(First, r).Count), .. Tables.Select(table => Cell(Row(table, r), metric))])],
        [
            .. Names.Zip(files).Select(set => $"{set.First}: {set.Second}"),
            $"Protocol {First.Protocol.Name}; n = {First.Phrases} phrases, {First.Boxes} boxes. " +
                $"Several boxes: {First.Protocol.MultiBox}. Failures: {First.Protocol.Failure}.",
        ]);

    /// <summary>The differences of one figure, a line for every class and pair.</summary>
    public TextGrid Differences(Metric metric)
    {
        var adjusted = Adjusted(metric);
        var resamples = First.Options.Resamples.ToString("N0", CultureInfo.InvariantCulture);
        return new TextGrid($"Differences of {ScoreGrid.Label(metric)}", ["class", "pair", "n", "difference", "p", "p (Holm)"],
            [
                .. from r in Enumerable.Range(0, Classes + 2)
                   from p in Enumerable.Range(0, Pairs.Count)
                   let pair = Pairs[p]
                   let row = pair.Comparison.Rows[r]
                   let d = row.Figures[metric]
                   select (IReadOnlyList<string>)[row.Name, $"{Names[pair.B]} - {Names[pair.A]}", Text(row.Count),
                       Comparison.Signed(d.Difference), Comparison.Probability(d.P), Comparison.Probability(adjusted[r][p])],
            ],
            [
                $"Intervals: 95 %, {resamples} bootstrap resamples of {First.Clusters} {First.ClusterKind}s, all sets drawn together, "
                    + $"seed {First.Options.Seed}, {ScoringRules.Method(First.Options.Intervals)}; not corrected.",
                $"p: two-sided, {resamples} random exchanges of the pair within {First.ClusterKind}s. Holm's correction is over "
                    + $"the {Pairs.Count} pairs in mean and weighted, and over the {Pairs.Count * Classes} pairs of all classes in the "
                    + "classes; it is made for each figure by itself.",
                .. LeftOut is null ? (string[])[] : [LeftOut],
                .. First.Notes,
            ]);
    }

    /// <summary>Everything as one document: the figures of each set, and the differences of the pairs with both p values.</summary>
    public TidyTable Tidy() => new(
        $"Paired differences of {Tables.Count} sets",
        [
            .. Names.Zip(Tables).SelectMany(set => TidyTable.RowsOf(set.Second, set.First)),
            .. from metric in Comparison.MetricsOf(First)
               let adjusted = Adjusted(metric)
               from p in Enumerable.Range(0, Pairs.Count)
               let pair = $"{Names[Pairs[p].B]} - {Names[Pairs[p].A]}"
               from row in TidyComparison.Rows(Pairs[p].Comparison, Names[Pairs[p].A], Names[Pairs[p].B])
               where row.Answers == pair && row.Metric.StartsWith(ScoreGrid.Key(metric), StringComparison.Ordinal)
                   && !row.Metric.EndsWith("_holm", StringComparison.Ordinal)
               from line in row.Metric == $"{ScoreGrid.Key(metric)}_p"
                   ? [row, row with { Metric = $"{row.Metric}_holm", Value = adjusted[Place(row.Row)][p] }]
                   : row.Metric == ScoreGrid.Key(metric) ? (TidyRow[])[row] : []
               select line,
        ],
        [.. Differences(Comparison.MetricsOf(First)[0]).Notes], [.. Tables.Select(Citation.Of)]);

    private int Place(string row) => Enumerable.Range(0, Classes + 2).First(at => Row(First, at).Name == row);

    /// <summary>The classes, then mean and weighted.</summary>
    internal static ScoreRow Row(ScoreTable table, int at) =>
        at < table.Classes.Count ? table.Classes[at] : at == table.Classes.Count ? table.Mean : table.Weighted;

    private static string Cell(ScoreRow row, Metric metric) => row.Valid == 0 ? "-" : ScoreGrid.Figure(row[metric].Value);

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
