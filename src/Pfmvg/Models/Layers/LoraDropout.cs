using System.Numerics;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Layers;

/// <summary>
/// Dropout of the adapters as a function of (seed of the sample, adapter), never of call order: a resumed run, a
/// recomputed block and a batch split over several processes draw the same masks, and so does every device.
/// </summary>
public sealed class LoraDropout
{
    private readonly double _probability;
    private readonly KeepOrDrop _mask;
    private readonly Scalar _rescale, _limit; // the same numbers for the masks that are drawn on a device
    private int _adapters;
    private IReadOnlyList<(long Seed, int Length)> _rows = [];
    private Tensor? _keys;                    // (adapters, B, 2) on the device, for the rows that were begun

    /// <summary>Creates the source of masks of a model's adapters.</summary>
    /// <param name="probability">That an element is dropped.</param>
    public LoraDropout(double probability)
    {
        var (threshold, rescale) = ((uint)Math.Min(uint.MaxValue, (1 - probability) * 4294967296.0), (float)(1 / (1 - probability)));
        _probability = probability;
        _mask = new KeepOrDrop(threshold, rescale);
        (_rescale, _limit) = (rescale, (int)(threshold ^ CounterBits.TopBit));
    }

    internal int Register() => _adapters++;

    /// <summary>Turns dropout on for the coming forward and backward passes.</summary>
    /// <param name="rows">For each row of the batch its seed and how many of its positions are not padding.</param>
    public void Begin(IReadOnlyList<(long Seed, int Length)> rows)
    {
        End();
        _rows = rows;
    }

    /// <summary>Turns dropout off.</summary>
    public void End()
    {
        _rows = [];
        _keys?.Dispose();
        _keys = null;
    }

    /// <summary>Whether there is dropout in training.</summary>
    internal bool Drops => _probability > 0;

    /// <summary>The factors by which elements of an adapter's input are multiplied in training: 0, or the rescaling.</summary>
    /// <param name="seed">Of the sample.</param>
    /// <param name="adapter">Index of the adapter.</param>
    /// <param name="first">Place of the first of them among all elements (T, I) of the sample.</param>
    /// <param name="factors">Gets them.</param>
    internal void Fill(long seed, int adapter, uint first, Span<float> factors) => Bits(seed, adapter).Fill(factors, first, _mask);

    /// <summary>Returns x itself when dropout is off, else a tensor with a share of its elements zeroed and the rest scaled up.</summary>
    /// <param name="x">(B, T, I) float32.</param>
    /// <param name="adapter">Index of the asking adapter.</param>
    internal Tensor Apply(Tensor x, int adapter)
    {
        if (_rows.Count == 0 || _probability == 0) return x;
        if (_rows.Count != x.shape[0])
            throw new InvalidOperationException($"Dropout was begun for {_rows.Count} rows, the batch has {x.shape[0]}.");
        return x.device_type == DeviceType.CPU ? ApplyOnProcessor(x, adapter) : ApplyOnDevice(x, adapter);
    }

    private Tensor ApplyOnProcessor(Tensor x, int adapter)
    {
        using var scope = NewDisposeScope();
        var mask = zeros(x.shape, ScalarType.Float32, CPU);
        for (var row = 0; row < _rows.Count; row++)
        {
            using var seen = mask[row].narrow(0, 0, _rows[row].Length);
            unsafe
            {
                Bits(_rows[row].Seed, adapter).Fill(new Span<float>(TensorMemory.Address(seen), checked((int)seen.numel())), 0, _mask);
            }
        }

        return x.mul(mask).MoveToOuterDisposeScope();
    }

    /// <summary>The same by operations on the device of x, which nobody waits for; the keys alone come from the host.</summary>
    internal Tensor ApplyOnDevice(Tensor x, int adapter)
    {
        using var scope = NewDisposeScope();
        using Scalar nothing = 0f, yes = true;
        _keys ??= Keys(x.device);
        var keys = _keys[adapter];
        var dropped = Scripted.OrderedCounterBits(x, keys).ge(_limit);                                       // (B, T, I)
        for (var row = 0; row < _rows.Count; row++)
        {
            var padding = x.shape[1] - _rows[row].Length;
            if (padding > 0) dropped[row].narrow(0, _rows[row].Length, padding).fill_(yes);
        }

        return x.masked_fill(dropped, nothing).mul(_rescale).MoveToOuterDisposeScope();
    }

    private static CounterBits Bits(long seed, int adapter) => new(new CounterRandom(seed, "lora dropout", adapter).NextBits());

    // Those of all adapters at once, so that a pass takes one small copy.
    private Tensor Keys(Device device)
    {
        using var scope = NewDisposeScope();
        var keys = new int[_adapters * _rows.Count * 2];
        for (var at = 0; at < keys.Length; at += 2)
            (keys[at], keys[at + 1]) = Bits(_rows[at / 2 % _rows.Count].Seed, at / 2 / _rows.Count).Offsets;
        return tensor(keys, [_adapters, _rows.Count, 2]).Send(device).DetachFromDisposeScope();
    }

    /// <summary>The factor of an element: the rescaling when its bits are below the threshold, else 0.</summary>
    private readonly struct KeepOrDrop(uint threshold, float rescale) : IVectorFunction
    {
        public Vector<float> FromBits(Vector<uint> bits) =>
            Vector.AsVectorSingle(Vector.LessThan(bits, new Vector<uint>(threshold)) & Vector.AsVectorUInt32(new Vector<float>(rescale)));
    }
}
