using Pfmvg.Text;

namespace Pfmvg.Runs;

/// <summary>What normalisation does to phrases before a model is asked or taught them.</summary>
internal static class PhraseForecast
{
    private const int UsualWords = 50;

    /// <summary>Refuses phrases of which nothing is left, and counts those that lose words.</summary>
    /// <param name="phrases">Names and texts; a name is shown where patients' are hidden.</param>
    /// <param name="normalize">Whether they are normalised.</param>
    /// <param name="tell">Gets the count.</param>
    /// <param name="words">Most words that stay.</param>
    /// <exception cref="InputException">A phrase is too long, or has no letter and no digit, so there is nothing to look for.</exception>
    public static void Check(
        IReadOnlyCollection<(string Name, string Text)> phrases, bool normalize, Action<string> tell, int words = UsualWords)
    {
        var (empty, shortened) = (new List<string>(), 0);
        foreach (var (name, text) in phrases)
        {
            if (PhraseLimit.Problem(text) is { } tooLong)
                throw new InputException($"{Privacy.Mask(name)}: {tooLong}; write what to find in fewer words, or leave it out.");
            var (left, cut) = normalize ? CaptionNormalizer.Normalize(text, words) : (text, false);
            if (!left.Any(char.IsLetterOrDigit)) empty.Add(name);
            if (cut) shortened++;
        }

        if (empty.Count > 0)
            throw new InputException($"{empty.Count} of {phrases.Count} phrases "
                + $"({Privacy.Mask(string.Join(", ", empty.Take(3)))}{(empty.Count > 3 ? ", ..." : "")}) have no letter and no digit"
                + $"{(normalize ? " after normalisation" : "")}, so there is nothing to look for; write what to find, or leave them out.");
        if (shortened > 0)
            tell($"{shortened} of {phrases.Count} phrases have more than {words} words; normalisation keeps the first {words} of them.");
    }
}
