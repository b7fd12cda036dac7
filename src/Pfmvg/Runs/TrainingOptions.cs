using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>How a stage is to be run.</summary>
public sealed record TrainingOptions
{
    /// <summary>1 or 2.</summary>
    public required int Stage { get; init; }

    /// <summary>Train the plain network instead of our own model. It has the stage of boxes only, 2, and starts from scratch.</summary>
    internal bool Cnn { get; init; }

    /// <summary>Trained tensors to start from; null takes stage 1's result for stage 2 and the base weights for stage 1.</summary>
    public string? From { get; init; }

    /// <summary>Start from the base weights whatever there is, for an ablation without stage 1.</summary>
    public bool FromBase { get; init; }

    /// <summary>What to do when the run folder already holds a run.</summary>
    public ExistingRun Existing { get; init; } = ExistingRun.Refuse;

    /// <summary>Continue although the configuration, the weights or the data have changed.</summary>
    public bool AllowChanges { get; init; }

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>Name of the part of the run; null is `stage1` or `stage2`, of the plain network `cnn`.</summary>
    public string? Part { get; init; }

    /// <summary>What a user types to continue after an interrupt; null for `pfmvg train --resume`.</summary>
    public string? ResumeCommand { get; init; }

    /// <summary>The part of the plain network's training.</summary>
    internal const string CnnPart = "cnn";

    /// <summary>What the part is called in messages.</summary>
    internal string Title => Part ?? Kind;

    /// <summary>What is trained, in messages.</summary>
    internal string Kind => Cnn ? CnnPart : $"stage {Stage}";

    /// <summary>The folder that the stage is trained in.</summary>
    public RunFolder Folder(PfmvgConfiguration configuration) =>
        RunFolder.ForPart(configuration, Part ?? (Cnn ? CnnPart : $"stage{Stage}"));

    /// <summary>The trained tensors to start from, which are there; null for the base weights alone.</summary>
    /// <exception cref="InputException">There is no such stage, or nothing to start from, or no best checkpoint of it.</exception>
    internal UsedCheckpoint? Start(PfmvgConfiguration configuration)
    {
        if (Cnn) return null;
        var (choice, setting, from) = (configuration.Stage(Stage).Start, $"stage{Stage}.start", From);
        var resumed = Existing == ExistingRun.Resume && From is null && !FromBase && File.Exists(Folder(configuration).InfoPath)
            ? RunInfo.Read(Folder(configuration).InfoPath).From : null; // what it was begun from; earlier versions did not note it
        if (resumed is not null) from = resumed == RunInfo.Base ? null : resumed;
        else if (from is null && Stage == 2 && !FromBase)
        {
            _ = RunFolder.FinishedStage1(configuration);
            from = RunFolder.ForPart(configuration, "stage1").Path;
        }
        else if (from is null && Stage == 1 && choice == CheckpointChoice.Best)
            throw new InputException($"{setting}=best chooses a checkpoint of the training in --from, and stage 1 without it begins with "
                + $"the base weights; name a training, or set {setting}=last.");
        return from is null ? null : ChosenCheckpoint.Of(from, choice, setting);
    }

    /// <summary>Whether the stage recomputes; null for the plain network. All ranks call it before the model is loaded.</summary>
    internal RecomputeDecision? Recompute(Session session, IReadOnlyList<Sample> training)
    {
        if (Cnn) return null;
        var begun = Existing != ExistingRun.Resume ? null
            : session.World.FromRankZero(() => EarlierTraining.Recomputes(Folder(session.Configuration), Stage));
        return RecomputeDecision.Of(session, Stage, begun, training);
    }

    /// <summary>The model that is trained, at its start.</summary>
    /// <param name="session">The configuration; its data are there.</param>
    /// <param name="from">Trained tensors to start from.</param>
    /// <param name="training">The samples that it is to learn from.</param>
    /// <exception cref="InputException">Weights are absent, or do not fit.</exception>
    internal IModelSetup Load(Session session, string? from, IReadOnlyList<Sample> training)
    {
        var (configuration, rank) = (session.Configuration, session.World.LocalRank);
        return Cnn ? CnnSetup.ForTraining(configuration, training, rank) : GroundingSetup.Load(
            configuration, rank, configuration.Stage(Stage).MaxAnswerTokens, from, session.Interrupt);
    }
}
