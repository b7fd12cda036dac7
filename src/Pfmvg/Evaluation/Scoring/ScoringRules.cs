using System.Globalization;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>Every rule that shapes a number of a table, by name and in words.</summary>
internal static class ScoringRules
{
    /// <summary>The rules of these answers under these options.</summary>
    public static IEnumerable<(string Key, string Value)> Of(IReadOnlyList<Prediction> predictions, ScoringOptions options)
    {
        var maps = options.Protocol == Protocol.MaskThresholds;
        if (!maps)
        {
            yield return ("answers", options.Rule.ToString().ToLowerInvariant());
            yield return ("box", options.Protocol switch
            {
                Protocol.PfmvgBox or Protocol.SingleBox => options.Rule == AnswerRule.Original
                    ? "the one that a text begins with; of boxes given as numbers " + ProtocolDescription.One : ProtocolDescription.One,
                Protocol.PhraseUnion => "all boxes of an answer",
                _ => "each box by its confidence; without one it is certain",
            });
            yield return ("coordinates", Coordinates(predictions));
            if (predictions.Any(IsOnGrid)) yield return ("box_reading", Words(options.BoxReading));
            if (Decoding(predictions) is { } decoding) yield return ("decode", decoding);
            yield return ("plus_one", options.PlusOne ? "a pixel is added to each side"
                : options.AddsPixel ? "a pixel is added to each side, by the answers' rule" : "no");
        }

        if (options.Protocol != Protocol.Map50) yield return ("accuracy", $"IoU {(options.InclusiveAccuracy ? ">=" : ">")} threshold");
        if (maps)
        {
            yield return ("nan", options.HeatMapMayHaveHoles ? "outside the region" : "spoils its map"
                + (predictions.Any(answer => answer.MapPlace is not null) ? "; around a map's own place: outside the region" : ""));
            yield return ("map_scale", options.MapScale == MapScale.Minmax ? "minmax: each map is scaled to -1..1 by its least and most"
                : "raw: values as they are");
        }

        if (options.Reading is { } reading)
        {
            if (reading.TruthSplit is { } split) yield return ("truth_split", split);
            var isAnyScale = options.AnyHeatMapScale || options.MapScale == MapScale.Minmax;
            yield return maps ? ("scale", isAnyScale ? "not checked" : "checked: values of at most 1")
                : ("trust_coordinates", reading.TrustCoordinates ? "not checked against the truth" : "checked against the truth");
            yield return ("allow_missing", reading.AllowMissing ? "a sample without an answer scores 0"
                : "every sample must have an answer");
            if (!maps)
                yield return ("min_confidence", reading.MinimumConfidence > 0
                    ? reading.MinimumConfidence.ToString(CultureInfo.InvariantCulture) + Unsure(predictions) : "every box counts");
        }

        if (options.Resamples > 0) yield return ("intervals", Method(options.Intervals));
    }

    /// <summary>An answer in the notation in which numbers are truncated hundredths.</summary>
    public static bool IsOnGrid(Prediction prediction) => prediction is { Answer: not null, Boxes: null, Reading: null };

    /// <summary>How the answers were chosen, where they were drawn for it; null where that is not known to be so.</summary>
    private static string? Decoding(IReadOnlyList<Prediction> predictions)
    {
        var drawn = predictions.Where(answer => answer.Agreement is not null).ToList();
        var counts = drawn.Select(answer => answer.Draws).OfType<int>().Distinct().Order().ToList();
        return drawn.Count == 0 ? null
            : $"expected_iou: the box with the largest mean IoU with {(counts.Count == 0 ? "some" : string.Join(" or ", counts))} draws"
                + (drawn.Count == predictions.Count ? "" : $" ({drawn.Count} of {predictions.Count} answers)");
    }

    private static string Words(BoxReading reading) => reading == BoxReading.Middle
        ? "middle: a number n of an answer is (n + 0.5) hundredths" : "written: a number n of an answer is n hundredths, as published";

    /// <summary>What a method is called in print.</summary>
    public static string Method(IntervalMethod method) => method == IntervalMethod.Bca ? "BCa (medians: percentile)" : "percentile";

    /// <summary>How the boxes of the answers are read, with the number of answers where that differs.</summary>
    private static string Coordinates(IReadOnlyList<Prediction> predictions)
    {
        var kinds = predictions.Select(Kind).OfType<string>().CountBy(kind => kind).ToList();
        return kinds.Count switch
        {
            0 => "no answer has boxes",
            1 => kinds[0].Key,
            _ => string.Join(", ", kinds.Select(kind => $"{kind.Key} ({kind.Value} answers)")),
        };

        static string? Kind(Prediction prediction) => prediction.Answer is not null
            ? prediction.Reading?.ToString() ?? "text on the grid of 0..100"
            : prediction.Boxes is { Count: > 0 } ? prediction.BoxCoordinates?.ToString() ?? "pixels-xyxy" : null;
    }

    private static string Unsure(IReadOnlyList<Prediction> predictions) =>
        predictions.Count(p => p.Answer is not null || p.Boxes is { Count: > 0 } && p.Confidence is null)
            is > 0 and var count ? $" ({count} answers without a confidence of their boxes, or in text, keep them all)" : "";
}
