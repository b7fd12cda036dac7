using System.Globalization;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Tables;

/// <summary>What a model and its controls reach in another task, laid out for print.</summary>
/// <param name="Task">The task.</param>
/// <param name="Answers">The model's figures first, then those of each control, by the names that are printed.</param>
/// <param name="Notes">What a reader must know beside the rules.</param>
internal sealed record TaskGrid(TaskPrompt Task, IReadOnlyList<(string Name, TaskMeasures Measures)> Answers, IReadOnlyList<string> Notes)
{
    private const string All = "weighted", Mean = "mean";

    /// <summary>One line for each measure: all questions together, the mean over the classes, and the controls.</summary>
    public TextGrid Grid
    {
        get
        {
            var model = Answers[0].Measures;
            var classes = model.Figures.Any(figure => figure.Row == Mean);
            return new TextGrid($"Task {Task.Name}",
                ["measure", "n", Answers[0].Name, .. classes ? (string[])["mean over the classes"] : [],
                    .. Answers.Skip(1).Select(control => control.Name)],
                [.. model.Figures.Where(figure => figure.Row == All).Select(figure => (IReadOnlyList<string>)[figure.Metric,
                    figure.N.ToString(CultureInfo.InvariantCulture), Cell(figure),
                    .. classes ? (string[])[Cell(Find(model, Mean, figure.Metric))] : [],
                    .. Answers.Skip(1).Select(control => Cell(Find(control.Measures, All, figure.Metric)))])],
                [.. model.Rules, .. Notes]);
        }
    }

    /// <summary>Every number, those of single classes included.</summary>
    public TidyTable Tidy(ScoringOptions options) => new(Grid.Title,
        [.. Answers.SelectMany(answers => answers.Measures.Figures.Select(figure => new TidyRow(figure.Row, figure.Metric, figure.Value,
            figure.Low, figure.High, figure.N, Task.Name, TidyTable.Rule(options), Answers.Count > 1 ? answers.Name : null)))],
        Grid.Notes, []);

    private static Figure? Find(TaskMeasures measures, string row, string metric) =>
        measures.Figures.FirstOrDefault(figure => figure.Row == row && figure.Metric == metric);

    private static string Cell(Figure? figure) => figure?.Value is not { } value ? "-"
        : ScoreGrid.Cell(new Estimate(value, figure.Low ?? double.NaN, figure.High ?? double.NaN));
}
