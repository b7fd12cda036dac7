using Pfmvg.Text;

namespace Pfmvg.Data;

/// <summary>
/// The two views of a phrase with several boxes: one sample per box, as published, or one sample with all boxes. A phrase is
/// a (picture, class, text); texts that become one prompt by the usual normalisation are one.
/// </summary>
public static class PhraseGroups
{
    /// <summary>One sample per phrase, in the order of the phrases' first boxes; it keeps the first sample's id.</summary>
    public static IReadOnlyList<Sample> PerPhrase(IEnumerable<Sample> samples) =>
        [.. samples.GroupBy(sample => (sample.Source, sample.Image, sample.Class, Prompt(sample.Text)))
            .Select(group => group.First() with { Boxes = [.. group.SelectMany(sample => sample.Boxes).Distinct()] })];

    /// <summary>The text as the model is asked, before words beyond the limit are cut.</summary>
    internal static string Prompt(string text) => CaptionNormalizer.Normalize(text, int.MaxValue).Text;

    /// <summary>One sample per box; captions stay as they are. Ids of boxes after the first get a suffix.</summary>
    public static IReadOnlyList<Sample> PerBox(IEnumerable<Sample> samples) =>
        [.. samples.SelectMany(sample => sample.Boxes.Count <= 1 ? [sample]
            : sample.Boxes.Select((box, i) => sample with { Id = i == 0 ? sample.Id : $"{sample.Id}/box{i + 1}", Boxes = [box] }))];
}
