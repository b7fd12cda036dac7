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

    /// <summary>Audits, where that is wanted, and prints the tables; gives the exit code and the tables.</summary>
    /// <param name="wanted">Whether it is.</param>
    /// <param name="answers">Truth and answers.</param>
    /// <param name="table">Their scores, for the rules.</param>
    /// <param name="format">How to print.</param>
    /// <param name="score">What is audited; null is our own scorer.</param>
    public static (int Code, IReadOnlyList<TextGrid> Tables) Print(
        bool wanted, IReadOnlyList<Prediction> answers, ScoreTable table, TableFormat format, Audit.Score? score = null)
    {
        if (!wanted) return (ExitCode.Success, []);
        var audit = Audit.Of(answers, table.Options, score);
        foreach (var grid in AuditGrid.Print(audit, tidy: format is TableFormat.Csv or TableFormat.Json)) GridPrinter.Print(grid, format);
        return (audit.Passed ? ExitCode.Success : ExitCode.Failure, AuditGrid.Print(audit, tidy: false));
    }
}
