using System.Runtime.CompilerServices;
using System.Text;

namespace Pfmvg;

/// <summary>
/// Text from elsewhere (names in files, keys, paths, a server's words) as people may see it: what a terminal would obey is written out as
/// in JSON (`\u001b`), and what is too long is cut in its middle, so that the advice at a sentence's end stays.
/// </summary>
internal static class ForeignText
{
    /// <summary>The longest piece of foreign text that one sentence quotes, in characters.</summary>
    public const int LongestQuote = 1000;

    /// <summary>The longest line of a message, and the most lines of one.</summary>
    public const int LongestLine = 16_000, MostLines = 200;

    /// <summary>
    /// Whether a terminal obeys a character instead of showing it: control characters and those that turn, end or hide the rest of a line.
    /// Line breaks and tabs are for the caller to judge.
    /// </summary>
    public static bool IsObeyed(char c) => char.IsControl(c)
        || c is '\u061c' or '\u200e' or '\u200f' or (>= '\u2028' and <= '\u202e') or (>= '\u2066' and <= '\u206f');

    /// <summary>A whole text: its lines and tabs stay.</summary>
    public static string Escape(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~')) return text;
        StringBuilder? shown = null;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            var stays = !IsObeyed(c) || c is '\n' or '\t' || c == '\r' && i + 1 < text.Length && text[i + 1] == '\n';
            if (stays) shown?.Append(c);
            else Written(shown ??= new StringBuilder(text, 0, i, text.Length + 16), c);
        }

        return shown?.ToString() ?? text;
    }

    /// <summary>A name or value within a sentence: one line, of bounded length.</summary>
    public static string Quote(string text)
    {
        text = Cut(text, LongestQuote);
        if (!text.Any(IsObeyed)) return text;
        var shown = new StringBuilder(text.Length + 16);
        foreach (var c in text)
        {
            if (IsObeyed(c)) Written(shown, c);
            else shown.Append(c);
        }

        return shown.ToString();
    }

    /// <summary>A message of bounded length, whatever its parts were.</summary>
    public static string Message(string text)
    {
        var lines = text.Length <= LongestLine && text.Length <= MostLines ? [text] : text.Split('\n');
        var shown = lines.Take(MostLines).Select(line => Escape(Cut(line, LongestLine)));
        return string.Join('\n', lines.Length <= MostLines ? shown : [.. shown, $"... and {lines.Length - MostLines:N0} lines more"]);
    }

    private static string Cut(string text, int longest)
    {
        if (text.Length <= longest) return text;
        var (head, tail) = (longest * 2 / 3, longest / 4);
        if (char.IsHighSurrogate(text[head - 1])) head--;
        if (char.IsLowSurrogate(text[^tail])) tail--;
        return $"{text[..head]}... ({Units.Count(text.Length - head - tail)} characters) ...{text[^tail..]}";
    }

    private static void Written(StringBuilder shown, char c) => shown.Append($"\\u{(int)c:x4}");
}

/// <summary>
/// A sentence with foreign text in it: what stands between braces is quoted by <see cref="ForeignText.Quote"/>, so that no name, path or
/// key can add a line to a message or make it endless.
/// </summary>
[InterpolatedStringHandler]
internal readonly ref struct QuotingSentence(int literalLength, int formattedCount)
{
    private readonly StringBuilder _text = new(literalLength + 24 * formattedCount);

    public void AppendLiteral(string text) => _text.Append(text);

    public void AppendFormatted<T>(T value, string? format = null) => _text.Append(ForeignText.Quote(
        value is IFormattable number ? number.ToString(format, null) : value?.ToString() ?? ""));

    public void AppendFormatted<T>(T value, int alignment, string? format = null)
    {
        var start = _text.Length;
        AppendFormatted(value, format);
        var missing = Math.Abs(alignment) - (_text.Length - start);
        if (missing > 0) _text.Insert(alignment > 0 ? start : _text.Length, " ", missing);
    }

    public override string ToString() => _text.ToString();
}
