using Pfmvg.Cli.Output;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Cli;

public sealed class ControlPrinterTests
{
    [Fact]
    public void Controls_are_lines_of_the_tidy_table_with_their_scores_differences_and_exchanged_phrases()
    {
        // Two phrases on each picture, so that they can be exchanged.
        var (own, blind) = (Paired(Answers.Varied(40, seed: 1)), Paired(Answers.Varied(40, seed: 2)));
        var model = Scorer.Score(own, new ScoringOptions { Resamples = 20 });
        var control = Scorer.Score(blind, model.Options);
        var result = new EvaluationResult(null!, own,
            new Dictionary<ControlCondition, IReadOnlyList<Prediction>> { [ControlCondition.Blind] = blind }, null!);
        var rows = ControlPrinter.Tidy(model, result, "both stages").ToList();
        Assert.Equal(["blind", "both stages - blind", "both stages"], rows.Select(row => row.Answers).Distinct());
        Assert.Equal(TidyTable.RowsOf(control, "blind"), rows.Where(row => row.Answers == "blind"));
        var difference = Comparison.Between(control, model).Rows[^1].Figures[Metric.Iou];
        var line = rows.Single(row => row is { Answers: "both stages - blind", Row: "weighted", Metric: "iou" });
        Assert.Equal((difference.Difference.Value, difference.Difference.Low), (line.Value, line.Low));
        Assert.Equal(PhraseSwap.Measure(own, model.Options)!.Moved.Value, rows.Single(row => row.Metric == "moved").Value);
    }

    [Fact]
    public void Without_controls_there_are_no_lines() => Assert.Empty(ControlPrinter.Tidy(
        Scorer.Score(Answers.Varied(10), new ScoringOptions { Resamples = 0 }),
        new EvaluationResult(null!, [], new Dictionary<ControlCondition, IReadOnlyList<Prediction>>(), null!)));

    private static List<Prediction> Paired(List<Prediction> answers) =>
        [.. answers.Select((answer, i) => answer with { Image = $"{i / 2}.png" })];
}
