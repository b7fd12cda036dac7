using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>What is to be answered, by which model.</summary>
public sealed record EvaluationOptions
{
    /// <summary>The split that is asked.</summary>
    public required Split Split { get; init; }

    /// <summary>What is asked about the split's pictures; other tasks than the place of a phrase are made of its phrases.</summary>
    internal SampleTask Task { get; init; } = SampleTask.Refer;

    /// <summary>Ask the plain network instead of our own model.</summary>
    internal bool Cnn { get; init; }

    /// <summary>Trained tensors; null takes stage 2's result, or the plain network's.</summary>
    public string? From { get; init; }

    /// <summary>Evaluate the base weights alone (zero-shot).</summary>
    public bool FromBase { get; init; }

    /// <summary>
    /// Name of the part of the run; null is `eval-SPLIT`, of the plain network `eval-SPLIT-cnn`, of another task `eval-SPLIT-TASK`.
    /// </summary>
    public string? Part { get; init; }

    /// <summary>Takes what is there already when it comes from the same settings, weights and data, instead of answering again.</summary>
    public bool Gather { get; init; }

    /// <summary>
    /// What to do with answers that are there and not gathered. Those of an evaluation that was stopped are continued only with the same
    /// questions, weights and settings.
    /// </summary>
    public ExistingRun Existing { get; init; } = ExistingRun.Overwrite;

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>Answers for the controls, too (<see cref="ControlCondition"/>).</summary>
    public bool Controls { get; init; }

    /// <summary>Gets the model's answers as soon as they are all there, before its controls are answered; on rank 0.</summary>
    public Action<EvaluationResult>? Answered { get; init; }

    /// <summary>
    /// A picture that cannot be read is told and costs its own phrases, which score 0, and the others are answered; otherwise it ends the
    /// evaluation.
    /// </summary>
    public bool Isolate { get; init; }

    /// <summary>The command that goes on with the evaluation, for the message when it is interrupted.</summary>
    public string? ResumeCommand { get; init; }

    /// <summary>The folder of the answers.</summary>
    public RunFolder Folder(PfmvgConfiguration configuration) =>
        RunFolder.ForPart(configuration, Part ?? $"eval-{Split.ToString().ToLowerInvariant()}{(Cnn ? "-cnn" : "")}"
            + (Task == SampleTask.Refer ? "" : $"-{Task.ToString().ToLowerInvariant()}"));

    /// <summary>The trained tensors of the model, which are there; null for the base weights alone.</summary>
    /// <exception cref="InputException">There is no trained model, or no best checkpoint of it where that is asked for.</exception>
    internal UsedCheckpoint? Trained(PfmvgConfiguration configuration) => FromBase ? null
        : ChosenCheckpoint.Of(From ?? Finished(configuration), configuration.Eval.Checkpoint, "eval.checkpoint");

    /// <summary>The model that is asked.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="localRank">Picks the CUDA device of this process.</param>
    /// <param name="from">Its trained tensors.</param>
    /// <param name="cancel">Stops the loading.</param>
    /// <exception cref="InputException">Weights are absent, or do not fit.</exception>
    internal IModelSetup Load(PfmvgConfiguration configuration, int localRank, string? from, CancellationToken cancel = default) =>
        Cnn ? CnnSetup.Load(configuration, from!, localRank)
            : GroundingSetup.Load(configuration, localRank, configuration.Stage2.MaxAnswerTokens, from, cancel);

    /// <summary>Every file of weights that the model is made of.</summary>
    internal IReadOnlyList<string> WeightFiles(PfmvgConfiguration configuration, string? from) =>
        Cnn ? [GroundingSetup.Trained(from!)] : GroundingSetup.WeightFiles(configuration, from);

    private string Finished(PfmvgConfiguration configuration)
    {
        var folder = RunFolder.ForPart(configuration, Cnn ? TrainingOptions.CnnPart : "stage2");
        return File.Exists(folder.InfoPath) && RunInfo.Read(folder.InfoPath).Status == RunStatus.Finished
            ? folder.Path
            : throw new InputException(Cnn
                ? $"No trained network in {folder.Path}: run `pfmvg train --model cnn` first, or name another one with --from."
                : $"No trained stage 2 in {folder.Path}: run `pfmvg train --stage 2` first, or name "
                + "another model with --from, or --from base for the base weights alone.");
    }
}

/// <summary>A split answered.</summary>
/// <param name="Folder">Where predictions.jsonl is, and a file of the same form for each control.</param>
/// <param name="Predictions">The answers in the order of the manifest; empty on other ranks than 0.</param>
/// <param name="Controls">The controls' answers in the same order; empty when they were not asked for.</param>
/// <param name="Data">The prepared data.</param>
public sealed record EvaluationResult(
    RunFolder Folder, IReadOnlyList<Prediction> Predictions, IReadOnlyDictionary<ControlCondition, IReadOnlyList<Prediction>> Controls,
    PreparedData Data)
{
    /// <summary>The trained tensors that answered; null for the base weights alone.</summary>
    public UsedCheckpoint? Model { get; init; }

    /// <summary>Answers to phrases that name nothing in their picture, which are no part of <see cref="Predictions"/>.</summary>
    internal IReadOnlyList<AnsweredNegative> Negatives { get; init; } = [];

    /// <summary>The questions in the order of <see cref="Predictions"/>.</summary>
    internal IReadOnlyList<Sample> Asked { get; init; } = [];

    /// <summary>The scores with a note that names the model, for every table and report that is made of them.</summary>
    internal ScoreTable Name(ScoreTable scores) =>
        scores with { Notes = [.. scores.Notes, UsedCheckpoint.Note(Model)] };
}
