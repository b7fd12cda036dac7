using System.CommandLine;
using System.CommandLine.Parsing;

namespace Pfmvg.Cli.Options;

/// <summary>Expands `~` and variables in every option and argument that is a path and looks at the paths, by one rule.</summary>
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
    }

    /// <summary>Refuses paths that lead nowhere and outputs that cannot be written, before any work.</summary>
    /// <exception cref="InputException">There is such a path.</exception>
    public static void Check(ParseResult parsed)
    {
        var inputs = Children(parsed.CommandResult)
            .Where(result => result is not OptionResult { Option: var option } || !OutputPaths.IsOutput(option))
            .SelectMany(result => result.Tokens.Select(token =>
                (Name: Name(result), Kind: Kind(result), Path: token.Value[ValueAt(result, token.Value)..])))
            .ToArray();
        foreach (var (name, kind, path) in inputs.Where(input => input.Path.Length > 0))
        {
            var wrong = FileFault.Impossible(path)
                ?? (kind == PathKind.File && Directory.Exists(path) ? "this is a folder; name a file"
                : kind == PathKind.Folder && File.Exists(path) ? "this is a file; name a folder" : null);
            if (wrong is not null) throw new InputException($"{(name.Length > 0 ? name + " " : "")}{path}: {wrong}.");
        }

        OutputPaths.Check(parsed, [.. inputs.Select(input => (input.Name, input.Path))]);

        static string Name(SymbolResult result) => result is OptionResult option ? option.Option.Name : "";

        static PathKind Kind(SymbolResult result) => result switch
        {
            OptionResult { Option.HelpName: "FILE" or "CSV" } => PathKind.File,
            OptionResult { Option.HelpName: "FOLDER" or "DIR" or "NAME=FOLDER" } => PathKind.Folder,
            ArgumentResult { Argument.Name: "FOLDER" or "DIR" or "PREPARED" } => PathKind.Folder,
            _ => PathKind.Either,
        };
    }

    private static IEnumerable<SymbolResult> Children(CommandResult command) => command.Children.Where(IsPath);

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
        var at = ValueAt(result, value);
        return value[..at] + PathText.Expand(value[at..]);
    }

    private static int ValueAt(SymbolResult result, string value) =>
        result is OptionResult { Option.HelpName: "NAME=FOLDER" } ? value.IndexOf('=', StringComparison.Ordinal) + 1 : 0;
}
