using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;

namespace Pfmvg.Cli.Process;

/// <summary>What is wrong with a command line, in sentences that say what was probably meant.</summary>
internal static partial class ParseErrors
{
    private const int CloseWords = 3; // a third of a word may be wrong

    /// <summary>The sentences; none where the command line can be run.</summary>
    public static IReadOnlyList<string> Of(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        if (command.Subcommands.Count > 0 && parsed.Errors.Count > 0) return [CommandError(command, parsed.UnmatchedTokens)];
        var unknown = parsed.UnmatchedTokens.Where(word => word.StartsWith('-')).ToArray();
        var swallowed = parsed.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash) // it must not pass for a folder's name
            .Where(token => token.Type == TokenType.Argument && token.Value.StartsWith("--", StringComparison.Ordinal))
            .Select(token => token.Value);
        // What stands behind an unknown option is its value.
        var excess = unknown.Length > 0 ? [] : parsed.UnmatchedTokens;
        return
        [
            .. parsed.Errors.Select(error => error.Message)
                .Where(message => !parsed.UnmatchedTokens.Any(word => message.Contains($"'{word}'", StringComparison.Ordinal)))
                .Select(Reworded),
            .. unknown.Concat(swallowed).Distinct().Select(word => OptionError(command, word)),
            .. excess.Select(word => $"'{ForeignText.Quote(word)}' is one word too many: '{Name(command)}' has no place for it."),
        ];
    }

    private static string CommandError(Command command, IReadOnlyList<string> words)
    {
        var names = command.Subcommands.Where(known => !known.Hidden).Select(known => known.Name).ToArray();
        var list = string.Join(", ", names);
        if (words is not [var word, ..]) return $"'{Name(command)}' needs a command: {list}.";
        if (word.StartsWith('-')) return OptionError(command, word);
        var meant = Nearest(word, names) ?? command.Subcommands.SelectMany(known => known.Subcommands)
            .Where(inner => inner.Name == word).Select(inner => $"{inner.Parents.First().Name} {inner.Name}").FirstOrDefault();
        return $"There is no command '{ForeignText.Quote(word)}'. Did you mean {(meant is null ? $"one of {list}" : $"'{meant}'")}?";
    }

    private static string OptionError(Command command, string word)
    {
        var name = word.Split('=', ':')[0];
        var names = command.Options.Where(option => !option.Hidden)
            .SelectMany(option => option.Aliases.Where(alias => alias.Length > 2).Append(option.Name));
        return $"There is no option {ForeignText.Quote(name)} here."
            + (Nearest(name, [.. names]) is { } meant ? $" Did you mean {meant}?" : "");
    }

    private static string? Nearest(string word, string[] names)
    {
        var lower = word.ToLowerInvariant();
        if (word.TrimStart('-').Length == 0 || word.Length > 100) return null;
        var (name, distance) = names.Select(name => (name, Distance: Distance(lower, name))).OrderBy(pair => pair.Distance).First();
        return distance <= 1 + lower.TrimStart('-').Length / CloseWords ? name
            : names.FirstOrDefault(name => name.StartsWith(lower, StringComparison.Ordinal));
    }

    /// <summary>
    /// How many letters must be changed, added, left out or swapped with their neighbour to make one word of another (Damerau and
    /// Levenshtein, each piece edited once).
    /// </summary>
    internal static int Distance(string from, string to)
    {
        var table = new int[from.Length + 1, to.Length + 1];
        for (var i = 0; i <= from.Length; i++) table[i, 0] = i;
        for (var j = 0; j <= to.Length; j++) table[0, j] = j;
        for (var i = 1; i <= from.Length; i++)
        {
            for (var j = 1; j <= to.Length; j++)
            {
                var same = from[i - 1] == to[j - 1] ? 0 : 1;
                table[i, j] = Math.Min(Math.Min(table[i - 1, j] + 1, table[i, j - 1] + 1), table[i - 1, j - 1] + same);
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                    table[i, j] = Math.Min(table[i, j], table[i - 2, j - 2] + 1);
            }
        }

        return table[from.Length, to.Length];
    }

    private static string Name(Command command) =>
        string.Join(' ', command.Parents.OfType<Command>().Select(Name).Take(1).Append(command is RootCommand ? "pfmvg" : command.Name));

    // The parser's own words for a value of the wrong kind name a type of .NET.
    private static string Reworded(string message) => WrongKind().Match(message) is { Success: true } match
        ? $"{match.Groups["name"]} {ForeignText.Quote(match.Groups["value"].Value)}: give {Kind(match.Groups["type"].Value)}."
        : message;

    private static string Kind(string type) => type switch
    {
        _ when type.Contains("Int32", StringComparison.Ordinal) => $"a whole number, at most {int.MaxValue}",
        _ when type.Contains("Int64", StringComparison.Ordinal) => $"a whole number, at most {long.MaxValue}",
        _ when type.Contains("Double", StringComparison.Ordinal) || type.Contains("Single", StringComparison.Ordinal)
            => "a number, such as 0.5",
        _ when type.Contains("Boolean", StringComparison.Ordinal) => "true or false",
        _ => "a value of another kind (see --help)",
    };

    [GeneratedRegex("^Cannot parse argument '(?<value>.*)' for (option|command) '(?<name>.*)' as expected type '(?<type>.*)'",
        RegexOptions.Singleline)]
    private static partial Regex WrongKind();
}
