using System.Text;
using System.Text.RegularExpressions;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Texts: their cells, words and lines. Bytes are letters of Latin-1 here, so that wrong UTF-8 stays as it is.</summary>
internal static partial class Words
{
    /// <summary>Texts that programs stumble over, whatever stands there.</summary>
    public static readonly string[] Odd =
    [
        "", " ", "0", "-1", "+1", "1e999", "-1e999", "1e-999", "NaN", "Infinity", "-0", "1,5", "0x10", "1_000", "٣", "１２", "2147483648",
        "-2147483649",
        "9223372036854775808", "99999999999999999999999999", "0.1.2", "null", "true", "~", "\0", "\u001b[31mred\u001b[0m", "\u202egnp.exe",
        "\ufeff", "\u2028", "é", "😀", "\ud7ff", "../../../../etc/passwd", "/dev/zero", "/dev/stdin", "C:\\x", "a/b", "a//b", ".", "..",
        "*", "%s%n",
        "\"", "'", "\\", "\"\"", "a\"b", "{", "}", "[", "]", "<", ">", "{<1><2><3><4>}", "<box>", "[0.1,0.2,0.3,0.4]", "bbox_2d", "<s>",
        "</s>", "[PAD]",
        new string('9', 400), new string('a', 3000), new string('[', 300), new string('(', 3000), new string('{', 3000), new string('<',
            3000),
    ];

    // What YAML knows beyond texts.
    private static readonly string[] Yaml =
    [
        "&a ", "*a", "!!binary ", "!!float ", "!x ", "---\n", "...\n", "%YAML 1.2\n", "? ", ": ", "- ", "|\n", ">\n", "|+2\n", "#", "\t",
        "<<: ", "@", "`",
        "{a: b", "[a, b", "'a", "\"a", "\"\\ud800\"", "\"\\x\"", "!!python/object:os.system ", "\r", "\u0085", "{? }", "[[]]", "{{}}",
        ",", "on", "1:30",
    ];

    public static Mutation Tokens { get; } = Of(Token(), Odd);

    public static Mutation Lines { get; } = Of(Line(), Odd);

    public static Mutation YamlTokens { get; } = Of(Token(), [.. Odd, .. Yaml, .. Yaml]);

    /// <summary>Cells, or what they are made of; a changed one may lose its quotes or get a line break.</summary>
    private static Mutation Of(Regex parts, string[] odd) => new Parts<string>(
        bytes => [.. parts.Matches(Encoding.Latin1.GetString(bytes)).Select(match => match.Value)],
        list => Encoding.Latin1.GetBytes(string.Concat(list)),
        (part, dice) => dice.Below(8) switch
        {
            0 => Encoding.Latin1.GetString(Bytes.Change(Encoding.Latin1.GetBytes(part), dice)),
            1 => part + Utf8(dice.Pick(odd)),
            2 => Utf8(dice.Pick(odd)) + part,
            3 => dice.Pick(["\"", "'"]) + part,
            4 => part + dice.Pick(["\n", "\r", "\r\n", ",", "\t", ";", ":", " "]),
            _ => Utf8(dice.Pick(odd)),
        }).Change;

    private static string Utf8(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    [GeneratedRegex(@"[\s,;:=""'\[\]{}<>()]|[^\s,;:=""'\[\]{}<>()]+")]
    private static partial Regex Token();

    [GeneratedRegex(@"[^\n]*\n|[^\n]+\z")]
    private static partial Regex Line();
}
