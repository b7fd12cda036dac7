using Pfmvg.Cli.Process;
using Pfmvg.Evaluation.Auditing;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Cli.Output;

/// <summary>The audit behind the scores.</summary>
internal static class AuditPrinter
{
    public const string Description = "Also audit the scores: change truth and answers in known ways (move, swap corners, drop, enlarge, "
        + "exchange, reorder) and show, for every protocol that the answers allow, that the figures move as they must. If one does not, "
        + "the exit code is 1.";

    /// <summary>Audits, where that is wanted.</summary>
    /// <param name="wanted">Whether it is.</param>
    /// <param name="answers">Truth and answers.</param>
    /// <param name="table">Their scores, for the rules.</param>
    /// <param name="score">What is audited; null is our own scorer.</param>
    public static AuditPart Run(bool wanted, IReadOnlyList<Prediction> answers, ScoreTable table, Audit.Score? score = null)
    {
        if (!wanted) return new AuditPart(ExitCode.Success, [], () => []);
        var audit = Audit.Of(answers, table.Options, score);
        return new AuditPart(audit.Passed ? ExitCode.Success : ExitCode.Failure, AuditGrid.Print(audit), () => AuditGrid.Rows(audit));
    }
}

/// <summary>An audit as it is printed.</summary>
/// <param name="Code">The exit code.</param>
/// <param name="Grids">The tables.</param>
/// <param name="Rows">Their numbers.</param>
internal sealed record AuditPart(int Code, IReadOnlyList<TextGrid> Grids, Func<IEnumerable<TidyRow>> Rows) : PrintedPart(Grids, Rows);
