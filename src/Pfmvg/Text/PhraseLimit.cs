using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Pfmvg.Text;

/// <summary>How long texts may be that come from others: longer ones mean nothing and take long.</summary>
internal static class PhraseLimit
{
    /// <summary>The most characters of a phrase that is looked for.</summary>
    public const int Characters = 2000;

    /// <summary>The most bytes of an answer, in UTF-8; a longer one is a flaw, and scores 0.</summary>
    public const int AnswerBytes = 64 << 10;

    /// <summary>Whether an answer is longer than any can mean.</summary>
    public static bool IsTooLong(string answer) => answer.Length > AnswerBytes || Encoding.UTF8.GetByteCount(answer) > AnswerBytes;

    /// <summary>An answer, of which no more is kept than shows that it is too long.</summary>
    [return: NotNullIfNotNull(nameof(answer))]
    public static string? Cut(string? answer) => answer is null || answer.Length <= AnswerBytes + 1 ? answer
        : answer[..(AnswerBytes + (char.IsHighSurrogate(answer[AnswerBytes]) ? 2 : 1))];

    /// <summary>Why a phrase cannot be looked for, as a clause; null when it can.</summary>
    public static string? Problem(string phrase) => phrase.Length <= Characters ? null
        : $"the phrase has {Units.Count(phrase.Length)} characters, more than {Units.Count(Characters)}";
}
