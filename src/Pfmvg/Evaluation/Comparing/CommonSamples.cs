using Pfmvg.Data.Files;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Comparing;

/// <summary>The samples that are in every one of several sets of answers.</summary>
internal static class CommonSamples
{
    /// <summary>The predictions of each set whose samples are in all of them, and what a reader must know about the others.</summary>
    /// <param name="sets">The predictions of each set.</param>
    /// <param name="names">What messages call the sets.</param>
    /// <exception cref="InputException">No sample is in all of them.</exception>
    public static (IReadOnlyList<IReadOnlyList<Prediction>> Sets, string LeftOut) Among(
        IReadOnlyList<IReadOnlyList<Prediction>> sets, IReadOnlyList<string> names)
    {
        if (sets.Count == 2)
        {
            var (a, b, leftOut) = Comparison.Common(sets[0], sets[1]);
            return ([a, b], leftOut);
        }

        var shared = sets[0].Select(row => row.Id).ToHashSet(IdComparer.Instance);
        foreach (var (set, name) in sets.Zip(names).Skip(1))
        {
            shared.IntersectWith(set.Select(row => row.Id));
            if (shared.Count == 0)
                throw new InputException($"{name} shares none of its {set.Count} samples with all of the sets before it; there is "
                    + "nothing to compare.");
        }

        return ([.. sets.Select(set => (IReadOnlyList<Prediction>)[.. set.Where(row => shared.Contains(row.Id))])],
            $"Compared: the {shared.Count} samples that are in all {sets.Count} sets; left out are "
                + string.Join(", ", sets.Zip(names).Select(set => $"{set.First.Count - shared.Count} of {set.Second}")) + ".");
    }
}
