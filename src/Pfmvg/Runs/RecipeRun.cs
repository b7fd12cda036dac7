using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>A way to train and to answer, under a name.</summary>
/// <param name="Name">What tables call it.</param>
/// <param name="Configuration">All of its settings; the seed is that of each run.</param>
internal sealed record Recipe(string Name, PfmvgConfiguration Configuration);

/// <summary>How recipes are to be compared.</summary>
internal sealed record RecipeOptions
{
    /// <summary>The split that is answered.</summary>
    public Split Split { get; init; } = Split.Test;

    /// <summary>Trains again what is there but was trained with other settings, weights or data.</summary>
    public bool Overwrite { get; init; }

    /// <summary>As <see cref="EvaluationOptions.Isolate"/>.</summary>
    public bool Isolate { get; init; }

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>What a user types to continue after an interrupt; null for the same call.</summary>
    public string? ResumeCommand { get; init; }
}

/// <summary>
/// Trains and answers by several recipes over several seeds on one study. What is there is gathered, what was interrupted is continued.
/// Recipes that train alike share the training.
/// </summary>
internal static class RecipeRun
{
    /// <summary>Everything that is wrong with a list of recipes and seeds; empty when nothing is.</summary>
    public static IReadOnlyList<string> Problems(IReadOnlyList<Recipe> recipes, IReadOnlyList<int> seeds)
    {
        List<string> problems = [];
        foreach (var same in recipes.GroupBy(recipe => recipe.Name, StringComparer.OrdinalIgnoreCase).Where(same => same.Count() > 1))
            problems.Add($"the recipe '{ForeignText.Quote(same.Key)}' is given {same.Count()} times; give each its own name");
        foreach (var same in seeds.GroupBy(seed => seed).Where(same => same.Count() > 1))
            problems.Add($"the seed {same.Key} is given {same.Count()} times; a run with the same seed is the same run");
        foreach (var (recipe, earlier) in recipes.Skip(1).Select((recipe, r) => (recipe, recipes.Take(r + 1))))
            if (earlier.FirstOrDefault(one => Settings(one) == Settings(recipe)) is { } same && !IsNamed(same, recipe.Name))
                problems.Add($"the recipe '{ForeignText.Quote(recipe.Name)}' has the settings of '{ForeignText.Quote(same.Name)}'; give it "
                    + $"another file, or --change {ForeignText.Quote(recipe.Name)}:PATH=VALUE");
        foreach (var recipe in recipes.Skip(1))
        {
            var others = ConfigurationFile.Differences(recipes[0].Configuration, recipe.Configuration)
                .Where(change => OfStudy.Any(path => change.StartsWith(path, StringComparison.Ordinal))).ToList();
            if (others.Count > 0)
                problems.Add($"the recipe '{ForeignText.Quote(recipe.Name)}' has another study than '{ForeignText.Quote(recipes[0].Name)}' "
                    + $"({string.Join("; ", others.Select(ForeignText.Quote))}); recipes compare on one, so set these alike with --set");
        }

        return problems;

        static bool IsNamed(Recipe recipe, string name) => recipe.Name.Equals(name, StringComparison.OrdinalIgnoreCase);

        static string Settings(Recipe recipe) => ConfigurationFile.ToYaml(recipe.Configuration with { Name = "", Seed = 0 });
    }

    private static readonly string[] OfStudy = ["workspace:", "runs:", "data.folder:", "data.roots", "data.dicom:", "phantom"];

    /// <summary>The settings of a recipe's run.</summary>
    public static PfmvgConfiguration Run(IReadOnlyList<Recipe> recipes, int recipe, int seed) => recipes[recipe].Configuration with
    {
        Name = $"{recipes[0].Configuration.Name}.{recipes[recipe].Name}.seed{seed}", Seed = seed,
    };

    /// <summary>Trains and answers what is missing.</summary>
    /// <param name="open">Opens a session for a configuration.</param>
    /// <param name="recipes">At least two, without <see cref="Problems"/>.</param>
    /// <param name="seeds">At least one.</param>
    /// <param name="options">Split, and what to do with another configuration's training.</param>
    /// <returns>[recipe][seed].</returns>
    /// <exception cref="InputException">A part holds another training, or something that a recipe needs is absent or wrong.</exception>
    public static IReadOnlyList<IReadOnlyList<EvaluationResult>> Execute(
        Func<PfmvgConfiguration, Session> open, IReadOnlyList<Recipe> recipes, IReadOnlyList<int> seeds, RecipeOptions options)
    {
        var sessions = recipes.Select((_, r) => seeds.Select(seed => open(Run(recipes, r, seed))).ToArray()).ToArray();
        // What differs by its settings alone is refused before the hours of the trainings in front of it.
        List<string> problems = [];
        if (!options.Overwrite)
            foreach (var (stage, configuration) in Trainings(sessions))
                if (EarlierTraining.OtherSettings(configuration, new TrainingOptions { Stage = stage }) is { Count: > 0 } changes)
                    problems.Add($"the training in {RunFolder.ForPart(configuration, $"stage{stage}").Path} is not this recipe's: "
                        + string.Join("; ", changes));
        var all = string.Join("; ", problems);
        if (problems.Count > 0)
            throw new InputException(
                all + ". Put them back, train again what does not fit with --overwrite, or keep both with --set name=OTHER.");
        sessions[0][0].PrepareData();
        foreach (var session in sessions.SelectMany(own => own))
        {
            session.PrepareData();
            var data = GroundingSetup.OpenData(session.Configuration);
            foreach (var stage in (int[])[1, 2])
                TrainingForecast.RequireBest(session.Configuration, stage,
                    data.Read(session.Configuration.Stage(stage).Task, Split.Validate).Count, isAsked: true);
        }

        var results = recipes.Select(_ => new EvaluationResult[seeds.Count]).ToArray();
        for (var s = 0; s < seeds.Count; s++)
            for (var r = 0; r < recipes.Count; r++)
            {
                var session = sessions[r][s];
                session.Tell($"recipe {recipes[r].Name}, seed {seeds[s]}");
                var own = sessions.Select(of => of[s]).ToList();
                results[r][s] = EvaluationRun.Execute(session, new EvaluationOptions
                {
                    Split = options.Split, From = Trained(own, r, options), Gather = true, Isolate = options.Isolate,
                    Command = options.Command, ResumeCommand = options.ResumeCommand ?? "the same command",
                });
            }

        return results;
    }

    /// <summary>The folder of stage 2 for a recipe, trained by the first recipe of the same seed that trains alike.</summary>
    private static string Trained(List<Session> sessions, int recipe, RecipeOptions options)
    {
        var (first, second) = (Owner(1), Owner(2));
        AblationRun.Train(first, new TrainingOptions { Stage = 1, Command = options.Command }, options.Overwrite, options.ResumeCommand);
        var from = first == second ? null : RunFolder.ForPart(first.Configuration, "stage1").Path;
        AblationRun.Train(second, new TrainingOptions { Stage = 2, From = from, Command = options.Command }, options.Overwrite,
            options.ResumeCommand);
        return RunFolder.ForPart(second.Configuration, "stage2").Path;

        Session Owner(int stage) =>
            sessions.First(session => Key(session.Configuration, stage) == Key(sessions[recipe].Configuration, stage));
    }

    /// <summary>Every training that will be there, once.</summary>
    private static IEnumerable<(int Stage, PfmvgConfiguration Configuration)> Trainings(Session[][] sessions) =>
        from stage in (int[])[1, 2]
        from session in sessions.SelectMany(own => own).DistinctBy(session => Key(session.Configuration, stage))
        select (stage, session.Configuration);

    /// <summary>What a stage's training depends on.</summary>
    private static string Key(PfmvgConfiguration configuration, int stage) => ConfigurationFile.ToYaml(configuration with
    {
        Name = "key", Eval = new EvalSettings { Checkpoint = configuration.Eval.Checkpoint },
        Stage2 = stage == 1 ? new StageSettings() : configuration.Stage2,
    });
}
