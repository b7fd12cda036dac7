using System.CommandLine;
using Pfmvg.Cli;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Process;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

/// <summary>Laws over all commands and options there are.</summary>
public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<(string[] Words, Command Command)> Commands() => Below([], CommandTree.Create());

    private static IEnumerable<(string[] Words, Command Command)> Below(string[] words, Command command) => command.Subcommands.SelectMany(
        inner => Below([.. words, inner.Name], inner).Prepend(([.. words, inner.Name], inner)));

    private static IReadOnlyList<string> Errors(params string[] words) => ParseErrors.Of(CommandTree.Create().Parse(words));

    [Fact]
    public void A_misspelt_command_is_named_and_the_nearest_one_suggested()
    {
        foreach (var (words, _) in Commands().Where(command => command.Words[^1].Length > 3))
        {
            var name = words[^1];
            var typos = Enumerable.Range(0, name.Length - 1).SelectMany(i => (string[])
                [name.Remove(i, 1), name.Insert(i, "q"), $"{name[..i]}{name[i + 1]}{name[i]}{name[(i + 2)..]}"])
                .Where(typo => typo != name);
            foreach (var typo in typos)
            {
                var error = Assert.Single(Errors([.. words[..^1], typo, "--what", "ever"]));
                Assert.Equal($"There is no command '{typo}'. Did you mean '{name}'?", error);
            }
        }

        Assert.Contains("There is no command 'frobnicate'. Did you mean one of demo, train,", Assert.Single(Errors("frobnicate")),
            StringComparison.Ordinal);
        Assert.Equal("There is no command 'inspect'. Did you mean 'weights inspect'?", Assert.Single(Errors("inspect", "file")));
        Assert.Equal("'pfmvg runs' needs a command: list, show.", Assert.Single(Errors("runs")));
    }

    [Fact]
    public void A_misspelt_option_is_named_once_and_a_near_one_suggested()
    {
        foreach (var (words, command) in Commands().Where(command => command.Command.Subcommands.Count == 0))
            foreach (var option in command.Options.Where(option => option.Name.Length > 5))
            {
                var typo = option.Name + "q";
                var error = Assert.Single(Errors([.. words, typo, "value"]), error => error.Contains(typo, StringComparison.Ordinal));
                Assert.StartsWith($"There is no option {typo} here. Did you mean --", error, StringComparison.Ordinal);
                Assert.True(ParseErrors.Distance(typo, error.Split(' ')[^1].TrimEnd('?')) <= 1, error);
            }
    }

    [Theory]
    [InlineData("evla", "eval", 1), InlineData("", "abc", 3), InlineData("kitten", "sitting", 3), InlineData("same", "same", 0)]
    public void The_distance_of_words_is_that_of_Damerau_and_Levenshtein(string from, string to, int expected)
    {
        Assert.Equal(expected, ParseErrors.Distance(from, to));
        Assert.Equal(expected, ParseErrors.Distance(to, from));
    }

    [Fact]
    public void A_value_of_the_wrong_kind_is_refused_without_a_word_of_dotnet()
    {
        foreach (var (words, command) in Commands())
            foreach (var option in command.Options.Where(option => option.ValueType != typeof(bool)))
                foreach (var error in Errors([.. words, option.Name, "x,y\e[2J"]))
                    Assert.DoesNotContain("System.", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_path_of_every_command_that_leads_nowhere_is_refused_before_the_work()
    {
        File.WriteAllText(_folder.In("file"), "x");
        File.CreateSymbolicLink(_folder.In("loop"), "loop");
        string[] impossible = [_folder.In("loop"), _folder.In("file", "in"), _folder.In(new string('x', 300))];
        var looked = 0;
        foreach (var (words, command) in Commands().Where(command => command.Command.Subcommands.Count == 0))
            foreach (var path in impossible)
            {
                foreach (var option in command.Options.Where(option => option.HelpName is "FILE" or "FOLDER" or "DIR" or "PATH" or "CSV"))
                    Refused([.. words, option.Name, path], path);
                foreach (var _ in command.Arguments) Refused([.. words, path], path);
            }

        Assert.InRange(looked, 150, 10_000); // the tree is not empty

        void Refused(string[] line, string path)
        {
            looked++;
            var error = Assert.Throws<InputException>(() => PathArguments.Check(CommandTree.Create().Parse(line))).Message;
            Assert.Contains(path, error, StringComparison.Ordinal);
            Assert.Single(error.Split('\n'));
        }
    }

    [Fact]
    public void Every_output_is_known_as_one_and_refused_where_something_else_stands()
    {
        File.WriteAllText(_folder.In("file"), "x");
        var outputs = Commands().SelectMany(command => command.Command.Options.Where(OutputPaths.IsOutput)
            .Select(option => (command.Words, Option: option))).ToArray();
        foreach (var name in (string[])["--out", "--json", "--samples", "--overlay", "--heatmap", "--folder"])
            Assert.All(Commands().SelectMany(command => command.Command.Options.Select(option => (command.Words, Option: option)))
                .Where(found => found.Option.Name == name && found.Option.ValueType == typeof(string)),
                found => Assert.True(OutputPaths.IsOutput(found.Option), string.Join(' ', found.Words)));
        foreach (var (words, option) in outputs)
        {
            var (other, what) = option.HelpName == "FILE" ? (_folder.Path, "this is a folder; name a file")
                : option.HelpName == "PATH" ? ("/dev/null", "this is a device or a pipe")
                : (_folder.In("file"), "this is a file; name a folder");
            var error = Assert.Throws<InputException>(
                () => PathArguments.Check(CommandTree.Create().Parse([.. words, option.Name, other])));
            Assert.StartsWith($"{option.Name} {other}: {what}", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_output_never_replaces_what_is_read()
    {
        var (file, link) = (_folder.In("p.png"), _folder.In("q.png"));
        File.WriteAllText(file, "x");
        File.CreateSymbolicLink(link, file);
        foreach (var other in (string[])[file, link, Path.Combine(_folder.Path, ".", "p.png")])
            Assert.Contains("would replace what is read (--image)", Assert.Throws<InputException>(() => PathArguments.Check(
                CommandTree.Create().Parse(["predict", "--phrase", "x", "--image", file, "--overlay", other]))).Message,
                StringComparison.Ordinal);
        PathArguments.Check(CommandTree.Create().Parse(["predict", "--phrase", "x", "--image", file, "--overlay", _folder.In("new.png")]));
    }
}
