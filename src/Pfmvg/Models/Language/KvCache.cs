using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Models.Language;

/// <summary>Keys and values of the positions already seen, for every layer; owned by the generator, not by the model.</summary>
public sealed class KvCache : IDisposable
{
    private readonly Tensor[] _keys;    // each (B, H, capacity, D)
    private readonly Tensor[] _values;

    /// <summary>Reserves memory for all positions.</summary>
    /// <param name="config">Layers, heads and head size.</param>
    /// <param name="batch">B.</param>
    /// <param name="capacity">Largest number of positions, prompt and answer together.</param>
    /// <param name="type">Element type of the language model.</param>
    /// <param name="device">Where the model is.</param>
    public KvCache(LlamaConfig config, long batch, long capacity, ScalarType type, Device device)
    {
        _keys = new Tensor[config.Layers];
        _values = new Tensor[config.Layers];
        for (var layer = 0; layer < config.Layers; layer++)
        {
            _keys[layer] = Reserve();
            _values[layer] = Reserve();
        }

        Tensor Reserve() => empty([batch, config.Heads, capacity, config.HeadSize], type, device).DetachFromDisposeScope();
    }

    /// <summary>B.</summary>
    public long Rows => _keys[0].shape[0];

    /// <summary>Number of positions that every layer holds.</summary>
    public long Length { get; private set; }

    /// <summary>Largest number of positions.</summary>
    public long Capacity => _keys[0].shape[2];

    /// <summary>All the memory of a layer's keys and values, (B, H, capacity, D) each.</summary>
    internal (Tensor Keys, Tensor Values) Reserved(int layer) => (_keys[layer], _values[layer]);

    /// <summary>Appends a layer's keys and values (B, H, T, D) to those of the positions seen; returns all of them, as views.</summary>
    internal (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values)
    {
        var added = keys.shape[2];
        if (Length + added > Capacity) throw new InvalidOperationException($"The cache has room for {Capacity} positions.");
        using (var target = _keys[layer].narrow(2, Length, added)) target.copy_(keys);
        using (var target = _values[layer].narrow(2, Length, added)) target.copy_(values);
        return (_keys[layer].narrow(2, 0, Length + added), _values[layer].narrow(2, 0, Length + added));
    }

    /// <summary>Counts positions that all layers have appended.</summary>
    internal void Advance(long positions) => Length += positions;

    /// <summary>Replaces row b of every layer by the old row rows[b], so that beam search can continue other hypotheses.</summary>
    /// <param name="rows">(B) int64.</param>
    public void Reorder(Tensor rows)
    {
        foreach (var all in _keys.Concat(_values))
        {
            using var seen = all.narrow(2, 0, Length);
            using var chosen = seen.Rows(rows);
            seen.copy_(chosen);
        }
    }

    /// <summary>
    /// A larger cache whose row b holds what row rows[b] of this one holds, so that rows with the same beginning can be continued
    /// separately.
    /// </summary>
    /// <param name="config">Layers, heads and head size.</param>
    /// <param name="rows">(B) int64.</param>
    /// <param name="capacity">Largest number of positions.</param>
    public KvCache Spread(LlamaConfig config, Tensor rows, long capacity)
    {
        var spread = new KvCache(config, rows.shape[0], capacity, _keys[0].dtype, _keys[0].device) { Length = Length };
        foreach (var (from, to) in _keys.Concat(_values).Zip(spread._keys.Concat(spread._values)))
        {
            using var seen = from.narrow(2, 0, Length);
            using var chosen = seen.Rows(rows);
            using var target = to.narrow(2, 0, Length);
            target.copy_(chosen);
        }

        return spread;
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        foreach (var tensor in _keys.Concat(_values)) tensor.Dispose();
    }
}
