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

    /// <summary>As <see cref="EvaluationOptions.Isolate"/>: a picture that cannot be read costs its own answers only.</summary>
    public bool Isolate { get; init; }

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>What a user types to continue after an interrupt; null for the same call.</summary>
    public string? ResumeCommand { get; init; }
}

/// <summary>A row of the ablation: which stages were trained, and the answers.</summary>
public sealed record AblationRow(bool Stage1, bool Stage2, EvaluationResult Result);

/// <summary>
/// The four rows of the paper's Tables 3 and 4 for one configuration: the base weights alone, stage 1 only, stage 2 only, and
/// both. What is there is gathered, what was interrupted is continued, what is missing is run.
/// </summary>
public static class AblationRun
{
    /// <summary>Trains and answers what is missing.</summary>
    /// <param name="session">The configuration, and who computes together. After an interrupt the same call continues.</param>
    /// <param name="options">Split, controls, and what to do with another configuration's training.</param>
    /// <returns>Four rows: none, stage 1, stage 2, both.</returns>
    /// <exception cref="InputException">A part holds another training, or something that it needs is absent or wrong.</exception>
    public static IReadOnlyList<AblationRow> Execute(Session session, AblationOptions options)
    {
        TrainingOptions[] trainings =
        [
            new() { Stage = 1, Command = options.Command },
            new() { Stage = 2, Command = options.Command, FromBase = true, Part = "stage2-only" },
            new() { Stage = 2, Command = options.Command },
        ];
        var configuration = session.Configuration;
        // What differs by its settings alone is refused before the hours of the stage in front of it.
        if (session.IsFirst && !options.Overwrite)
            foreach (var training in trainings) RequireSame(session, training, EarlierTraining.OtherSettings(configuration, training));
        session.PrepareData();
        var data = GroundingSetup.OpenData(configuration);
        foreach (var stage in (int[])[1, 2])
            TrainingForecast.RequireBest(
                configuration, stage, data.Read(configuration.Stage(stage).Task, Split.Validate).Count, isAsked: true);
        foreach (var training in trainings) Train(session, training, options.Overwrite, options.ResumeCommand);

        var split = options.Split.ToString().ToLowerInvariant();
        var (stage1, stage2Only) = (trainings[0].Folder(configuration).Path, trainings[1].Folder(configuration).Path);
        return
        [
            Row(false, false, new EvaluationOptions { Split = options.Split, FromBase = true, Part = $"eval-{split}-base" }),
            Row(true, false, new EvaluationOptions { Split = options.Split, From = stage1, Part = $"eval-{split}-stage1" }),
            Row(false, true, new EvaluationOptions { Split = options.Split, From = stage2Only, Part = $"eval-{split}-stage2-only" }),
            Row(true, true, new EvaluationOptions { Split = options.Split, Controls = options.Controls }),
        ];

        AblationRow Row(bool stage1, bool stage2, EvaluationOptions evaluation)
        {
            session.Tell("answering with " + (stage1, stage2) switch
            {
                (false, false) => "the base weights",
                (true, false) => "stage 1 only",
                (false, true) => "stage 2 only",
                _ => "both stages",
            });
            return new AblationRow(stage1, stage2, EvaluationRun.Execute(session, evaluation with
            {
                Gather = true, Isolate = options.Isolate, Command = options.Command,
                ResumeCommand = options.ResumeCommand ?? "the same command",
            }));
        }
    }

    /// <summary>Trains what is missing: nothing where it is there, the rest where it was interrupted.</summary>
    /// <exception cref="InputException">The folder holds another training, which may not be overwritten.</exception>
    internal static void Train(Session session, TrainingOptions training, bool overwrite, string? resumeCommand)
    {
        var todo = session.World.FromRankZero(() => Plan(session, training, overwrite));
        if (todo == ToDo.Nothing) session.Tell($"gathered  {training.Folder(session.Configuration).Path}");
        else TrainingRun.Execute(session, training with { ResumeCommand = resumeCommand ?? "the same command", Existing = Existing(todo) });
    }

    /// <summary>What is to be done about a training.</summary>
    private enum ToDo
    {
        Nothing,
        Start,
        Continue,
        StartAgain,
    }

    private static ExistingRun Existing(ToDo todo) => todo switch
    {
        ToDo.Continue => ExistingRun.Resume,
        ToDo.StartAgain => ExistingRun.Overwrite,
        _ => ExistingRun.Refuse,
    };

    private static ToDo Plan(Session session, TrainingOptions training, bool overwrite)
    {
        if (EarlierTraining.Find(session, training) is not { } earlier) return ToDo.Start;
        if (earlier.Changes.Count == 0) return earlier.Info.Status == RunStatus.Finished ? ToDo.Nothing : ToDo.Continue;
        if (!overwrite) RequireSame(session, training, earlier.Changes);
        return ToDo.StartAgain;
    }

    private static void RequireSame(Session session, TrainingOptions training, IReadOnlyList<string> changes)
    {
        if (changes.Count == 0) return;
        throw new InputException($"The training in {training.Folder(session.Configuration).Path} is not this configuration's: "
            + $"{string.Join("; ", changes)}. Put them back, train again what does not fit with --overwrite, or keep both with "
            + "--set name=OTHER.");
    }
}
