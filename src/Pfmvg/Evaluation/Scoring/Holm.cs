namespace Pfmvg.Evaluation.Scoring;

/// <summary>Holm's step-down correction: with it, one p value below 0.05 among true null hypotheses is no likelier than 5 %.</summary>
internal static class Holm
{
    /// <summary>The corrected p values in the order of the raw ones; NaN where there are none.</summary>
    public static double[] Adjust(ReadOnlySpan<double> p)
    {
        var values = p.ToArray();
        var order = Enumerable.Range(0, values.Length).OrderBy(i => values[i]).ToArray();
        var (adjusted, largest) = (new double[values.Length], 0.0);
        for (var rank = 0; rank < order.Length; rank++)
            adjusted[order[rank]] = largest = Math.Max(largest, Math.Min(1, values[order[rank]] * (order.Length - rank)));
        return adjusted;
    }
}
