using System.CommandLine;
using System.Text.RegularExpressions;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Comparing;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg recipe compare`: several recipes over several seeds on one study, each against the first.</summary>
internal static partial class RecipeCommand
{
    private const int FewestRecipes = 2;

    public static Command Create() => new("recipe", "Compare ways to train and to answer.") { CompareCommand() };

    private static Command CompareCommand()
    {
        var scoring = new ScoringArguments();
        var recipes = new Argument<string[]>("RECIPE")
        {
            Description = "NAME=FILE, a configuration file, or NAME alone for that of --config; at least two. The first is the one that "
                + "the others are compared with.",
            Arity = ArgumentArity.OneOrMore,
        };
        var changes = new Option<string[]>("--change")
        {
            Description = "Change one setting of one recipe, as in --change fast:stage2.epochs=5. May be repeated.",
            HelpName = "NAME:PATH=VALUE",
            DefaultValueFactory = _ => [],
        };
        var seeds = new Option<string>("--seeds")
        {
            Description = "The seeds of the runs, such as 42,43,44.",
            HelpName = "LIST",
            DefaultValueFactory = _ => "42,43,44",
        };
        var split = new Option<string>("--split")
        {
            Description = "Score this split: train, validate or test.",
            DefaultValueFactory = _ => "test",
            HelpName = "SPLIT",
        };
        var output = new Option<string?>("--out")
        {
            Description = "Folder for recipes.md and recipes.json. Default: recipes/SPLIT beside the runs of the first recipe.",
            HelpName = "FOLDER",
        }.Writes(PathKind.Folder);
        var overwrite = new Option<bool>("--overwrite")
        {
            Description = "Train again what was trained with other settings, weights or data; what fits is kept.",
        };
        var strict = new Option<bool>("--strict")
        {
            Description = "Stop at the first picture of the split that cannot be read, instead of scoring its phrases 0.",
        };
        var command = new Command("compare",
            "Train and answer by several recipes over several seeds on one study, and print how each differs from the first.")
        {
            recipes, changes, seeds, split, output, overwrite, strict,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        scoring.AddTo(command, files: false);
        command.SetAction(parsed =>
        {
            var (rules, format) = (scoring.Options(parsed) with { Reading = null }, scoring.Format(parsed));
            if (rules.Protocol == Protocol.Map50)
                throw new InputException("Recipes are compared in IoU, which the protocol map50 does not have; choose another --protocol.");
            string[] line = [.. parsed.Tokens.Select(token => token.Value).Prepend("pfmvg")];
            var options = new RecipeOptions
            {
                Split = SplitNames.Parse("--split", parsed.GetValue(split)!), Overwrite = parsed.GetValue(overwrite),
                Isolate = !parsed.GetValue(strict), Command = line, ResumeCommand = ShellWords.Join(line),
            };
            var (tried, numbers) = Read(parsed.GetValue(recipes)!, parsed.GetValue(changes)!, parsed.GetValue(seeds)!,
                (file, set) => configuration.Read(parsed, file, set));
            var allRules = tried.Select(recipe => scoring.ForModel(parsed, rules, recipe.Configuration.Eval)).ToList();
            const string Advice = "a training writes a checkpoint after this step; the same command continues.";
            return Job.Run(() => RecipeRun.Run(tried, 0, numbers[0]), Advice, first =>
            {
                var results = RecipeRun.Execute(first.Beside, tried, numbers, options);
                if (!first.IsFirst) return ExitCode.Success;
                Interrupt.LoseNothing();
                var tables = results.Select((own, r) => own.Select(result =>
                {
                    var table = Scorer.Score(result.Predictions, allRules[r]);
                    EvaluationRun.Record(result.Folder, table);
                    return table;
                }).ToList()).ToList();
                var compared = new RecipeComparison([.. tried.Select(recipe => recipe.Name)], numbers, tables);
                var settings = tried.Select(recipe => ConfigurationFile.Differences(tried[0].Configuration, recipe.Configuration)
                    .Where(change => !change.StartsWith("name:", StringComparison.Ordinal)).ToList()).ToList();
                var grid = compared.Grid(settings);
                var folder = parsed.GetValue(output) ?? Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(
                    results[0][0].Folder.Path))!, $"{tried[0].Configuration.Name}.recipes", parsed.GetValue(split)!);
                Directory.CreateDirectory(folder);
                AtomicFile.WriteText(Path.Combine(folder, "recipes.md"), grid.Print(TableFormat.Markdown));
                var json = compared.ToJson(settings, [.. results.Select(own => own.Select(result => result.Folder.Path).ToList())]);
                AtomicFile.Write(Path.Combine(folder, "recipes.json"), stream => stream.Write(json));
                if (format == TableFormat.Json) Terminal.Standard.PrintDocument(System.Text.Encoding.UTF8.GetString(json));
                else GridPrinter.Print(grid, format);
                Terminal.Standard.Message($"Table: {Path.Combine(folder, "recipes.md")}, recipes.json");
                return EvalCommand.CodeOf(results.SelectMany(own => own));
            });
        });
        return command;
    }

    /// <summary>The recipes and seeds that a command line names, or everything that is wrong with them.</summary>
    /// <param name="recipes">NAME=FILE or NAME each.</param>
    /// <param name="changes">NAME:PATH=VALUE each.</param>
    /// <param name="seeds">Numbers with commas between them.</param>
    /// <param name="read">Reads a configuration: a file, or null for the common one, and further settings.</param>
    /// <exception cref="InputException">Something is wrong; the message names all of it.</exception>
    internal static (IReadOnlyList<Recipe> Recipes, IReadOnlyList<int> Seeds) Read(IReadOnlyList<string> recipes,
        IReadOnlyList<string> changes, string seeds, Func<string?, IReadOnlyList<string>, PfmvgConfiguration> read)
    {
        List<string> problems = [];
        var numbers = new List<int>();
        foreach (var text in seeds.Split(',', StringSplitOptions.TrimEntries))
            if (int.TryParse(text, System.Globalization.NumberStyles.None, null, out var seed)) numbers.Add(seed);
            else problems.Add($"--seeds: '{ForeignText.Quote(text)}' is no seed; write whole numbers with commas between, as 42,43,44");
        var named = recipes.Select(text => text.Split('=', 2))
            .Select(parts => (Name: parts[0], File: parts.ElementAtOrDefault(1))).ToList();
        if (named.Count < FewestRecipes)
            problems.Add("there is one recipe; name at least two, of which the first is the one that the others are compared with");
        var own = new List<(string Name, string Setting)>();
        foreach (var text in changes)
        {
            var parts = text.Split(':', 2);
            if (parts.Length < 2 || !parts[1].Contains('=', StringComparison.Ordinal))
                problems.Add($"--change {ForeignText.Quote(text)}: write NAME:PATH=VALUE, as in fast:stage2.epochs=5");
            else if (!named.Exists(recipe => recipe.Name == parts[0]))
                problems.Add($"--change {ForeignText.Quote(text)}: there is no recipe '{ForeignText.Quote(parts[0])}'; there are "
                    + string.Join(", ", named.Select(recipe => ForeignText.Quote(recipe.Name))));
            else own.Add((parts[0], parts[1]));
        }

        var found = new List<Recipe>();
        foreach (var (name, file) in named)
        {
            if (!RecipeName().IsMatch(name))
                problems.Add($"'{ForeignText.Quote(name)}' is no name of a recipe, which becomes a part of a folder's name; use letters, "
                    + "digits, '-' and '_'");
            try
            {
                found.Add(new Recipe(name, read(file, [.. own.Where(change => change.Name == name).Select(change => change.Setting)])));
            }
            catch (InputException wrong)
            {
                problems.Add($"recipe '{ForeignText.Quote(name)}': {wrong.Message.TrimEnd('.')}");
            }
        }

        if (found.Count == named.Count) problems.AddRange(RecipeRun.Problems(found, numbers));
        return problems.Count == 0 ? (found, numbers) : throw new InputException(problems.Count == 1 ? $"{problems[0]}."
            : $"{problems.Count} things are wrong:{string.Concat(problems.Select(problem => $"\n  {problem}."))}");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_-]{0,40}\z")] private static partial Regex RecipeName();
}
