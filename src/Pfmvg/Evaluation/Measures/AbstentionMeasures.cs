using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Measures;

/// <summary>The answer to a phrase that names nothing in its picture.</summary>
/// <param name="Answer">Question and answer, without a true box.</param>
/// <param name="Kind">Where the phrase comes from, as it is printed.</param>
internal sealed record AnsweredNegative(Prediction Answer, string Kind);

/// <summary>How well a model tells phrases that name something in the picture from those that name nothing. Never part of wIoU.</summary>
internal static class AbstentionMeasures
{
    /// <summary>Share of negatives that are answered by no box.</summary>
    public const string Sensitivity = "abstention_sensitivity";

    /// <summary>Share of phrases with a true box that are answered by one.</summary>
    public const string Specificity = "abstention_specificity";

    /// <summary>Mean number of boxes in the answer to a negative.</summary>
    public const string FalseBoxes = "false_boxes";

    private const string ByKind = "kind=";

    /// <summary>A kind of negative as it is printed.</summary>
    public static string Name(NegativeKind kind) => kind switch
    {
        NegativeKind.OtherPhrase => "another patient's phrase",
        NegativeKind.NormalSentence => "normal sentence",
        _ => "absent class",
    };

    /// <summary>The figures, with intervals from draws of patients (or pictures) that take their phrases of both sorts together.</summary>
    /// <param name="predictions">Answers to phrases with a true box; others are passed over.</param>
    /// <param name="negatives">Answers to phrases that name nothing.</param>
    /// <param name="options">How answers are read, resamples and seed.</param>
    public static IReadOnlyList<Figure> Of(
        IReadOnlyList<Prediction> predictions, IReadOnlyList<AnsweredNegative> negatives, ScoringOptions options)
    {
        var kinds = negatives.DistinctBy(negative => negative.Answer.PhraseKey)
            .ToDictionary(negative => negative.Answer.PhraseKey, negative => negative.Kind);
        var absent = AnsweredPhrase.Read([.. negatives.Select(negative => negative.Answer)], options);
        var present = AnsweredPhrase.Read([.. predictions.Where(prediction => prediction.Truth.Count > 0)], options);
        var clusters = present.Concat(absent).Select(phrase => phrase.Sample.Cluster).Distinct().Order(StringComparer.Ordinal)
            .Index().ToDictionary(cluster => cluster.Item, cluster => cluster.Index);
        var classes = present.Concat(absent).Select(ClassOf).Distinct().Order(StringComparer.Ordinal).ToList();
        var names = kinds.Values.Distinct().Order(StringComparer.Ordinal).ToList();
        var ofClasses = MeasureTable.Figures(classes,
        [
            Column(Sensitivity, absent, classes, ClassOf, SetMeasures.NoTarget),
            Column(Specificity, present, classes, ClassOf, SetMeasures.Target),
            Column(FalseBoxes, absent, classes, ClassOf, phrase => (phrase.Boxes, 1)),
        ], clusters.Count, options);
        var ofKinds = MeasureTable.Figures(names,
        [
            Column(Sensitivity, absent, names, KindOf, SetMeasures.NoTarget),
            Column(FalseBoxes, absent, names, KindOf, phrase => (phrase.Boxes, 1)),
        ], clusters.Count, options);
        return [.. ofClasses, .. ofKinds.Where(figure => names.Contains(figure.Row))
            .Select(figure => figure with { Row = ByKind + figure.Row })];

        string KindOf(AnsweredPhrase phrase) => kinds[phrase.Sample.Prediction.PhraseKey];
        static string ClassOf(AnsweredPhrase phrase) => phrase.Sample.Prediction.Class;

        Measure Column(string name, List<AnsweredPhrase> phrases, List<string> rows, Func<AnsweredPhrase, string> rowOf,
            Func<AnsweredPhrase, (double Sum, int Units)> part) => new(name, [.. rows.Select(row =>
            {
                var members = phrases.FindAll(phrase => rowOf(phrase) == row);
                var parts = members.ConvertAll(member => part(member));
                return new RatioStatistic([.. parts.Select(p => p.Sum)], [.. parts.Select(p => p.Units)],
                    [.. members.Select(member => clusters[member.Sample.Cluster])]);
            })]);
    }

    /// <summary>The row of a kind of negative; null for other rows.</summary>
    public static string? KindOf(Figure figure) =>
        figure.Row.StartsWith(ByKind, StringComparison.Ordinal) ? figure.Row[ByKind.Length..] : null;

    /// <summary>How many answers to phrases with a true box say that nothing is there.</summary>
    public static int SayNothing(IEnumerable<Prediction> answers) =>
        answers.Count(answer => answer.Answer is { } text && BoxCodec.SaysNothing(text));
}
