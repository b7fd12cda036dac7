using Pfmvg.Configuration;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>What will go wrong in a training, found before its first step.</summary>
internal static class TrainingForecast
{
    /// <summary>Says what the user should know, and refuses what would make the run meaningless.</summary>
    /// <param name="options">The stage.</param>
    /// <param name="configuration">The configuration.</param>
    /// <param name="learner">What is taught to whom.</param>
    /// <param name="trainer">How many steps there are, and what a checkpoint holds: trained parameters with two moments each.</param>
    /// <param name="tell">Gets a sentence for each thing.</param>
    /// <exception cref="InputException">Boxes or all targets are cut, phrases are empty, or no checkpoint fits on the disk.</exception>
    public static void Check(
        TrainingOptions options, PfmvgConfiguration configuration, ILearner learner, Trainer trainer, Action<string> tell)
    {
        var settings = configuration.Stage(options.Stage);
        if (settings.Task == SampleTask.Refer)
            PhraseForecast.Check([.. learner.Samples.Select(sample => (sample.Id, sample.Text))], settings.NormalizeText, tell,
                settings.CaptionWords);
        if (learner is AnswerLearner answers) CheckTexts(options.Stage, settings, answers.Taught, tell);
        if (Rate(options.Stage, settings, trainer.StepsPerEpoch) is { } rate) tell(rate);
        var folder = options.Folder(configuration);
        var checkpoint = 3 * sizeof(float) * trainer.Trainables.Sum(t => t.Parameter.numel());
        if (Disk(folder.Checkpoints, checkpoint, settings, OutputDisk.Free(folder.Checkpoints)) is { } disk) tell(disk);
        if (!OutputDisk.HasLocks(folder.Path))
            tell($"warning: the disk of {folder.Path} has no file locks, so nothing keeps a second process from writing the same run; "
                + "start none, or choose another place with --set runs=FOLDER.");
    }

    /// <summary>Refuses a stage that keeps no best checkpoint although another part of the configuration asks for it.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="stage">The stage that is to be trained.</param>
    /// <param name="heldOut">Samples that it is validated with.</param>
    /// <param name="isAsked">The result of stage 1 is evaluated, too, as in an ablation.</param>
    /// <exception cref="InputException">Nothing is validated, so nothing is the best.</exception>
    internal static void RequireBest(PfmvgConfiguration configuration, int stage, int heldOut, bool isAsked = false)
    {
        var wanted = stage == 1 && configuration.Stage2.Start == CheckpointChoice.Best ? "stage2.start"
            : (stage == 2 || isAsked) && configuration.Eval.Checkpoint == CheckpointChoice.Best ? "eval.checkpoint" : null;
        if (wanted is null || (heldOut > 0 && configuration.Stage(stage).Validate)) return;
        var why = heldOut > 0 ? $"stage{stage}.validate is false" : "the prepared data have no validation split for it";
        throw new InputException($"{wanted}=best asks for the best checkpoint of stage {stage}, but {why}, so none would be kept; "
            + $"{(heldOut > 0 ? $"set stage{stage}.validate=true" : "prepare one")}, or take the last one with {wanted}=last.");
    }

    /// <summary>What is wrong with the schedule, as a sentence; null when its highest rate is reached.</summary>
    internal static string? Rate(int stage, StageSettings settings, int stepsPerEpoch)
    {
        var (schedule, steps) = (LearningRate.ForStage(settings, stepsPerEpoch), (long)settings.Epochs * stepsPerEpoch);
        if (settings.WarmupSteps == 0 || steps == 0) return null;
        // The highest rate is that of the end of the warm-up, of the run or of an epoch.
        long[] ends = [Math.Min(settings.WarmupSteps, steps) - 1, Math.Min(settings.WarmupSteps, steps - 1), stepsPerEpoch - 1, steps - 1];
        var highest = ends.Max(step => schedule.At((int)(step / stepsPerEpoch), (int)(step % stepsPerEpoch)));
        if (settings.WarmupSteps < steps && highest > settings.InitLr / 2) return null; // the cosine falls meanwhile
        var longer = settings.WarmupSteps >= steps
            ? $"the warm-up (stage{stage}.warmup_steps {settings.WarmupSteps}) is longer than the run of {steps} steps, so"
            : $"with stage{stage}.warmup_steps {settings.WarmupSteps}"
                + (settings.WarmupScope == WarmupScope.Epoch ? $" in each epoch of {stepsPerEpoch} steps" : $" of {steps} steps");
        return FormattableString.Invariant($"warning: {longer} stage{stage}.init_lr {settings.InitLr:0.###e-0} is never reached: the ")
            + FormattableString.Invariant($"highest learning rate is {highest:0.###e-0}; set fewer warmup_steps or more epochs.");
    }

    /// <summary>What is wrong with the disk, as a sentence; null when the checkpoints fit.</summary>
    /// <param name="folder">Where checkpoints are written; those that are there make room for new ones.</param>
    /// <param name="checkpoint">Bytes of one.</param>
    /// <param name="settings">How many are kept.</param>
    /// <param name="free">Bytes free for this user; null where the system does not tell.</param>
    /// <exception cref="InputException">There is no room for one.</exception>
    internal static string? Disk(string folder, long checkpoint, StageSettings settings, long? free)
    {
        if (free is not { } room) return null;
        room += Checkpoint.List(folder).Sum(kept => new FileInfo(kept.Path).Length);
        var needed = checkpoint * (settings.KeepLast + (settings.Validate ? 1L : 0) + 1); // the last ones, the best, and one being written
        if (room < checkpoint)
            throw new InputException($"{folder}: {Units.DecimalBytes(room)} are free, but a checkpoint takes "
                + $"{Units.DecimalBytes(checkpoint)}; make room, or choose another place with --set runs=FOLDER.");
        return room >= needed ? null : $"warning: {folder}: {Units.DecimalBytes(room)} are free, but {settings.KeepLast} checkpoints"
            + $"{(settings.Validate ? ", the best one" : "")} and one being written take {Units.DecimalBytes(needed)}: the run will stop "
            + "when the disk is full; make room, or keep fewer with keep_last.";
    }

    private static void CheckTexts(int stage, StageSettings settings, TrainingSamples samples, Action<string> tell)
    {
        var isBoxes = settings.Task == SampleTask.Refer;
        var found = samples.Cuts();
        var setting = $"stage{stage}.max_answer_tokens";
        var longest = $"{setting} is {settings.MaxAnswerTokens}, and the longest target has {found.Longest} tokens";
        if (isBoxes && found.Targets > 0)
            throw new InputException($"The boxes of {found.Targets} of {samples.Count} samples would be cut ({longest}): half a box "
                + $"teaches nothing; set {setting} to {found.Longest} or more.");
        if (found.Targets == samples.Count && samples.Count > 0)
            throw new InputException($"Every target of the {samples.Count} samples would be cut, its end token with it ({longest}): "
                + $"no answer would learn to end; set {setting} higher.");
        if (found.Targets > 0)
            tell($"warning: {found.Targets} of {samples.Count} targets are cut, their end tokens with them: {longest}.");
        if (found.Prompts > 0) tell($"warning: {found.Prompts} of {samples.Count} prompts are cut at the longest context.");
        if (isBoxes || !settings.NormalizeText) return;
        if (found.Emptied == samples.Count && samples.Count > 0)
            throw new InputException($"Normalisation leaves nothing of any of the {samples.Count} captions; "
                + $"set stage{stage}.normalize_text=false.");
        if (found.Emptied > 0)
            tell($"warning: normalisation leaves nothing of {found.Emptied} of {samples.Count} captions: they teach to end at once.");
        if (found.Shortened > 0)
            tell($"{found.Shortened} of {samples.Count} captions have more than {settings.CaptionWords} words and lose those beyond "
                + $"(stage{stage}.caption_words).");
    }
}
