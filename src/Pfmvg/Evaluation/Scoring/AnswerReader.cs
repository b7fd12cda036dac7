using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>The region that an answer gives under a rule, in original pixels, and its flaw.</summary>
/// <param name="Boxes">Boxes with an area; empty when the answer scores 0.</param>
/// <param name="Confidence">One for each of the boxes; null when unknown.</param>
/// <param name="Dropped">
/// The boxes that the rule leaves out, with their confidences (1 where unknown); average precision counts them as false positives.
/// </param>
/// <param name="Flaw">The first thing wrong with the answer, whether or not the rule lets it count.</param>
internal sealed record AnswerRegion(IReadOnlyList<Box> Boxes, IReadOnlyList<double>? Confidence, Flaw Flaw,
    IReadOnlyList<(Box Box, double Confidence)> Dropped)
{
    /// <summary>An answer that gives no region.</summary>
    public static AnswerRegion None(Flaw flaw) => new([], null, flaw, []);
}

/// <summary>Reads the answers of models: text in box form, or boxes.</summary>
internal static class AnswerReader
{
    /// <summary>More boxes than this cannot mean anything, and their union would take long.</summary>
    private const int MostBoxes = 1000;

    /// <param name="prediction">The answer; heat maps are read elsewhere.</param>
    /// <param name="rule">What flaws do.</param>
    /// <param name="single">One box was asked: the first counts.</param>
    public static AnswerRegion Read(Prediction prediction, AnswerRule rule, bool single)
    {
        var (boxes, flaw) = Boxes(prediction, rule);
        if (boxes.Count > MostBoxes) return AnswerRegion.None(Flaw.TooManyBoxes);
        if (flaw is Flaw.None or Flaw.CutOff && boxes.Count > 0) // judge the boxes that would be scored, then how many there are
        {
            var judged = single ? boxes.Take(1) : boxes;
            var worst = judged.Select(box => BoxRules.FlawOf(box, prediction.Width, prediction.Height))
                .FirstOrDefault(found => found != Flaw.None);
            flaw = worst != Flaw.None ? worst : flaw != Flaw.None ? flaw : single && boxes.Count > 1 ? Flaw.Several : Flaw.None;
        }

        var confidence = prediction.Confidence?.Count == boxes.Count ? prediction.Confidence : null;
        if (rule == AnswerRule.Strict && flaw != Flaw.None)
            return AnswerRegion.None(flaw) with { Dropped = [.. boxes.Select((box, i) => (box, confidence?[i] ?? 1))] };
        List<Box> kept = [];
        List<double> sure = [];
        List<(Box, double)> dropped = [];
        for (var i = 0; i < (single ? Math.Min(1, boxes.Count) : boxes.Count); i++)
        {
            var box = rule == AnswerRule.Repair ? SortAndClamp(boxes[i], prediction) : boxes[i];
            if (!BoxRules.IsFinite(box) || box.IsEmpty && rule != AnswerRule.Original)
            {
                dropped.Add((boxes[i], confidence?[i] ?? 1));
                continue;
            }

            kept.Add(box);
            if (confidence is not null) sure.Add(confidence[i]);
        }

        return new AnswerRegion(kept, confidence is null ? null : sure, flaw, dropped);
    }

    private static (IReadOnlyList<Box> Boxes, Flaw Flaw) Boxes(Prediction prediction, AnswerRule rule)
    {
        if (prediction.BrokenPicture is not null) return ([], Flaw.BrokenPicture);
        if (prediction.Unanswered is not null) return ([], Flaw.Unanswered);
        if (prediction.Refused) return ([], Flaw.Refused);
        if (prediction.Boxes is { } given) return (given, given.Count == 0 ? Flaw.NoBox : Flaw.None);
        if (prediction.Answer is not { } answer) return ([], Flaw.Missing);
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
        var boxes = parsed.Boxes.Take(MostBoxes + 1).Select(box => box.ToPixels(prediction.Width, prediction.Height, sortAndClamp: false))
            .ToList();
        return boxes.Count > 0
            ? (boxes, answer.LastIndexOf('{') > answer.LastIndexOf('}') ? Flaw.CutOff : Flaw.None) // whole boxes, then half of one
            : (boxes, parsed.Failure);
    }

    private static Box SortAndClamp(Box box, Prediction prediction) => new(
        Math.Clamp(Math.Min(box.Left, box.Right), 0, prediction.Width), Math.Clamp(Math.Min(box.Top, box.Bottom), 0, prediction.Height),
        Math.Clamp(Math.Max(box.Left, box.Right), 0, prediction.Width), Math.Clamp(Math.Max(box.Top, box.Bottom), 0, prediction.Height));
}
