namespace Pfmvg.Evaluation.Tables;

/// <summary>A paired comparison as lines of a tidy table: both figures, their difference with its interval, and the p values.</summary>
internal static class TidyComparison
{
    /// <summary>The comparison as one document.</summary>
    public static TidyTable Of(Comparison comparison, string a = "A", string b = "B") => new(
        $"{b} - {a}, paired",
        [.. Rows(comparison, a, b)],
        [.. comparison.Grid().Notes],
        [.. new[] { comparison.Tables.A, comparison.Tables.B }.Select(Citation.Of)]);

    /// <summary>Its lines. The metric of a p value is its figure's with <c>_p</c>, after Holm's correction <c>_p_holm</c>.</summary>
    /// <param name="comparison">The comparison.</param>
    /// <param name="a">Name of the first answers.</param>
    /// <param name="b">Name of the second answers.</param>
    public static IEnumerable<TidyRow> Rows(Comparison comparison, string a = "A", string b = "B")
    {
        var table = comparison.Tables.B;
        var (first, difference) = (comparison.Tables.A, $"{b} - {a}");
        for (var r = 0; r < comparison.Rows.Count; r++)
        {
            var row = comparison.Rows[r];
            foreach (var (metric, paired) in row.Figures)
            {
                var key = ScoreGrid.Key(metric);
                yield return Line(key, paired.A, null, null, a);
                yield return Line(key, paired.B, null, null, b);
                yield return Line(key, paired.Difference.Value, paired.Difference.Low, paired.Difference.High, difference);
                yield return Line($"{key}_p", paired.P, null, null, difference);
                if (r < comparison.Rows.Count - 2) yield return Line($"{key}_p_holm", paired.Adjusted, null, null, difference);
            }

            // Boxes beside maps have two, and so has their difference.
            string Both(string answers, Func<Scoring.ScoreTable, string> name) => !comparison.IsMixed || answers == b ? name(table)
                : answers == a ? name(first) : $"{name(table)} - {name(first)}";

            TidyRow Line(string metric, double value, double? low, double? high, string answers) =>
                new(row.Name, metric, value, low, high, row.Count, Both(answers, table => table.Protocol.Name),
                    Both(answers, table => TidyTable.Rule(table.Options)), answers);
        }
    }
}
