using System.Globalization;
using System.Security.Cryptography;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>
/// A point that training can continue from: trainables, optimizer state and position, in one safetensors file that is written
/// whole or not at all and carries the SHA-256 of its tensors, and of their types and shapes and the position. Base weights are not in it.
/// </summary>
/// <param name="Path">The file.</param>
/// <param name="Step">Steps taken since the start of the stage; part of the file's name.</param>
public sealed record Checkpoint(string Path, long Step)
{
    /// <summary>Marks a file as a checkpoint of ours.</summary>
    internal const string Format = "pfmvg-checkpoint-1";

    /// <summary>The mark of our own model's checkpoints.</summary>
    internal static IReadOnlyDictionary<string, string> OfOurs { get; } = new Dictionary<string, string> { ["format"] = Format };

    /// <summary>The marks of a model's checkpoints: the format, and which patches its projector joins where not as published.</summary>
    internal static IReadOnlyDictionary<string, string> MarksOf(GroundingConfig config) =>
        new Dictionary<string, string>([.. OfOurs, .. CheckpointWord.Of(config)]);

    private const string Trainable = "model.", Moment = "optimizer.", OfTensors = "sha256", OfHead = "sha256_of_head";

    /// <summary>Where the checkpoint of a step is within a folder.</summary>
    public static string PathOf(string folder, long step) => System.IO.Path.Combine(folder, $"step-{step:d8}.safetensors");

    /// <summary>The steps that a checkpoint has taken, by its file's name; null for another name.</summary>
    internal static long? StepOf(string path) => System.IO.Path.GetFileNameWithoutExtension(path) is var name
        && name.StartsWith("step-", StringComparison.Ordinal)
        && long.TryParse(name["step-".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var step) ? step : null;

    /// <summary>Writes a checkpoint.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">Its trainables are saved.</param>
    /// <param name="optimizer">Its moments and step count are saved.</param>
    /// <param name="position">The next step to take.</param>
    public static void Save(string path, GroundingModel model, AdamW optimizer, Position position) =>
        Save(path, model.Trainables(), optimizer, position, MarksOf(model.Config));

    /// <summary>Writes a checkpoint of any model.</summary>
    /// <param name="path">The file.</param>
    /// <param name="trainables">What is saved.</param>
    /// <param name="optimizer">Its moments and step count are saved.</param>
    /// <param name="position">The next step to take.</param>
    /// <param name="marks">What the model is beside its tensors: the format, and what else its values mean nothing without.</param>
    internal static void Save(string path, IEnumerable<(string Name, Parameter Parameter)> trainables, AdamW optimizer, Position position,
        IReadOnlyDictionary<string, string> marks)
    {
        using var scope = NewDisposeScope();
        var tensors = Tensors(trainables, optimizer).Select(t => KeyValuePair.Create(t.Name, t.Value.detach().cpu().contiguous()))
            .OrderBy(t => t.Key, StringComparer.Ordinal).ToList();
        var facts = new Dictionary<string, string>(marks)
        {
            ["epoch"] = position.Epoch.ToString(CultureInfo.InvariantCulture),
            ["step"] = position.Step.ToString(CultureInfo.InvariantCulture),
            ["optimizer_steps"] = optimizer.Steps.ToString(CultureInfo.InvariantCulture),
            [OfTensors] = Hash(tensors),
        };
        facts[OfHead] = HashHead(facts, tensors);
        SafeTensors.Write(path, tensors, facts);
    }

    /// <summary>Puts a checkpoint's values into the model and the optimizer.</summary>
    /// <returns>The next step to take.</returns>
    /// <exception cref="InputException">The file is damaged or is of another model.</exception>
    public Position Restore(GroundingModel model, AdamW optimizer) => Restore(model.Trainables(), optimizer, MarksOf(model.Config));

    /// <summary>Puts a checkpoint's values into any model and its optimizer.</summary>
    /// <param name="trainables">What was saved.</param>
    /// <param name="optimizer">Its moments and step count are set; null for a model that only answers.</param>
    /// <param name="marks">What the checkpoint must say of its model.</param>
    /// <returns>The next step to take.</returns>
    /// <exception cref="InputException">The file is damaged or is of another model.</exception>
    internal Position Restore(
        IEnumerable<(string Name, Parameter Parameter)> trainables, AdamW? optimizer, IReadOnlyDictionary<string, string> marks)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var file = WeightFile.Open(Path);
        var tensors = Read(file);
        foreach (var key in marks.Keys.Union([CheckpointWord.Join]))
            if (file.Metadata.GetValueOrDefault(key) as string != marks.GetValueOrDefault(key))
                throw new InputException($"{Path}: is a checkpoint of a model with another '{key}'; start again with --overwrite.");
        foreach (var (name, target) in Tensors(trainables, optimizer))
        {
            if (!tensors.TryGetValue(name, out var value))
                throw new InputException($"{Path}: '{name}' is missing; it is a checkpoint of another model.");
            if (!value.shape.SequenceEqual(target.shape))
                throw new InputException($"{Path}: '{name}' has shape {string.Join('x', value.shape)}, the model wants "
                    + $"{string.Join('x', target.shape)}.");
            target.copy_(value);
        }

        optimizer?.Restore(Number(file, "optimizer_steps"));
        return new Position(Number(file, "epoch"), Number(file, "step"));
    }

    private int Number(ITensorFile file, string key) => !file.Metadata.TryGetValue(key, out var text)
        ? throw new InputException($"{Path}: has no '{key}'; it is not a checkpoint of a PFMVG run.")
        : int.TryParse(text as string, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : throw new InputException($"{Path}: its '{key}' is no whole number from 0 to {int.MaxValue}; use an older checkpoint.");

    /// <summary>Whether the file is whole: its tensors have the hash that it was written with.</summary>
    public bool IsWhole()
    {
        try
        {
            using var scope = NewDisposeScope();
            using var file = WeightFile.Open(Path);
            Read(file);
            return true;
        }
        catch (InputException)
        {
            return false;
        }
    }

    /// <summary>The checkpoints of a folder, the newest first.</summary>
    public static IReadOnlyList<Checkpoint> List(string folder) => !Directory.Exists(folder)
        ? []
        : [.. Directory.GetFiles(folder, "step-*.safetensors")
            .Where(path => StepOf(path) is not null).Select(path => new Checkpoint(path, StepOf(path)!.Value))
            .OrderByDescending(checkpoint => checkpoint.Step)];

    /// <summary>Key of a trainable within a checkpoint to the model's name; null for the optimizer's state.</summary>
    internal static string? ToModel(string key) => key.StartsWith(Trainable, StringComparison.Ordinal) ? key[Trainable.Length..] : null;

    /// <summary>What the checkpoint says of its model under a key; null where it says nothing.</summary>
    internal string? Mark(string key)
    {
        using var file = WeightFile.Open(Path);
        return file.Metadata.GetValueOrDefault(key) as string;
    }

    private Dictionary<string, Tensor> Read(ITensorFile file)
    {
        var tensors = file.Tensors.Keys.Order(StringComparer.Ordinal).ToDictionary(name => name, file.Read);
        if (!file.Metadata.TryGetValue(OfTensors, out var hash) || hash as string != Hash([.. tensors])
            || file.Metadata.TryGetValue(OfHead, out var head) && head as string != HashHead(file.Metadata.ToDictionary(
                pair => pair.Key, pair => pair.Value as string ?? ""), [.. tensors]))
            throw new InputException($"{Path}: is damaged, its content does not have the checksum it was written with; use an "
                + "older checkpoint.");
        // An earlier version's checkpoint has no hash of its head.
        var (epoch, _, _) = (Number(file, "epoch"), Number(file, "step"), Number(file, "optimizer_steps"));
        if (Step > 0 && epoch > Step || tensors.Any(tensor => !tensor.Value.is_floating_point()))
            throw new InputException($"{Path}: is damaged, its epoch ({epoch}) or the type of a tensor is impossible; use an older "
                + "checkpoint.");
        return tensors;
    }

    private static IEnumerable<(string Name, Tensor Value)> Tensors(
        IEnumerable<(string Name, Parameter Parameter)> trainables, AdamW? optimizer) =>
        trainables.Select(t => (Trainable + t.Name, (Tensor)t.Parameter))
            .Concat(optimizer?.State().Select(s => (Moment + s.Name, s.Value)) ?? []);

    /// <summary>Of all that the head of the file says: position, marks, and each tensor's name, type and shape.</summary>
    private static string HashHead(
        IReadOnlyDictionary<string, string> facts, IReadOnlyList<KeyValuePair<string, Tensor>> tensors) =>
        Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(string.Join('\n',
        [
            .. facts.Where(fact => fact.Key != OfHead).OrderBy(fact => fact.Key, StringComparer.Ordinal)
                .Select(fact => $"{fact.Key}={fact.Value}"),
            .. tensors.Select(tensor => $"{tensor.Key}: {tensor.Value.dtype} {string.Join('x', tensor.Value.shape)}"),
        ]))));

    private static string Hash(IReadOnlyList<KeyValuePair<string, Tensor>> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, value) in tensors)
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes(name));
            hash.AppendData(value.bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

/// <summary>The place of a run: the next step to take.</summary>
/// <param name="Epoch">From 0.</param>
/// <param name="Step">Within the epoch, from 0.</param>
public sealed record Position(int Epoch, int Step);
