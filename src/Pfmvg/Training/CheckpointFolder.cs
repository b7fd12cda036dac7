using TorchSharp.Modules;

namespace Pfmvg.Training;

/// <summary>The checkpoints of a run: the last few, and the best one. Rank 0 writes them, every rank reads them.</summary>
/// <param name="path">The folder.</param>
/// <param name="keepLast">Checkpoints that are kept beside the best one.</param>
internal sealed class CheckpointFolder(string path, int keepLast)
{
    /// <summary>Absolute path of the folder.</summary>
    public string Path => path;

    /// <summary>The newest checkpoint; null when there is none.</summary>
    public Checkpoint? Newest => Checkpoint.List(path) is [var newest, ..] ? newest : null;

    /// <summary>The best checkpoint by validation; it may not be there.</summary>
    public static string BestOf(string folder) => System.IO.Path.Combine(folder, "best.safetensors");

    /// <summary>Writes a checkpoint and removes the oldest ones.</summary>
    /// <param name="trainables">What is saved.</param>
    /// <param name="optimizer">Its state is saved.</param>
    /// <param name="next">The position to continue from.</param>
    /// <param name="step">Steps taken since the start of the stage.</param>
    /// <param name="marks">What the model is beside its tensors.</param>
    public void Save(IEnumerable<(string Name, Parameter Parameter)> trainables, AdamW optimizer, Position next, long step,
        IReadOnlyDictionary<string, string> marks)
    {
        Checkpoint.Save(Checkpoint.PathOf(path, step), trainables, optimizer, next, marks);
        foreach (var old in Checkpoint.List(path).Skip(keepLast)) File.Delete(old.Path);
    }

    /// <summary>Keeps the checkpoint of a step as the best one, in a file of its own beside the last few.</summary>
    public void KeepAsBest(long step)
    {
        if (!File.Exists(Checkpoint.PathOf(path, step))) return; // it was not finite
        using var checkpoint = File.OpenRead(Checkpoint.PathOf(path, step));
        AtomicFile.Write(BestOf(path), checkpoint.CopyTo);
    }

    /// <summary>Removes what a killed process left half written.</summary>
    public void RemoveHalfWritten()
    {
        if (!Directory.Exists(path)) return;
        foreach (var half in Directory.GetFiles(path, ".*.tmp")) File.Delete(half);
    }

    /// <summary>The newest checkpoint that is whole; null when there is none.</summary>
    /// <param name="setAside">Renames damaged ones, so that they do not push good ones out.</param>
    /// <param name="tell">Gets a line for each damaged one.</param>
    public Checkpoint? NewestWhole(bool setAside, Action<string> tell)
    {
        var checkpoints = Checkpoint.List(path);
        var good = checkpoints.FirstOrDefault(checkpoint => checkpoint.IsWhole());
        foreach (var damaged in checkpoints.TakeWhile(checkpoint => checkpoint != good))
        {
            tell($"{damaged.Path} is damaged and not used.");
            if (setAside) File.Move(damaged.Path, damaged.Path + ".damaged", overwrite: true);
        }

        if (good is null)
            tell($"{(checkpoints.Count == 0 ? "There is no checkpoint yet" : "No checkpoint is whole")}: starting from the beginning.");
        return good;
    }

    /// <summary>
    /// Gives a checkpoint another number, because an epoch has another number of steps now. It must still have the highest one, so
    /// the others get another ending.
    /// </summary>
    public void Renumber(Checkpoint current, long step)
    {
        foreach (var other in Checkpoint.List(path).Where(checkpoint => checkpoint != current))
            File.Move(other.Path, other.Path + ".earlier", overwrite: true);
        File.Move(current.Path, Checkpoint.PathOf(path, step));
    }
}
