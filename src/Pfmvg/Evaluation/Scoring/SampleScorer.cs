using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>Divides predictions into the samples of a protocol and scores each of them.</summary>
internal static class SampleScorer
{
    public static List<ScoredSample> Score(IReadOnlyList<Prediction> predictions, ScoringOptions options)
    {
        if (options.Protocol != Protocol.MaskThresholds && predictions.FirstOrDefault(p => p.HeatMap is not null) is { } map)
            throw new InputException(
                $"The sample '{map.Id}' is answered by a heat map, which only the protocol mask-thresholds can score.");
        if (options.Protocol == Protocol.MaskThresholds) return MapScorer.Score(predictions, options);
        if (options.Protocol != Protocol.Map50) // only average precision has a use for boxes where nothing was asked
            predictions = [.. predictions.Where(prediction => prediction.Truth.Count > 0)];
        return options.Protocol switch
        {
            Protocol.PfmvgBox => EachBox(predictions, options),
            Protocol.SingleBox => [.. Phrases(predictions, options).Where(phrase => phrase.Question.Truth.Count == 1)
                .Select(phrase => Sample(phrase.Question, phrase.Question.Id, phrase.Question.Truth,
                    AnswerReader.Read(phrase.Question, options, single: true), options) with { FirstId = phrase.FirstId })],
            _ => [.. Phrases(predictions, options)
                .Select(phrase => WholePhrase(phrase.Question, phrase.Answers, options) with { FirstId = phrase.FirstId })],
        };
    }

    /// <summary>The box as the options measure it.</summary>
    public static Box AsArea(Box box, ScoringOptions options) =>
        options.AddsPixel ? box with { Right = box.Right + 1, Bottom = box.Bottom + 1 } : box;

    /// <summary>One sample per true box; as many boxes as the phrase has may stand in an answer, whichever of them is asked.</summary>
    private static List<ScoredSample> EachBox(IReadOnlyList<Prediction> predictions, ScoringOptions options)
    {
        var asked = predictions.GroupBy(prediction => prediction.PhraseKey)
            .ToDictionary(same => same.Key, same => same.SelectMany(prediction => prediction.Truth).Distinct().Count());
        return [.. predictions.SelectMany(prediction =>
        {
            var answer = AnswerReader.Read(prediction, options, single: true, asked[prediction.PhraseKey]);
            return prediction.Truth.Select((box, i) =>
                Sample(prediction, i == 0 ? prediction.Id : $"{prediction.Id}#{i + 1}", [box], answer, options));
        })];
    }

    private static ScoredSample WholePhrase(Prediction question, IReadOnlyList<Prediction> answers, ScoringOptions options)
    {
        if (answers.Count == 1)
            return Sample(question, question.Id, question.Truth, AnswerReader.Read(question, options, single: false), options);

        // The file asks the same phrase once per true box, so all of these answers belong to the phrase.
        var read = answers.Select(answer => AnswerReader.Read(answer, options, single: false)).ToList();
        if (read.TrueForAll(answer => answer.Boxes.SequenceEqual(read[0].Boxes) && answer.Dropped.SequenceEqual(read[0].Dropped)))
            return Sample(question, question.Id, question.Truth, read[0], options); // one list of results, equal boxes in it included
        var boxes = read.SelectMany((answer, a) => answer.Boxes.Select((box, i) => (Box: box, Confidence: answer.Confidence?[i])))
            .GroupBy(found => found.Box).Select(same => (Box: same.Key, Confidence: same.Max(found => found.Confidence)))
            .OrderByDescending(found => found.Confidence ?? 1).ToList();
        return Sample(question, question.Id, question.Truth, new AnswerRegion(
            boxes.ConvertAll(found => found.Box),
            boxes.Count > 0 && boxes.TrueForAll(found => found.Confidence is not null)
                ? boxes.ConvertAll(found => found.Confidence!.Value) : null,
            read.Select(answer => answer.Flaw).FirstOrDefault(flaw => flaw != Flaw.None),
            [.. read.SelectMany(answer => answer.Dropped).DistinctBy(box => (box.Box, box.Confidence))]), options) with { Answers = read };
    }

    /// <summary>
    /// Questions about the same phrase as one question with all of its boxes, in the order of first appearance. The same box twice is
    /// one region, but two true boxes for average precision, as in COCO.
    /// </summary>
    public static IEnumerable<(Prediction Question, IReadOnlyList<Prediction> Answers, string FirstId)> Phrases(
        IReadOnlyList<Prediction> predictions, ScoringOptions options)
    {
        foreach (var rows in predictions.GroupBy(p => p.PhraseKey).Select(same => same.ToList()))
        {
            var question = QuestionIndex.Merge(rows);
            if (options.Protocol != Protocol.Map50) question = question with { Truth = [.. question.Truth.Distinct()] };
            yield return (question, rows, rows.Select(row => row.Id).Min(StringComparer.Ordinal)!);
        }
    }

    /// <summary>A scored sample.</summary>
    public static ScoredSample Sample(
        Prediction prediction, string id, IReadOnlyList<Box> truth, AnswerRegion answer, ScoringOptions options)
    {
        var (iou, dice) = Overlap(truth, answer.Boxes, options);
        return new ScoredSample
        {
            Prediction = prediction,
            Id = id,
            FirstId = prediction.Id,
            Truth = truth,
            Predicted = answer.Boxes,
            Confidence = answer.Confidence,
            Dropped = answer.Dropped,
            Flaw = answer.Flaw,
            Answers = [answer],
            Valid = answer.Boxes.Count > 0,
            Iou = iou,
            Dice = dice,
            Cluster = prediction.Patient is { } patient ? $"patient {patient}" : $"picture {prediction.Image}",
        };
    }

    private static (double Iou, double Dice) Overlap(IReadOnlyList<Box> truth, IReadOnlyList<Box> predicted, ScoringOptions options)
    {
        if (predicted.Count == 0) return (0, 0);
        var (a, b) = (new Region([.. truth.Select(box => AsArea(box, options))]),
            new Region([.. predicted.Select(box => AsArea(box, options))]));
        return (Region.Iou(a, b), Region.Dice(a, b));
    }
}
