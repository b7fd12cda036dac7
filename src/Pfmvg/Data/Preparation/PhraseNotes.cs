namespace Pfmvg.Data.Preparation;

/// <summary>What a user should know about the phrases of a data set and their split.</summary>
internal static class PhraseNotes
{
    public static IEnumerable<string> Of(IDataSetReader reader, IReadOnlyList<(Sample Sample, Split? Split)> samples, bool onlyWithBoxes)
    {
        var without = samples.Count(sample => sample.Sample.Boxes.Count == 0);
        if (without > 0)
            yield return $"{Units.Count(without)} phrases of {reader.Source} have no box and "
                + (onlyWithBoxes ? "are left out, as asked for."
                    : "are samples with an empty list; training refuses them ('--only-with-boxes' leaves them "
                        + "out) unless stage2.negatives teaches to answer that nothing is there.");
        var empty = Enum.GetValues<Split>().Where(split => samples.Count > 0 && samples.All(sample => sample.Split != split)).ToList();
        if (empty.Count > 0)
            yield return $"{reader.Source} has nothing in {string.Join(" and ", empty).ToLowerInvariant()}: "
                + (reader.KeepsItsSplit ? "its own split has no such part." : "the split leaves it empty.");
    }
}
