using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Auditing;

/// <summary>One figure before and after a change.</summary>
/// <param name="Metric">The figure.</param>
/// <param name="Before">Of the row over all classes that is shown.</param>
/// <param name="After">The same after the change.</param>
/// <param name="Wrong">The first row in which the figure did not do what it must; null when it did in all.</param>
internal sealed record AuditFigure(Metric Metric, double Before, double After, string? Wrong);

/// <summary>The figures of one change under one protocol.</summary>
internal sealed record AuditResult(AuditCase Case, IReadOnlyList<AuditFigure> Figures)
{
    /// <summary>Every figure did what it must.</summary>
    public bool Passed => Figures.All(figure => figure.Wrong is null);
}

/// <summary>
/// Whether the figures move as they must: truth and answers are changed in known ways, scored again, and compared with what follows from
/// the change alone.
/// </summary>
/// <param name="Protocols">The results under each protocol that the answers allow.</param>
/// <param name="Notes">What was not tried, and why.</param>
internal sealed record Audit(
    IReadOnlyList<(ProtocolDescription Protocol, IReadOnlyList<AuditResult> Results)> Protocols, IReadOnlyList<string> Notes)
{
    /// <summary>Scores predictions under a protocol.</summary>
    public delegate ScoreTable Score(IReadOnlyList<Prediction> predictions, ScoringOptions options);

    /// <summary>Every figure of every protocol did what it must.</summary>
    public bool Passed => Protocols.All(protocol => protocol.Results.All(result => result.Passed));

    /// <summary>Audits the scores of some answers.</summary>
    /// <param name="predictions">Truth and answers.</param>
    /// <param name="options">How they are scored; the protocol is every one that the answers allow.</param>
    /// <param name="score">What is audited; null is our own scorer.</param>
    public static Audit Of(IReadOnlyList<Prediction> predictions, ScoringOptions options, Score? score = null)
    {
        score ??= Scorer.Score;
        List<(ProtocolDescription, IReadOnlyList<AuditResult>)> results = [];
        List<string> notes = [];
        using var maps = new AuditMaps();
        var areMaps = predictions.Any(row => row.HeatMap is not null);
        foreach (var protocol in Enum.GetValues<Protocol>().Where(protocol => protocol == Protocol.MaskThresholds == areMaps))
        {
            var rules = options with { Protocol = protocol, Resamples = 0 };
            if (protocol == Protocol.SingleBox && predictions.Where(row => row.Truth.Count > 0).GroupBy(row => row.PhraseKey)
                .All(same => same.SelectMany(row => row.Truth).Distinct().Count() > 1))
            {
                notes.Add("single-box is left out: no phrase has exactly one true box.");
                continue;
            }

            var cases = areMaps ? maps.Cases(predictions, rules, notes.Add) : AuditBoxes.Cases(predictions, rules, notes.Add);
            results.Add((ProtocolDescription.Describe(rules), [.. cases.Select(change => Try(change, rules, score))]));
        }

        return new Audit(results, [.. notes.Distinct()]);
    }

    private static AuditResult Try(AuditCase change, ScoringOptions options, Score score)
    {
        var (before, after) = (score(change.Before, options), score(change.After, options));
        var earlier = before.Classes.ToDictionary(row => row.Name);
        List<(ScoreRow Old, ScoreRow New, string? Class)> rows =
        [
            .. after.Classes.Where(row => earlier.ContainsKey(row.Name)).Select(row => (earlier[row.Name], row, row.Name)),
            (before.Mean, after.Mean, null), (before.Weighted, after.Weighted, null),
        ];
        var shown = rows[options.Protocol == Protocol.Map50 ? ^2 : ^1]; // average precision is reported as the mean over the classes
        return new AuditResult(change, [.. after.Metrics.Select(metric => new AuditFigure(metric, shown.Old[metric].Value,
            shown.New[metric].Value, rows.Where(row => !change.Holds(metric, row.Class, row.New == after.Mean, row.Old[metric].Value,
                row.New[metric].Value, options)).Select(row => row.New.Name).FirstOrDefault()))]);
    }
}
