using Pfmvg.Data;

namespace Pfmvg.Evaluation.Measures;

/// <summary>How far two texts agree, by their words as prompts have them: lower case, without punctuation.</summary>
internal static class Words
{
    /// <summary>The words of a text.</summary>
    public static string[] Of(string text) =>
        PhraseGroups.Prompt(text.Replace(',', ' ')).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Whether the words are the same, in their order.</summary>
    public static bool AreSame(string[] answer, string[] truth) => answer.AsSpan().SequenceEqual(truth);

    /// <summary>
    /// Harmonic mean of the shares of both texts' words that are in the other one; a word counts as often as it stands in both. 1 for two
    /// texts without words.
    /// </summary>
    public static double F1(string[] answer, string[] truth)
    {
        if (answer.Length + truth.Length == 0) return 1;
        var left = truth.CountBy(word => word).ToDictionary();
        var common = 0;
        foreach (var word in answer)
            if (left.GetValueOrDefault(word) > 0) (common, left[word]) = (common + 1, left[word] - 1);
        return 2.0 * common / (answer.Length + truth.Length);
    }
}

/// <summary>The class that words name: that of the phrase among known ones whose words agree most.</summary>
/// <param name="known">Phrases with a class, such as those of the training split.</param>
internal sealed class PhraseClasses(IEnumerable<Sample> known)
{
    private readonly List<(string Name, string[] Words)> _phrases = [.. known.Where(sample => sample.Class is not null)
        .GroupBy(sample => string.Join(' ', Words.Of(sample.Text)), StringComparer.Ordinal)
        .OrderBy(same => same.Key, StringComparer.Ordinal)
        .Select(same => (same.CountBy(sample => sample.Class!).OrderByDescending(own => own.Value)
            .ThenBy(own => own.Key, StringComparer.Ordinal).First().Key, Words.Of(same.Key)))];

    private readonly Dictionary<string, string?> _found = new(StringComparer.Ordinal);

    /// <summary>
    /// The class; of equally near phrases that of most of them (then the first by name). Null where no known phrase has any of the words.
    /// </summary>
    public string? Of(string text)
    {
        var words = Words.Of(text);
        var key = string.Join(' ', words);
        if (_found.TryGetValue(key, out var before)) return before;
        var (most, nearest) = (0.0, new List<string>());
        foreach (var (name, own) in _phrases)
        {
            var agree = Words.F1(words, own);
            if (agree > most) (most, nearest) = (agree, [name]);
            else if (agree == most && agree > 0) nearest.Add(name);
        }

        return _found[key] = nearest.CountBy(name => name).OrderByDescending(own => own.Value)
            .ThenBy(own => own.Key, StringComparer.Ordinal).Select(own => own.Key).FirstOrDefault();
    }
}
