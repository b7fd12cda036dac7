using System.CommandLine;
using System.CommandLine.Parsing;

namespace Pfmvg.Cli.Options;

/// <summary>Expands `~` and variables in every option and argument that is a path, in one place and by one rule.</summary>
internal static class PathArguments
{
    // What is written for a value that is a path; --set's values are settings and expanded there.
    private static readonly string[] PathNames = ["FILE", "FOLDER", "DIR", "PATH", "CSV", "NAME=FOLDER", "ratio|official|FILE"];

    /// <summary>The arguments with every path written out; the same list where there is nothing to expand.</summary>
    /// <exception cref="InputException">A path names a variable that is not set.</exception>
    public static string[] Expand(ParseResult parsed, string[] arguments)
    {
        var replaced = new Dictionary<Token, string>(ReferenceEqualityComparer.Instance);
        foreach (var result in Children(parsed.CommandResult))
            foreach (var token in result.Tokens)
                if (Expand(result, token.Value) is var path && path != token.Value) replaced[token] = path;
        return replaced.Count == 0 ? arguments : [.. parsed.Tokens.Select(token => replaced.GetValueOrDefault(token, token.Value))];

        static IEnumerable<SymbolResult> Children(CommandResult command) => command.Children.Where(IsPath);
    }

    private static bool IsPath(SymbolResult result) => result switch
    {
        OptionResult { Implicit: false, Option.HelpName: { } name } =>
            PathNames.Contains(name.Replace(" ...", "", StringComparison.Ordinal)),
        OptionResult { Implicit: false, Option.ValueType: var type } => typeof(FileSystemInfo).IsAssignableFrom(type),
        ArgumentResult { Argument.ValueType: var type } => // every argument of ours is a file or a folder
            type == typeof(string) || type == typeof(string[]),
        _ => false,
    };

    // A folder of pictures stands behind the name of its data set.
    private static string Expand(SymbolResult result, string value)
    {
        var at = result is OptionResult { Option.HelpName: "NAME=FOLDER" } ? value.IndexOf('=', StringComparison.Ordinal) + 1 : 0;
        return value[..at] + PathText.Expand(value[at..]);
    }
}
