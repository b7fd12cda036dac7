using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>The region that an answer gives under a rule, in original pixels, and its flaw.</summary>
/// <param name="Boxes">Boxes with an area; empty when the answer scores 0.</param>
/// <param name="Confidence">One for each of the boxes; null when unknown.</param>
/// <param name="Dropped">
/// The boxes that the rule leaves out, with their confidences (1 where unknown) and the number of kept boxes before them; average
/// precision counts them as false positives.
/// </param>
/// <param name="Flaw">The first thing wrong with the answer, whether or not the rule lets it count.</param>
internal sealed record AnswerRegion(IReadOnlyList<Box> Boxes, IReadOnlyList<double>? Confidence, Flaw Flaw,
    IReadOnlyList<(Box Box, double Confidence, int Before)> Dropped)
{
    /// <summary>The answer is a heat map that gives a region.</summary>
    public bool IsMap { get; init; }

    /// <summary>The answer is valid: it gives a region.</summary>
    public bool GivesRegion => Boxes.Count > 0 || IsMap;

    /// <summary>An answer that gives no region.</summary>
    public static AnswerRegion None(Flaw flaw) => new([], null, flaw, []);
}

/// <summary>Reads the answers of models: text in box form, or boxes.</summary>
internal static class AnswerReader
{
    /// <summary>More boxes than this cannot mean anything, and their union would take long.</summary>
    private const int MostBoxes = 1000;

    /// <summary>Reads an answer as these options say.</summary>
    public static AnswerRegion Read(Prediction prediction, ScoringOptions options, bool single, int asked = 1) =>
        Read(prediction, options.Rule, single, asked, options.BoxReading);

    /// <param name="prediction">The answer; heat maps are read elsewhere.</param>
    /// <param name="rule">What flaws do.</param>
    /// <param name="single">One box counts: the most certain one where the answer carries confidences, else the first written.</param>
    /// <param name="asked">How many true boxes the phrase has; where one counts, only more boxes than these are a flaw.</param>
    /// <param name="reading">How numbers on the grid of an answer's text are read.</param>
    public static AnswerRegion Read(
        Prediction prediction, AnswerRule rule, bool single, int asked = 1, BoxReading reading = BoxReading.Written)
    {
        var (boxes, flaw) = Boxes(prediction, rule, reading);
        if (boxes.Count > MostBoxes) return AnswerRegion.None(Flaw.TooManyBoxes);
        var confidence = ConfidenceOf(prediction, rule, boxes.Count);
        var counted = !single ? Enumerable.Range(0, boxes.Count) // where one counts: the first of the most certain ones
            : boxes.Count == 0 ? [] : [confidence is null ? 0 : Enumerable.Range(0, boxes.Count).MaxBy(i => confidence[i])];
        if (flaw is Flaw.None or Flaw.CutOff && boxes.Count > 0) // judge the boxes that would be scored, then how many there are
        {
            var worst = counted.Select(i => BoxRules.FlawOf(boxes[i], prediction.Width, prediction.Height))
                .FirstOrDefault(found => found != Flaw.None);
            flaw = worst != Flaw.None ? worst : flaw != Flaw.None ? flaw
                : single && boxes.Count > Math.Max(1, asked) ? Flaw.Several : Flaw.None;
        }

        if (rule == AnswerRule.Strict && flaw != Flaw.None)
            return AnswerRegion.None(flaw) with { Dropped = [.. boxes.Select((box, i) => (box, confidence?[i] ?? 1, 0))] };
        List<Box> kept = [];
        List<double> sure = [];
        List<(Box, double, int)> dropped = [];
        foreach (var i in counted)
        {
            var box = rule == AnswerRule.Repair ? SortAndClamp(boxes[i], prediction) : boxes[i];
            if (!BoxRules.IsFinite(box) || box.IsEmpty && rule != AnswerRule.Original)
            {
                dropped.Add((boxes[i], confidence?[i] ?? 1, kept.Count));
                continue;
            }

            kept.Add(box);
            if (confidence is not null) sure.Add(confidence[i]);
        }

        return new AnswerRegion(kept, confidence is null ? null : sure, flaw, dropped);
    }

    /// <summary>A confidence for each box; null when there is not one for each. The authors' rule reads only one box of a text.</summary>
    private static IReadOnlyList<double>? ConfidenceOf(Prediction prediction, AnswerRule rule, int boxes) =>
        prediction.Confidence is not { } all ? null
        : all.Count == boxes ? all
        : rule == AnswerRule.Original && boxes == 1 && all.Count > 1 ? [all[0]] : null;

    private static (IReadOnlyList<Box> Boxes, Flaw Flaw) Boxes(Prediction prediction, AnswerRule rule, BoxReading place)
    {
        if (prediction.BrokenPicture is not null) return ([], Flaw.BrokenPicture);
        if (prediction.Unanswered is not null) return ([], Flaw.Unanswered);
        if (prediction.Refused) return ([], Flaw.Refused);
        if (prediction.Boxes is { } given) return (given, given.Count == 0 ? Flaw.NoBox : Flaw.None);
        if (prediction.Answer is not { } answer) return ([], Flaw.Missing);
        if (PhraseLimit.IsTooLong(answer)) return ([], Flaw.TooLong);
        if (prediction.Reading is { } reading)
        {
            if (rule == AnswerRule.Original)
                throw new InputException(
                    $"--answers original reads {AnswerNotation.Braces.Name} in 0..100 only, as the authors' evaluator; "
                    + $"these answers are {reading}: choose another rule.");
            var read = reading.Notation.Boxes(answer).Take(MostBoxes + 1)
                .Select(n => prediction.ToPixels(n, reading.Coordinates)).ToList();
            var flaw = reading.Notation.FlawOf(answer);
            return (flaw == Flaw.Malformed ? [] : read, flaw); // which of two notations is meant cannot be told
        }

        if (rule == AnswerRule.Original) return BoxCodec.ParseAtStart(answer) is { } first
            ? ([first.ToPixels(prediction.Width, prediction.Height, sortAndClamp: false)], Flaw.None)
            : ([], Flaw.NoBox);
        var parsed = BoxCodec.Parse(answer);
        var boxes = parsed.Boxes.Take(MostBoxes + 1)
            .Select(box => box.ToPixels(prediction.Width, prediction.Height, sortAndClamp: false, place)).ToList();
        return boxes.Count > 0
            ? (boxes, answer.LastIndexOf('{') > answer.LastIndexOf('}') ? Flaw.CutOff : Flaw.None) // whole boxes, then half of one
            : (boxes, parsed.Failure);
    }

    private static Box SortAndClamp(Box box, Prediction prediction) => new(
        Math.Clamp(Math.Min(box.Left, box.Right), 0, prediction.Width), Math.Clamp(Math.Min(box.Top, box.Bottom), 0, prediction.Height),
        Math.Clamp(Math.Max(box.Left, box.Right), 0, prediction.Width), Math.Clamp(Math.Max(box.Top, box.Bottom), 0, prediction.Height));
}
