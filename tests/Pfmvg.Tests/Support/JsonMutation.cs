using System.Text;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;

namespace Pfmvg.Tests.Support;

/// <summary>A change of a JSON text that others may make by mistake or on purpose.</summary>
internal sealed partial record JsonMutation(int Kind, int Place, int Other)
{
    private static readonly string[] Values =
    [
        "null", "true", "1.5", "-1", "1e400", "-1e400", "4294967296", "99999999999999999999", "1E5", "\"\"", "\"x\"", "\"\\ud800\"",
        "\"a\\udc00\"", "\"\\u0000\"", "\"\\u001b[2J\"", "\"../../etc/passwd\"", "\"NaN\"", "\"Infinity\"", "NaN", "{}", "[]", "[null]",
        "[[]]", "[1]", "{\"a\": 1, \"a\": 2}", "\"\u00ff\"", "\"\u00c3\"", "\"2026-13-45\"", "\"9999999999999999999999\"", "", ",", "\"",
        new string('[', 70), new string('[', 70) + new string(']', 70), new string('9', 400), "\"" + new string('y', 3000) + "\"",
    ];

    /// <summary>One to four changes.</summary>
    public static Arbitrary<JsonMutation[]> Several { get; } = (
        from count in Gen.Choose(1, 4)
        from changes in (
            from kind in Gen.Choose(0, 7)
            from place in Gen.Choose(0, 1 << 20)
            from other in Gen.Choose(0, 1 << 20)
            select new JsonMutation(kind, place, other)).ArrayOf(count)
        select changes).ToArbitrary();

    /// <summary>The text with all changes.</summary>
    public static byte[] Apply(string text, IEnumerable<JsonMutation> changes) => Encoding.Latin1.GetBytes(
        changes.Aggregate(Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text)), (changed, mutation) => mutation.Change(changed)));

    private string Change(string text)
    {
        var tokens = Token().Matches(text);
        if (text.Length == 0 || tokens.Count == 0) return text + Value;
        var (token, at, to) = (tokens[Place % tokens.Count], Place % text.Length, Other % text.Length);
        var (first, last) = (Math.Min(at, to), Math.Min(Math.Max(at, to), Math.Min(at, to) + 40));
        return Kind switch
        {
            0 or 1 or 2 => text[..token.Index] + Value + text[(token.Index + token.Length)..],
            3 => text[..token.Index] + tokens[Other % tokens.Count].Value + text[(token.Index + token.Length)..], // a name twice, too
            4 => text[..at],
            5 => text[..first] + text[last..],
            6 => text[..last] + text[first..],
            _ => text[..at] + (char)(Other % 256) + text[(at + 1)..],
        };
    }

    private string Value => Values[Other % Values.Length];

    [GeneratedRegex("\"(?:[^\"\\\\]|\\\\.)*\"|-?[0-9][0-9.eE+-]*|true|false|null|\\[[^\\[\\]{}]*\\]|\\{[^{}]*\\}")]
    private static partial Regex Token();
}
