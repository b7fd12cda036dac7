using System.Numerics;
using Pfmvg.Models.Kernels;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Models.Language;

/// <summary>
/// One new position of every row through the language model, as decoding an answer needs it: what <see cref="Llama"/> computes, on a
/// CPU with wide vectors, without gradients. Weights and cached keys and values keep their types; everything between is float32, so that
/// the results differ from the modules' in rounding.
/// </summary>
/// <remarks>
/// Reading the weights takes the time of such a step. With tensors and modules a quarter of it would go into what lies between the
/// products; here that is next to nothing.
/// </remarks>
internal sealed unsafe class DecoderStep : IDisposable
{
    /// <summary>Rows of the largest batch; measured as faster up to here, more were not tried.</summary>
    public const int MostRows = 64;

    private const int Lanes = ThinVectors.MostLanes;
    private const int Block = 1024; // elements that a thread takes at a time

    private readonly KvCache _cache;
    private readonly ScalarType _type;
    private readonly long _capacity; // asking the cache's tensors for it at every head would take as long as the head
    private readonly int _rows, _heads, _headSize, _width, _inner;
    private readonly float _eps;
    private readonly ThinVectors _vectors = new(ThinVectors.Lanes);
    private readonly ThinAttention _attention;
    private readonly StepMemory _memory;
    private readonly float* _hidden, _queries, _keys, _values, _gate, _up, _change, _scores, _logits;
    private readonly Layer[] _layers;
    private readonly float[] _lastNorm;
    private readonly ProjectionGroup _head;

    /// <summary>The processor's vectors that it computes with.</summary>
    public static string Vectors => ThinVectors.Describe(ThinVectors.Lanes);

    /// <summary>Prepares for the rows of a cache; null when the modules must do the work.</summary>
    public static DecoderStep? For(Llama model, KvCache cache) =>
        cache.Rows <= MostRows && Fits(model) ? new DecoderStep(model, cache) : null;

    /// <summary>Whether the processor, the model's device and its sizes and types are such that the step works.</summary>
    public static bool Fits(Llama model) =>
        model.Type is ScalarType.BFloat16 or ScalarType.Float32 && model.Config.HeadSize % Lanes == 0
        && model.Weights.Projections.All(projection => ThinMatrix.Fits(projection.Weight)
            && (projection.Adapter is not { } adapter || ThinMatrix.Fits(adapter.Down)));

    private DecoderStep(Llama model, KvCache cache)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var (config, weights) = (model.Config, model.Weights);
        (_cache, _type, _rows, _capacity) = (cache, model.Type, (int)cache.Rows, cache.Capacity);
        (_heads, _headSize, _width, _inner) = (config.Heads, config.HeadSize, config.HiddenSize, config.IntermediateSize);
        _eps = (float)config.RmsNormEps;
        _attention = new ThinAttention(_type, _headSize, ThinVectors.Lanes);
        _memory = new StepMemory(_rows, Math.Max(_width, _inner));
        _hidden = _memory.Reserve(_width);
        _queries = _memory.Reserve(_width);
        _keys = _memory.Reserve(_width);
        _values = _memory.Reserve(_width);
        _change = _memory.Reserve(_width);
        _gate = _memory.Reserve(_inner);
        _up = _memory.Reserve(_inner);
        _logits = _memory.Reserve(config.VocabularySize);
        _scores = _memory.Reserve(_heads * (_capacity + Lanes));
        _layers = [.. weights.Layers.Select((layer, index) => new Layer(this, layer, cache.Reserved(index)))];
        _lastNorm = ToFloats(weights.Norm);
        _head = new ProjectionGroup(_memory, [weights.Head], _logits);
    }

    /// <summary>Logits (B, W) of the position behind the new one, float32; the cache then holds the new one, too.</summary>
    /// <param name="embeddings">(B, 1, C) in the model's type.</param>
    /// <param name="rotary">Of the new positions.</param>
    /// <param name="padding">For each row the cached positions that hold nothing.</param>
    public Tensor Logits(Tensor embeddings, Rotary rotary, IReadOnlyList<(long From, long To)> padding)
    {
        if (_cache.Length == _capacity) throw new InvalidOperationException($"The cache has room for {_capacity} positions.");
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var (input, cos, sin) = (Wide(embeddings), Wide(rotary.Tables.Cos), Wide(rotary.Tables.Sin));
        new ReadOnlySpan<float>(TensorMemory.Address(input), _rows * _width).CopyTo(new Span<float>(_hidden, _rows * _width));
        var angles = new Angles((float*)TensorMemory.Address(cos), (float*)TensorMemory.Address(sin), cos.shape[0] == 1 ? 0 : _headSize);
        var threads = get_num_threads();
        foreach (var layer in _layers)
        {
            Normalise(layer.AttentionNorm);
            layer.QueryKeyValue.Multiply(threads);
            ThreadTeam.Run(threads, _rows * _heads, piece => Attend(layer, (int)(piece / _heads), (int)(piece % _heads), angles, padding));
            layer.AttentionOutput.Multiply(threads);
            AddChange();
            Normalise(layer.MlpNorm);
            layer.GateUp.Multiply(threads);
            ThreadTeam.Run(threads, ((long)_rows * _inner + Block - 1) / Block, MultiplyGates);
            layer.Down.Multiply(threads);
            AddChange();
        }

        _cache.Advance(1);
        Normalise(_lastNorm);
        _head.Multiply(threads);
        var logits = empty(_rows, _head.Outputs, dtype: ScalarType.Float32);
        new ReadOnlySpan<byte>(_logits, checked((int)(_rows * _head.Outputs * sizeof(float)))).CopyTo(logits.bytes);
        GC.KeepAlive(input);
        GC.KeepAlive(cos);
        GC.KeepAlive(sin);
        return logits.MoveToOuterDisposeScope();

        static Tensor Wide(Tensor x) => x.to(ScalarType.Float32).contiguous();
    }

    /// <summary>Frees its memory.</summary>
    public void Dispose()
    {
        foreach (var layer in _layers) layer.Dispose();
        _head.Dispose();
        _memory.Dispose();
    }

    private static float[] ToFloats(Tensor weight) => weight.to(ScalarType.Float32).data<float>().ToArray();

    /// <summary>The next input: RMSNorm of the hidden state.</summary>
    private void Normalise(float[] weight)
    {
        for (var row = 0; row < _rows; row++)
            _vectors.Normalise(_hidden + row * _width, weight, _eps, _memory.Input + row * _width);
    }

    /// <summary>Adds a half's output to the hidden state.</summary>
    private void AddChange()
    {
        for (var at = 0; at < _rows * _width; at += Vector<float>.Count)
            Vector.Store(Vector.Load(_hidden + at) + Vector.Load(_change + at), _hidden + at);
    }

    /// <summary>A block of the next input: silu(gate) * up.</summary>
    private void MultiplyGates(long block)
    {
        var (first, end) = (block * Block, Math.Min((block + 1) * Block, (long)_rows * _inner));
        _vectors.MultiplyGates(_gate + first, _up + first, _memory.Input + first, end - first);
    }

    /// <summary>One head of one row: keeps the new key and value, and makes its part of the next input.</summary>
    private void Attend(Layer layer, int row, int head, Angles angles, IReadOnlyList<(long From, long To)> padding)
    {
        var (size, count) = (TensorTypes.Size(_type), _cache.Length + 1);
        var place = row * _width + head * _headSize;
        var cached = (row * _heads + head) * _capacity * _headSize * size;
        byte* keys = layer.Keys + cached, values = layer.Values + cached;
        float* cos = angles.Cos + row * angles.Stride, sin = angles.Sin + row * angles.Stride;
        var rotated = stackalloc float[_headSize];
        _attention.Rotate(_keys + place, cos, sin, rotated);
        Keep(rotated, keys);
        Keep(_values + place, values);
        _attention.Rotate(_queries + place, cos, sin, rotated);
        var scores = _scores + (row * _heads + head) * (_capacity + Lanes);
        _attention.Attend(rotated, keys, values, count, padding[row], scores, _memory.Input + place);

        void Keep(float* from, byte* all)
        {
            var wide = new ReadOnlySpan<byte>(from, _headSize * sizeof(float));
            var to = new Span<byte>(all + (count - 1) * _headSize * size, _headSize * size);
            if (_type == ScalarType.Float32) wide.CopyTo(to);
            else FloatBlocks.Convert(wide, ScalarType.Float32, to, _type);
        }
    }

    /// <summary>Rotations of the new positions; every row has its own, or all have the same (stride 0).</summary>
    private readonly struct Angles(float* cos, float* sin, int stride)
    {
        public float* Cos => cos;
        public float* Sin => sin;
        public int Stride => stride;
    }

    private sealed class Layer : IDisposable
    {
        public Layer(DecoderStep step, LlamaLayerWeights weights, (Tensor Keys, Tensor Values) cached)
        {
            var (memory, (attention, mlp)) = (step._memory, weights);
            AttentionNorm = ToFloats(attention.Norm);
            QueryKeyValue = new ProjectionGroup(
                memory, [attention.Query, attention.Key, attention.Value], step._queries, step._keys, step._values);
            AttentionOutput = new ProjectionGroup(memory, [attention.Output], step._change);
            MlpNorm = ToFloats(mlp.Norm);
            GateUp = new ProjectionGroup(memory, [mlp.Gate, mlp.Up], step._gate, step._up);
            Down = new ProjectionGroup(memory, [mlp.Down], step._change);
            Keys = TensorMemory.Address(cached.Keys);
            Values = TensorMemory.Address(cached.Values);
        }

        public float[] AttentionNorm { get; }
        public ProjectionGroup QueryKeyValue { get; }
        public ProjectionGroup AttentionOutput { get; }
        public float[] MlpNorm { get; }
        public ProjectionGroup GateUp { get; }
        public ProjectionGroup Down { get; }
        public byte* Keys { get; }
        public byte* Values { get; }

        public void Dispose()
        {
            foreach (var group in (ProjectionGroup[])[QueryKeyValue, AttentionOutput, GateUp, Down]) group.Dispose();
        }
    }
}
