using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>How an ablation is to be run.</summary>
public sealed record AblationOptions
{
    /// <summary>The split that every row is scored on.</summary>
    public Split Split { get; init; } = Split.Test;

    /// <summary>Answers for the controls of the fully trained model, too.</summary>
    public bool Controls { get; init; }

    /// <summary>Trains again what is there but was trained with other settings, weights or data.</summary>
    public bool Overwrite { get; init; }

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];
}

/// <summary>A row of the ablation: which stages were trained, and the answers.</summary>
public sealed record AblationRow(bool Stage1, bool Stage2, EvaluationResult Result);

/// <summary>
/// The four rows of the paper's Tables 3 and 4 for one configuration: the base weights alone, stage 1 only, stage 2 only, and
/// both. What is there is gathered, what was interrupted is gone on with, what is missing is run.
/// </summary>
public static class AblationRun
{
    /// <summary>Trains and answers what is missing.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="options">Split, controls, and what to do with another configuration's training.</param>
    /// <param name="world">The processes that compute together.</param>
    /// <param name="train">Trains a stage on all of them.</param>
    /// <param name="tell">Told on rank 0, in a line each, what a user wants to know.</param>
    /// <param name="answered">Told on rank 0 how many of how many phrases are answered.</param>
    /// <param name="interrupt">Stops in order; the same call goes on.</param>
    /// <returns>Four rows: none, stage 1, stage 2, both.</returns>
    /// <exception cref="InputException">A part holds another training, or something that it needs is absent or wrong.</exception>
    public static IReadOnlyList<AblationRow> Execute(
        PfmvgConfiguration configuration, AblationOptions options, ICommunicator world, Action<TrainingOptions> train, Action<string> tell,
            Action<int, int> answered,
        CancellationToken interrupt)
    {
        if (world.Rank != 0) tell = _ => { };
        TrainingOptions[] trainings =
        [
            new() { Stage = 1, Command = options.Command },
            new() { Stage = 2, Command = options.Command, FromBase = true, Part = "stage2-only" },
            new() { Stage = 2, Command = options.Command },
        ];
        // What is foreign by its settings alone is refused before the hours of the stage in front of it.
        if (world.Rank == 0 && !options.Overwrite)
            foreach (var training in trainings) Refuse(configuration, training, EarlierTraining.OtherSettings(configuration, training));
        foreach (var training in trainings)
        {
            Span<double> plan = [world.Rank == 0
                ? (double)Plan(configuration, training, options.Overwrite, world.LocalRank, interrupt) : 0];
            world.AllReduceSum(plan);
            var todo = (ToDo)(int)plan[0];
            if (todo == ToDo.Nothing) tell($"gathered  {training.Folder(configuration).Path}");
            else train(training with
            {
                GoOn = "the same command",
                Existing = todo switch { ToDo.GoOn => ExistingRun.Resume, ToDo.Again => ExistingRun.Overwrite, _ => ExistingRun.Refuse },
            });
        }

        var split = options.Split.ToString().ToLowerInvariant();
        return
        [
            Row(false, false, new EvaluationOptions { Split = options.Split, FromBase = true, Part = $"eval-{split}-base" }),
            Row(true, false, new EvaluationOptions
            {
                Split = options.Split,
                From = trainings[0].Folder(configuration).Path,
                Part = $"eval-{split}-stage1",
            }),
            Row(false, true, new EvaluationOptions
            {
                Split = options.Split,
                From = trainings[1].Folder(configuration).Path,
                Part = $"eval-{split}-stage2-only",
            }),
            Row(true, true, new EvaluationOptions { Split = options.Split, Controls = options.Controls }),
        ];

        AblationRow Row(bool stage1, bool stage2, EvaluationOptions evaluation)
        {
            tell($"answering with {(stage1, stage2) switch { (false, false) => "the base weights", (true, false) => "stage 1 only", (false, true) => "stage 2 only", _ => "both stages" }}");
            return new AblationRow(stage1, stage2,
                EvaluationRun.Execute(configuration, evaluation with { Gather = true }, world, tell, answered, interrupt));
        }
    }

    private enum ToDo
    {
        Nothing,
        Begin,
        GoOn,
        Again,
    }

    private static ToDo Plan(PfmvgConfiguration configuration, TrainingOptions training, bool overwrite, int localRank,
        CancellationToken interrupt)
    {
        if (EarlierTraining.Find(configuration, training, localRank, interrupt) is not { } earlier) return ToDo.Begin;
        if (earlier.Changes.Count == 0) return earlier.Info.Status == RunStatus.Finished ? ToDo.Nothing : ToDo.GoOn;
        if (!overwrite) Refuse(configuration, training, earlier.Changes);
        return ToDo.Again;
    }

    private static void Refuse(PfmvgConfiguration configuration, TrainingOptions training, IReadOnlyList<string> changes)
    {
        if (changes.Count == 0) return;
        throw new InputException($"The training in {training.Folder(configuration).Path} is not this configuration's: "
            + $"{string.Join("; ", changes)}. Put them back, train again what does not fit with --overwrite, or keep both with --set name=OTHER.");
    }
}
