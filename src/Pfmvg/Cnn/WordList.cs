using Pfmvg.Text;

namespace Pfmvg.Cnn;

/// <summary>
/// The words that the network knows: those of at least two training phrases, in the order of the alphabet. A word of a single phrase
/// teaches nothing that could be used again, and it may be a name.
/// </summary>
internal sealed class WordList
{
    private const int LeastPhrases = 2;

    private readonly Dictionary<string, int> _places;

    private WordList(IEnumerable<string> words) => _places = words.Index().ToDictionary(word => word.Item, word => word.Index);

    /// <summary>Number of words.</summary>
    public int Count => _places.Count;

    /// <summary>All words, with a space between two.</summary>
    public string Text => string.Join(' ', _places.Keys);

    /// <summary>The words of phrases.</summary>
    public static WordList Of(IEnumerable<string> phrases) => new(phrases.SelectMany(phrase => Split(phrase).Distinct())
        .GroupBy(word => word).Where(word => word.Count() >= LeastPhrases).Select(word => word.Key).Order(StringComparer.Ordinal));

    /// <summary>The words of a <see cref="Text"/>.</summary>
    public static WordList Parse(string text) => new(text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Distinct());

    /// <summary>The places of a phrase's known words, each once, and how many of its words are unknown.</summary>
    public (IReadOnlyList<int> Places, int Unknown) Read(string phrase)
    {
        var words = Split(phrase);
        return ([.. words.Where(_places.ContainsKey).Select(word => _places[word]).Distinct()],
            words.Count(word => !_places.ContainsKey(word)));
    }

    /// <summary>Lower case; what is neither a letter nor a digit ends a word.</summary>
    private static string[] Split(string phrase) =>
        new string([.. CaptionNormalizer.Normalize(phrase, int.MaxValue).Text.Select(c => char.IsLetterOrDigit(c) ? c : ' ')])
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
