using System.Globalization;
using System.Runtime.ExceptionServices;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>Scores heat maps, one per phrase.</summary>
internal static class MapScorer
{
    private const double Rounding = 1e-3; // what float16 may add to 1

    /// <exception cref="InputException">An answer is no map, or the maps are on another scale than the thresholds.</exception>
    public static List<ScoredSample> Score(IReadOnlyList<Prediction> predictions, ScoringOptions options)
    {
        if (options.AddsPixel)
            throw new InputException("The protocol mask-thresholds measures areas and has no variant with an added pixel.");
        if (predictions.FirstOrDefault(p => p.Answer is not null || p.Boxes is not null) is { } boxes)
            throw new InputException($"The sample '{boxes.Id}' is answered by {(boxes.Answer is null ? "boxes" : "text")}, and the "
                + "protocol mask-thresholds scores heat maps only; choose another --protocol.");
        var asked = predictions.Where(prediction => prediction.Truth.Count > 0).ToList();
        var scored = InParallel(SampleScorer.Phrases(asked, options).ToList(), phrase => Score(phrase.Question, phrase.FirstId, options));
        if (!options.AnyHeatMapScale) ThrowIfOnAnotherScale(scored);
        return scored.ConvertAll(pair => pair.Sample);
    }

    /// <summary>One by one on all cores; a map that cannot be read is wrong input here, too, and no failure of several threads.</summary>
    internal static List<TResult> InParallel<TItem, TResult>(List<TItem> items, Func<TItem, TResult> score)
    {
        try
        {
            return items.AsParallel().AsOrdered().Select(score).ToList();
        }
        catch (AggregateException several) when (several.InnerExceptions is [InputException first, ..])
        {
            ExceptionDispatchInfo.Throw(first);
            throw;
        }
    }

    private static (ScoredSample Sample, double Most) Score(Prediction question, string firstId, ScoringOptions options)
    {
        var most = double.NegativeInfinity;
        var (iou, dice, valid) = (0.0, 0.0, false);
        var flaw = question.BrokenPicture is not null ? Flaw.BrokenPicture : Flaw.Missing;
        if (question.HeatMap is not null)
        {
            var values = HeatMap.Of(question, options.MapScale);
            most = values.Most;
            var spoiled = values.HasHoles && !options.HeatMapMayHaveHoles;
            if (!spoiled) (iou, dice, valid) = values.Score(question.Truth, question.Width, question.Height);
            flaw = spoiled ? Flaw.NotFinite : valid ? Flaw.None : Flaw.Empty;
        }

        var sample = SampleScorer.Sample(question, question.Id, question.Truth, AnswerRegion.None(flaw) with { IsMap = valid }, options);
        return (sample with { FirstId = firstId, Iou = iou, Dice = dice, Valid = valid }, most);
    }

    /// <summary>Most maps reach beyond 1, or one of them far beyond it: 0..255, per cent, logits.</summary>
    private static void ThrowIfOnAnotherScale(List<(ScoredSample Sample, double Most)> scored)
    {
        var maps = scored.FindAll(pair => double.IsFinite(pair.Most));
        var beyond = maps.FindAll(pair => pair.Most > 1 + Rounding);
        if (2 * beyond.Count <= maps.Count && beyond.TrueForAll(pair => pair.Most < 2)) return;
        var (sample, most) = beyond.MaxBy(pair => pair.Most);
        throw new InputException(string.Create(CultureInfo.InvariantCulture,
            $"{sample.Prediction.HeatMap}: the heat map has values up to {most:0.###}{(most is > 100 and <= 255 ? " (of 0..255?)" : "")}, "
            + $"and {beyond.Count} of {maps.Count} maps reach beyond 1, but the thresholds 0.1 to 0.5 belong to values of at most 1; "
            + $"divide the maps by what stands for 1, or insist with --trust-coordinates."));
    }
}
