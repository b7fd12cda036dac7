using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Cli.Output;

/// <summary>A part of a command's result: tables for people, lines of the tidy table for programs.</summary>
/// <param name="Grids">The tables.</param>
/// <param name="Rows">Their numbers.</param>
internal record PrintedPart(IReadOnlyList<TextGrid> Grids, Func<IEnumerable<TidyRow>> Rows);

/// <summary>Prints the scores of one set of answers, beside published figures where they are asked for.</summary>
internal static class ScorePrinter
{
    /// <summary>Refuses baselines that there are not, or not under a protocol.</summary>
    /// <param name="baselines">What the user wrote; null for none.</param>
    /// <param name="protocol">How answers are scored.</param>
    /// <param name="names">What there is.</param>
    public static void CheckBaselines(string? baselines, Protocol protocol, params string[] names)
    {
        if (baselines is not null && !names.Contains(baselines))
            throw new InputException($"--baselines {baselines}: there are no such baselines; use {string.Join(" or ", names)}.");
        if (baselines == "paper" && protocol == Protocol.Map50)
            throw new InputException("--baselines paper is in IoU and Dice, which --protocol map50 does not have; leave it out, or "
                + "choose another --protocol.");
    }

    /// <summary>The tables, or one document with every number for programs.</summary>
    /// <param name="scored">The scores.</param>
    /// <param name="format">How to print them.</param>
    /// <param name="baselines">"paper", "published", or null.</param>
    /// <param name="further">Tables of further figures, whose numbers the scores hold.</param>
    /// <param name="parts">What else stands below.</param>
    public static void Print(ScoredFamilies scored, TableFormat format, string? baselines, IReadOnlyList<TextGrid> further,
        params PrintedPart[] parts)
    {
        GridPrinter.Print(format, Tidy, [.. Grids(), .. further, .. parts.SelectMany(part => part.Grids)]);

        IEnumerable<TextGrid> Grids()
        {
            if (scored.All.Count > 1) yield return scored.Grid();
            else if (baselines != "paper" || format == TableFormat.Text)
                yield return ScoreGrid.PerClass(scored.Main, allMetrics: format is not TableFormat.Text);
            if (baselines == "published") yield return PublishedResults.Load().Grid(scored);
            if (baselines != "paper") yield break;
            foreach (var metric in (Metric[])[Metric.Iou, Metric.Dice])
                yield return PaperGrid.Methods(metric, [("this run", scored.Main)], withPublished: true);
        }

        TidyTable Tidy()
        {
            var tidy = scored.Tidy();
            var published = baselines == "published" ? PublishedResults.Load().Rows(scored)
                : baselines == "paper" ? PaperGrid.Rows(ablation: false) : [];
            List<TidyRow> others = [.. published, .. parts.SelectMany(part => part.Rows())];
            if (others.Count == 0) return tidy;
            var own = parts.Any(part => part.Grids.Count > 0) ? "model" : "this run";
            return tidy with { Rows = [.. tidy.Rows.Select(row => row with { Answers = own }), .. others] };
        }
    }
}
