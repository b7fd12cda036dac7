using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Models.Layers;

/// <summary>
/// A model's weights by name, for models that are made from a plan of names and shapes. A layer takes what it computes with
/// through <see cref="Keep"/>; that lives as long as this object, and the rest is freed by <see cref="FreeRest"/>.
/// </summary>
/// <param name="device">Where the model computes.</param>
internal sealed class PlannedWeights(Device device) : IDisposable
{
    private readonly Dictionary<string, Tensor> _loaded = [];
    private readonly List<Tensor> _kept = [];

    /// <summary>A tensor as it was loaded: float32, on the CPU.</summary>
    public Tensor this[string name] => _loaded[name];

    /// <summary>Reads the planned tensors of a file. Nothing is allocated before all names and shapes are known to fit.</summary>
    /// <param name="plan">What the model needs, in float32.</param>
    /// <param name="file">The file.</param>
    /// <param name="mayBeUnused">Whether a tensor that the plan lacks may be left out without a word.</param>
    /// <exception cref="InputException">Something is missing, unknown, of another shape, NaN, or nothing but zeros.</exception>
    public void Load(IReadOnlyList<TensorInfo> plan, ITensorFile file, Func<string, bool> mayBeUnused)
    {
        var known = plan.Select(info => info.Name).ToHashSet();
        new LoadReport
        {
            Loaded = ["all"],
            Missing = [.. known.Where(name => !file.Tensors.ContainsKey(name) && !file.Unreadable.ContainsKey(name))],
            Unexpected = [.. file.Tensors.Keys.Where(name => !known.Contains(name))],
            WrongShape = [.. plan.Where(info => file.Tensors.TryGetValue(info.Name, out var stored)
                    && !stored.Shape.AsSpan().SequenceEqual(info.Shape))
                .Select(info => new ShapeMismatch(info.Name, file.Tensors[info.Name].Shape, info.Shape))],
        }.ThrowIfUnusable(file.Path);
        if (file.Tensors.Keys.Concat(file.Unreadable.Keys).FirstOrDefault(name => !known.Contains(name) && !mayBeUnused(name)) is { } extra)
            throw Refusal.ForFile(file.Path, $"has the tensor '{Refusal.Show(extra)}', which this model does not know",
                "name the file of the model that you asked for");
        foreach (var info in plan) _loaded.Add(info.Name, empty(info.Shape).DetachFromDisposeScope());
        WeightLoader.Load(_loaded, file, name => known.Contains(name) ? name : null, LoadRules.All).ThrowIfUnusable(file.Path);
    }

    /// <summary>Moves a tensor to the model's device and keeps it.</summary>
    public Tensor Keep(Tensor tensor)
    {
        var kept = tensor.to(device).alias().DetachFromDisposeScope();
        _kept.Add(kept);
        return kept;
    }

    /// <summary>Frees what no layer kept.</summary>
    public void FreeRest()
    {
        foreach (var tensor in _loaded.Values) tensor.Dispose();
        _loaded.Clear();
    }

    /// <summary>Frees everything.</summary>
    public void Dispose()
    {
        FreeRest();
        foreach (var tensor in _kept) tensor.Dispose();
        _kept.Clear();
    }
}
