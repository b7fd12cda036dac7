using System.Collections;
using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Help;
using System.Globalization;
using System.Text;
using Pfmvg.Cli;

namespace Pfmvg.Tests.House;

/// <summary>The text of docs/cli.md, made from the commands.</summary>
internal static class CommandReference
{
    private const int Width = 110;

    /// <summary>The whole page; <paramref name="remedy"/> is the command that writes it anew.</summary>
    public static string Page(string remedy)
    {
        var commands = Below(CommandTree.Create(), "pfmvg").ToArray();
        var page = new StringBuilder("# Command line reference\n\n");
        page.Append(Wrap("Every command with its options, as `pfmvg COMMAND --help` shows them. Options may stand before or after "
            + "arguments. A default stands behind its option; an option without one does nothing until it is given. The settings that"
            + " `--set` changes are listed in [configuration.md](configuration.md). "
            + "`pfmvg --version` prints the version. Exit codes: 0 done, 1 failure, 2 wrong input, 130 interrupted, 141 when the "
            + "reader of the results has gone (as in `| head`).")).Append('\n');
        page.Append(Wrap("This page is made from the program, and a test fails when it is stale. Do not edit it; write it anew with:"));
        page.Append($"\n```sh\n{remedy}\n```\n\n");
        foreach (var (name, command) in commands)
            page.Append(Wrap($"- [{name}](#{name.Replace(' ', '-')}): {command.Description}", indent: 2));
        foreach (var (name, command) in commands) page.Append(Section(name, command));
        return page.ToString();
    }

    private static IEnumerable<(string Name, Command Command)> Below(Command parent, string name) =>
        from command in parent.Subcommands
        where !command.Hidden
        from entry in (IEnumerable<(string, Command)>)[($"{name} {command.Name}", command), .. Below(command, $"{name} {command.Name}")]
        select entry;

    private static string Section(string name, Command command)
    {
        var options = command.Options.Where(option => option is { Hidden: false } and not HelpOption).ToArray();
        var usage = command.Arguments.Select(Usage).Concat(options.Where(option => option.Required).Select(Signature));
        var section = new StringBuilder($"\n## {name}\n\n{Wrap(command.Description!)}\n");
        var below = command.Subcommands.Where(child => !child.Hidden).Select(child => child.Name).ToArray();
        if (below.Length > 0) usage = usage.Append(string.Join('|', below));
        else if (options.Any(option => !option.Required)) usage = usage.Append("[options]");
        section.Append($"```sh\n{string.Join(' ', [name, .. usage])}\n```\n");
        if (command.Arguments.Count + options.Length > 0) section.Append('\n');
        foreach (var argument in command.Arguments) section.Append(Entry($"`{Usage(argument)}`", argument.Description, Default(argument)));
        foreach (var option in options)
        {
            var names = option.Aliases.Prepend(Signature(option)).Select(alias => $"`{alias}`");
            section.Append(Entry(string.Join(", ", names), option.Description, option.Required ? "required" : Default(option)));
        }

        return section.ToString();
    }

    private static string Entry(string name, string? description, string? note) =>
        Wrap($"- {name}{(note is null ? "" : $" ({note})")}:\n"
            + (description ?? throw new InvalidOperationException($"{name} lacks a description.")), indent: 2);

    private static string Usage(Argument argument) => argument.Arity.MinimumNumberOfValues == 0 ? $"[{argument.Name}]"
        : argument.Arity.MaximumNumberOfValues > 1 ? $"{argument.Name}..." : argument.Name;

    // The option with the name of its value: the given one, else the possible values, else a word for its type.
    private static string Signature(Option option)
    {
        var type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
        if (type == typeof(bool)) return option.Name;
        var values = string.Join('|', option.GetCompletions(CompletionContext.Empty).Select(value => value.Label));
        if (type.IsEnum) values = values.ToLowerInvariant();
        var word = values.Length > 0 ? values : type.IsPrimitive ? "N" : type.IsAssignableTo(typeof(FileSystemInfo)) ? "FILE" : "VALUE";
        return $"{option.Name} {option.HelpName ?? word}";
    }

    private static string? Default(Option option) => option.HasDefaultValue ? Default(option.GetDefaultValue()) : null;

    private static string? Default(Argument argument) => argument.HasDefaultValue ? Default(argument.GetDefaultValue()) : null;

    private static string? Default(object? value) => value switch
    {
        null or false => null,
        string text => $"default: `{text}`",
        Enum => $"default: `{value.ToString()!.ToLowerInvariant()}`",
        IEnumerable values => string.Join(',', values.Cast<object>()) is { Length: > 0 } joined ? $"default: `{joined}`" : null,
        _ => $"default: `{Convert.ToString(value, CultureInfo.InvariantCulture)}`",
    };

    // A line break in the text stays one; a word longer than a line stays whole.
    private static string Wrap(string text, int indent = 0)
    {
        var wrapped = new StringBuilder();
        foreach (var (number, paragraph) in text.Split('\n').Index())
        {
            var line = new StringBuilder(number == 0 ? "" : new string(' ', indent));
            foreach (var word in paragraph.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                if (line.Length + word.Length > Width && line.ToString().Trim().Length > 0)
                {
                    wrapped.Append(line.ToString().TrimEnd()).Append('\n');
                    line.Clear().Append(' ', indent);
                }

                line.Append(word).Append(' ');
            }

            wrapped.Append(line.ToString().TrimEnd()).Append('\n');
        }

        return wrapped.ToString();
    }
}
