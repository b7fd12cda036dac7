using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights.Loading;

/// <summary>How weights are matched with a model.</summary>
public sealed record LoadRules
{
    /// <summary>The file must have every tensor of the model.</summary>
    public static LoadRules All { get; } = new();

    /// <summary>The file may have any part of the model, as a checkpoint of trained tensors does; the rest keeps its values.</summary>
    public static LoadRules WhatIsThere { get; } = new() { MayBeMissing = _ => true };

    /// <summary>Whether the file may lack the tensor of this name in the model.</summary>
    public Func<string, bool> MayBeMissing { get; init; } = _ => false;

    /// <summary>Stops between two tensors.</summary>
    public CancellationToken Cancel { get; init; }

    /// <summary>Whether targets may get the file's own pages as their memory (<see cref="ITensorFile.MapInto"/>).</summary>
    public bool Map { get; init; }

    /// <summary>
    /// What to do with a tensor that was read (on the CPU, in its own type), given the model's name; null to copy it into the
    /// target. Where it is given, the tensor that was read is in memory beside the model meanwhile.
    /// </summary>
    public Func<string, Action<Tensor>?> Store { get; init; } = _ => null;

    /// <summary>
    /// Makes a stored tensor fit: given the model's name and the stored tensor (on the CPU, in its own type), gives one
    /// of the model's shape, or null where it does not apply. Called only when the shapes differ.
    /// </summary>
    public Func<string, Tensor, Tensor?> Resize { get; init; } = (_, _) => null;
}

/// <summary>Copies weights from a file into a model, tensor by tensor, and says what became of each.</summary>
public static class WeightLoader
{
    /// <summary>
    /// Matches names and shapes first, then reads straight into the targets' memory, converting types, or maps the file. Shapes must be
    /// equal: libtorch's own copy would broadcast without a word. When a required tensor is missing or a shape is wrong, nothing is
    /// copied. Beside the model, memory holds the resized tensors and at most one other.
    /// </summary>
    /// <param name="targets">The model's tensors by name; any type and device.</param>
    /// <param name="source">The weights.</param>
    /// <param name="rename">From the file's name to the model's, or to null to ignore a tensor of the file.</param>
    /// <param name="rules">What may be missing, and what can be resized.</param>
    /// <returns>What was loaded and what was not; <see cref="LoadReport.ThrowIfUnusable"/> refuses what cannot be used.</returns>
    /// <exception cref="InputException">Two tensors of the file have the same name in the model, the file cannot be read, or it has no
    /// values for a tensor that is needed.</exception>
    public static LoadReport Load(
        IReadOnlyDictionary<string, Tensor> targets, ITensorFile source, Func<string, string?> rename, LoadRules rules)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var (stored, unexpected) = Match(targets, source, rename);
        var absent = targets.Keys.Where(name => !stored.ContainsKey(name)).ToLookup(rules.MayBeMissing);
        List<ShapeMismatch> resized = [], wrongShape = [];
        List<NotFiniteValue> notFinite = [];
        var notFloating = stored.Where(s => !TensorTypes.IsFloating(s.Value.Type)
            && (targets[s.Key].is_floating_point() || rules.Store(s.Key) is not null)).Select(s => s.Key).ToList();
        var fitting = new Dictionary<string, Tensor>();
        foreach (var (name, info) in stored)
        {
            if (targets[name].shape.AsSpan().SequenceEqual(info.Shape)) continue;
            var mismatch = new ShapeMismatch(name, info.Shape, targets[name].shape);
            if (Resize(name, info) is not { } result)
            {
                wrongShape.Add(mismatch);
                continue;
            }

            fitting.Add(name, result);
            resized.Add(mismatch);
        }

        List<string> loaded = [];
        if (wrongShape.Count == 0 && notFloating.Count == 0 && !absent[false].Any())
        {
            foreach (var (name, info) in stored)
            {
                rules.Cancel.ThrowIfCancellationRequested();
                if (fitting.TryGetValue(name, out var result)) targets[name].detach().copy_(result);
                else if (rules.Store(name) is { } store) Read(name, info, store);
                else NoteNotFinite(name, info, Fill(info, targets[name]));
                loaded.Add(name);
            }
        }

        return new LoadReport
        {
            Loaded = loaded, Missing = [.. absent[false]], Kept = [.. absent[true]], Unexpected = unexpected,
            Resized = resized, WrongShape = wrongShape, NotFinite = notFinite, NotFloating = notFloating,
            Container = source.Container, Notes = source.Notes,
            OnlyZeros = loaded.Count > 0 && loaded.TrueForAll(name => HasOnlyZeros(targets[name])),
        };

        void Read(string name, TensorInfo info, Action<Tensor> store)
        {
            using var inner = NewDisposeScope();
            var original = empty(info.Shape, info.Type);
            NoteNotFinite(name, info, Fill(info, original));
            store(original);
        }

        long? Fill(TensorInfo info, Tensor target) => rules.Map ? source.MapInto(info.Name, target) : source.ReadInto(info.Name, target);

        Tensor? Resize(string name, TensorInfo info)
        {
            using var inner = NewDisposeScope();
            var original = empty(info.Shape, info.Type);
            var index = source.ReadInto(info.Name, original);
            if (rules.Resize(name, original) is not { } result) return null;
            if (!result.shape.AsSpan().SequenceEqual(targets[name].shape)) return null;
            NoteNotFinite(name, info, index);
            return result.MoveToOuterDisposeScope();
        }

        void NoteNotFinite(string name, TensorInfo info, long? index)
        {
            if (index is { } first) notFinite.Add(new NotFiniteValue(name, Unravel(first, info.Shape)));
        }
    }

    // Of weights that are worth loading the first tensor's beginning says it; all of an embedding takes long to look through.
    private static bool HasOnlyZeros(Tensor values)
    {
        using var scope = NewDisposeScope();
        var flat = values.detach().flatten();
        return !flat.narrow(0, 0, Math.Min(flat.numel(), 1024)).any().item<bool>() && !flat.any().item<bool>();
    }

    // In the file's order, which is the fastest to read.
    private static (Dictionary<string, TensorInfo> Stored, List<string> Unexpected) Match(
        IReadOnlyDictionary<string, Tensor> targets, ITensorFile source, Func<string, string?> rename)
    {
        var stored = new Dictionary<string, TensorInfo>();
        var unexpected = new List<string>();
        foreach (var (name, tensor) in source.Unreadable)
            if (rename(name) is { } needed && targets.ContainsKey(needed))
                throw Refusal.ForFile(source.Path, $"the tensor '{Refusal.Show(name)}' {tensor.Problem}", tensor.Advice);
        foreach (var info in source.Tensors.Values)
        {
            if (rename(info.Name) is not { } name) continue;
            if (!targets.ContainsKey(name)) unexpected.Add(info.Name);
            else if (!stored.TryAdd(name, info))
                throw Refusal.ForFile(
                    source.Path,
                    $"has two tensors for {Refusal.Show(name)}: '{Refusal.Show(stored[name].Name)}' and '{Refusal.Show(info.Name)}'",
                    "remove one of them");
        }

        return (stored, unexpected);
    }

    private static long[] Unravel(long index, long[] shape)
    {
        var place = new long[shape.Length];
        for (var dimension = shape.Length - 1; dimension >= 0; dimension--)
            (index, place[dimension]) = Math.DivRem(index, shape[dimension]);
        return place;
    }
}
