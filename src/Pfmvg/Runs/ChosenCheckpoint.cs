using Pfmvg.Configuration;
using Pfmvg.Runs.Records;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>Finds the checkpoint that stands for a training: its last one, or the best by validation.</summary>
internal static class ChosenCheckpoint
{
    /// <summary>What a path stands for: a run's folder for the chosen one of its checkpoints, anything else for itself.</summary>
    /// <param name="from">The folder of a training, a checkpoint or an adapter folder.</param>
    /// <param name="choice">Which checkpoint of a run's folder.</param>
    /// <param name="setting">The setting that chooses, for messages.</param>
    /// <exception cref="InputException">There is nothing of the kind, or the training there kept no best checkpoint.</exception>
    public static UsedCheckpoint Of(string from, CheckpointChoice choice, string setting)
    {
        var path = Path.GetFullPath(from);
        if (File.Exists(path) || !File.Exists(Path.Combine(path, "run.json")))
            return new UsedCheckpoint("named", Path.GetFullPath(GroundingSetup.Trained(from)), null, null);
        var folder = RunFolder.Open(path);
        var (info, run) = (RunInfo.Read(folder.InfoPath), $"{folder.Name}/{folder.Part}");
        if (choice == CheckpointChoice.Last)
        {
            var last = GroundingSetup.Trained(path);
            return new UsedCheckpoint("last", last, run, Checkpoint.StepOf(last)) { Setting = setting };
        }

        var best = CheckpointFolder.BestOf(folder.Checkpoints);
        if (!File.Exists(best))
            throw new InputException($"{best}: there is no best checkpoint, as {setting}=best asks for; train with a validation split and "
                + $"{(folder.Part == TrainingOptions.CnnPart ? "stage2" : folder.Part[..Math.Min(6, folder.Part.Length)])}"
                + $".validate=true, or take the last one with {setting}=last.");
        return new UsedCheckpoint("best", best, run, info.Best?.Step)
        {
            Measure = info.Best?.Measure, Value = info.Best?.Value, Setting = setting,
        };
    }
}
