using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Measures;

/// <summary>What answers to another task than the place of a phrase are worth.</summary>
/// <param name="Figures">Of each class, the mean over the classes, and all questions together ("weighted").</param>
/// <param name="Rules">How they are defined, in sentences.</param>
internal sealed record TaskMeasures(IReadOnlyList<Figure> Figures, IReadOnlyList<string> Rules)
{
    private const double Half = 0.5;

    private static readonly string[] OfReports =
    [
        "text_f1: harmonic mean of the shares of the answer's and the report's words that are in the other one.",
        "grounded_iou, grounded_f1@0.5: the answer's phrases with boxes and the report's are paired one to one where at least half of "
            + "their words agree (F1); summed IoU of the best pairing over the larger of both numbers, and F1 of pairs with IoU >= 0.5. "
            + "Two texts without boxes count 1.",
    ];

    private static readonly string[] OfPlaces =
    [
        "phrase_exact: share of answers that are the phrase word by word; token_f1: harmonic mean of the shares of both texts' words that "
            + "are in the other one.",
        "class_accuracy: the answer's class, which is that of the training phrase whose words agree most, is the box's.",
    ];

    /// <summary>Measures the answers to a task.</summary>
    /// <param name="task">The task.</param>
    /// <param name="asked">The questions with the answers.</param>
    /// <param name="known">Phrases whose classes are known: the training split.</param>
    /// <param name="options">How boxes are read, resamples and seed.</param>
    public static TaskMeasures Of(
        SampleTask task, IReadOnlyList<(Sample Question, Prediction Answer)> asked, IEnumerable<Sample> known, ScoringOptions options)
    {
        switch (task)
        {
            case SampleTask.Identify: return OfClasses(asked, new PhraseClasses(known), options);
            case SampleTask.Grounding:
                var texts = Table(asked, ["all"], _ => "all", options,
                    ("text_f1", pair => (Words.F1(Words.Of(Read(pair.Answer).Plain), Words.Of(pair.Question.Text)), 1)),
                    ("grounded_iou", pair => (Pairs(pair, options, iou => iou).Share, 1)),
                    ("grounded_f1@0.5", pair => (Pairs(pair, options, iou => iou > Half - TableStatistics.Rounding ? 1 : 0).F1, 1)));
                var boxes = Boxes("regions@0.5");
                return new TaskMeasures([.. texts.Concat(boxes.Figures).Where(figure => figure.Row == "weighted")],
                    [.. OfReports, .. boxes.Rules, Unended(asked)]);
            default: return Boxes("boxes,set@0.5,map@0.5");
        }

        TaskMeasures Boxes(string measures)
        {
            var requests = MeasureRequest.Parse(measures, Protocol.PfmvgBox);
            IReadOnlyList<Prediction> answers = [.. asked.Select(pair => pair.Answer)];
            if (answers.All(answer => answer.Truth.Count == 0)) return new TaskMeasures([], []); // reports without any box
            var table = Scorer.Score(answers, options with { Resamples = 0 }) with { Options = options };
            var figures = FurtherMeasures.Of(table, answers, requests);
            return new TaskMeasures(figures, [.. requests.Select(request => $"{request.Rule}.").Distinct()]);
        }
    }

    private static TaskMeasures OfClasses(
        IReadOnlyList<(Sample Question, Prediction Answer)> asked, PhraseClasses classes, ScoringOptions options)
    {
        var known = asked.Where(pair => pair.Question.Class is not null).ToList();
        var names = asked.Select(pair => pair.Question.Class ?? "").Distinct().ToHashSet();
        var figures = Table(asked,
            [.. Scorer.ClassOrder.Where(names.Contains), .. names.Except(Scorer.ClassOrder).Order(StringComparer.Ordinal)],
            question => question.Class ?? "", options,
            ("phrase_exact", pair => (Words.AreSame(Words.Of(pair.Answer.Answer ?? ""), Words.Of(pair.Question.Text)) ? 1 : 0, 1)),
            ("token_f1", pair => (Words.F1(Words.Of(pair.Answer.Answer ?? ""), Words.Of(pair.Question.Text)), 1)),
            ("class_accuracy", pair =>
                pair.Question.Class is not { } name ? (0, 0) : (classes.Of(pair.Answer.Answer ?? "") == name ? 1 : 0, 1)));
        var own = known.Count(pair => classes.Of(pair.Question.Text) == pair.Question.Class);
        return new TaskMeasures(figures, known.Count == 0 ? OfPlaces
            : [.. OfPlaces,
                FormattableString.Invariant($"By that rule the true phrases themselves reach {(double)own / known.Count:0.000}.")]);
    }

    private static IReadOnlyList<Figure> Table(IReadOnlyList<(Sample Question, Prediction Answer)> asked, IReadOnlyList<string> rows,
        Func<Sample, string> rowOf, ScoringOptions options,
        params (string Name, Func<(Sample Question, Prediction Answer), (double Sum, int Units)> Part)[] measures)
    {
        var clusters = asked.Select(pair => ClusterOf(pair.Answer)).Distinct().Order(StringComparer.Ordinal)
            .Index().ToDictionary(cluster => cluster.Item, cluster => cluster.Index);
        var members = rows.Select(row => asked.Where(pair => rowOf(pair.Question) == row).ToList()).ToList();
        return MeasureTable.Figures(rows, [.. measures.Select(measure => new Measure(measure.Name, [.. members.Select(own =>
        {
            var parts = own.ConvertAll(pair => measure.Part(pair));
            return new RatioStatistic([.. parts.Select(part => part.Sum)], [.. parts.Select(part => part.Units)],
                [.. own.Select(pair => clusters[ClusterOf(pair.Answer)])]);
        })]))], clusters.Count, options);
    }

    private static string ClusterOf(Prediction answer) => answer.Patient is { } patient ? $"patient {patient}" : $"picture {answer.Image}";

    private static GroundedText Read(Prediction answer) => GroundedText.Parse(answer.Answer ?? "");

    /// <summary>The best pairing of the answer's phrases with the report's, by a gain of their boxes' IoU.</summary>
    private static (double Share, double F1) Pairs(
        (Sample Question, Prediction Answer) pair, ScoringOptions options, Func<double, double> gain)
    {
        var (sample, answer) = pair;
        List<(string[] Words, IReadOnlyList<Box> Boxes)> truth = [], found = [];
        var next = 0;
        foreach (var (phrase, count) in sample.Phrases)
        {
            if (count > 0) truth.Add((Words.Of(phrase), [.. sample.Boxes.Skip(next).Take(count)]));
            next += count;
        }

        foreach (var (phrase, boxes) in Read(answer).Phrases)
        {
            var sound = boxes.Where(box => box.Flaw == Flaw.None)
                .Select(box => box.ToPixels(answer.Width, answer.Height, sortAndClamp: false, options.BoxReading)).ToList();
            if (boxes.Count > 0) found.Add((Words.Of(phrase), sound));
        }

        if (truth.Count + found.Count == 0) return (1, 1);
        var (few, many) = truth.Count <= found.Count ? (truth, found) : (found, truth);
        var sum = BoxSetMeasures.MostGain(few.Count, many.Count, (f, m) =>
            Words.F1(few[f].Words, many[m].Words) >= Half ? gain(Region.Iou(new Region(few[f].Boxes), new Region(many[m].Boxes))) : 0);
        return (sum / Math.Max(truth.Count, found.Count), 2 * sum / (truth.Count + found.Count));
    }

    private static string Unended(IReadOnlyList<(Sample Question, Prediction Answer)> asked)
    {
        var cut = asked.Count(pair => pair.Answer.Answer?.TrimEnd().EndsWith('.') != true);
        return $"{cut} of {asked.Count} answers do not end with a full stop; longer ones than eval.max_new_tokens are cut.";
    }
}
