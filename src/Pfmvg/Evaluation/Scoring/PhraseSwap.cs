using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>
/// Whether the box follows the phrase. Each phrase is exchanged for the next one of its picture that means another region,
/// and the answer to that is compared with both regions. A model that does not read the phrase moves to the asked region in
/// half of the cases.
/// </summary>
/// <remarks>
/// Nothing is asked again: an answer depends on picture and phrase alone, so the answer to the exchanged phrase is the one
/// that the picture's other sample already has.
/// </remarks>
/// <param name="Cases">Phrases whose picture has another one.</param>
/// <param name="Moved">Share of cases in which the answer overlaps the asked region more than the one of the exchanged phrase.</param>
/// <param name="AskedIou">Mean IoU with the asked region.</param>
/// <param name="OtherIou">Mean IoU with the region of the phrase that was exchanged.</param>
public sealed record PhraseSwap(int Cases, Estimate Moved, Estimate AskedIou, Estimate OtherIou)
{
    /// <summary>Measures answers; null when no picture has two phrases with different regions.</summary>
    /// <param name="predictions">
    /// Answers of one model. Samples with the same picture, class and phrase are one phrase with all of their boxes; its first
    /// answer counts.
    /// </param>
    /// <param name="options">Rule for flawed answers, resamples and seed.</param>
    public static PhraseSwap? Measure(IReadOnlyList<Prediction> predictions, ScoringOptions options)
    {
        List<(Prediction Answer, HashSet<Box> Asked, HashSet<Box> Other)> pairs = [];
        var phrases = predictions.GroupBy(p => p.PhraseKey)
            .Select(same => (Answer: same.First(), Truth: same.SelectMany(p => p.Truth).ToHashSet()));
        foreach (var picture in phrases.GroupBy(phrase => phrase.Answer.Image).Select(group => group.ToList()))
            for (var i = 0; i < picture.Count; i++)
            {
                var other = picture[i];
                var at = Enumerable.Range(1, picture.Count - 1).Select(step => (i + step) % picture.Count)
                    .FirstOrDefault(j => !picture[j].Truth.SetEquals(other.Truth), -1);
                if (at < 0) continue;
                pairs.Add((picture[at].Answer, picture[at].Truth, other.Truth));
            }

        if (pairs.Count == 0) return null;
        var cases = MapScorer.InParallel(pairs, pair =>
        {
            var (onAsked, onOther) = Ious(pair.Answer, pair.Asked, pair.Other, options);
            return (Moved: onAsked > onOther ? 1.0 : 0, Asked: onAsked, Other: onOther, Cluster: pair.Answer.Patient ?? pair.Answer.Image);
        });
        var clusters = cases.Select(c => c.Cluster).Distinct().Index().ToDictionary(c => c.Item, c => c.Index);
        var members = cases.Select(c => clusters[c.Cluster]).ToArray();
        MeanStatistic[] means =
        [
            new([.. cases.Select(c => c.Moved)], members),
            new([.. cases.Select(c => c.Asked)], members),
            new([.. cases.Select(c => c.Other)], members),
        ];
        var estimates = Bootstrap.Estimates(clusters.Count, options.Resamples, options.Seed, means.Length, (drawn, figures) =>
        {
            for (var i = 0; i < means.Length; i++) figures[i] = means[i].Evaluate(drawn).Value;
        }, options.Intervals);
        return new PhraseSwap(cases.Count, estimates[0], estimates[1], estimates[2]);
    }

    /// <summary>The IoU of an answer with the asked region and with the other one; a map that cannot be scored has none.</summary>
    private static (double Asked, double Other) Ious(Prediction answer, HashSet<Box> asked, HashSet<Box> other, ScoringOptions options)
    {
        if (options.Protocol != Protocol.MaskThresholds)
        {
            var boxes = AnswerReader.Read(answer, options, single: true, asked.Count).Boxes;
            return (Iou(boxes, asked, options), Iou(boxes, other, options));
        }

        var map = answer.HeatMap is null ? null : HeatMap.Of(answer, options.MapScale);
        return map is null || map.HasHoles && !options.HeatMapMayHaveHoles ? (0, 0)
            : (map.Score([.. asked], answer.Width, answer.Height).Iou, map.Score([.. other], answer.Width, answer.Height).Iou);
    }

    private static double Iou(IReadOnlyList<Box> boxes, IEnumerable<Box> truth, ScoringOptions options) => boxes.Count == 0 ? 0
        : Region.Iou(new Region([.. truth.Select(box => SampleScorer.AsArea(box, options))]),
            new Region([.. boxes.Select(box => SampleScorer.AsArea(box, options))]));
}
