using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Models.Language;

/// <summary>
/// One new position of every row through the language model, as the answer's tokens need it: what <see cref="Llama"/> computes, on a
/// CPU with AVX-512, without gradients. Weights and cached keys and values keep their types; everything between is float32. The
/// products take the memory's time, so that nothing else may take much: the same with tensors spends a quarter of the time
/// between the products.
/// </summary>
internal sealed unsafe class DecoderStep : IDisposable
{
    private const int MostRows = 64; // measured as faster up to here; more were not tried
    private const int Block = 1024; // elements that a thread takes at a time

    private readonly KvCache _cache;
    private readonly ScalarType _type;
    private readonly int _rows, _heads, _headSize, _width, _inner;
    private readonly Layer[] _layers;
    private readonly float[] _lastNorm;
    private readonly float _eps;
    private readonly Group _head;
    private readonly List<nint> _rooms = [];
    private readonly float* _hidden, _input, _laidOut, _plain, _queries, _keys, _values, _gate, _up, _change, _scores, _logits;

    /// <summary>Prepares for the rows of a cache; null when the model, its device or the processor is not one of those.</summary>
    public static DecoderStep? For(Llama model, KvCache cache)
    {
        var config = model.Config;
        var fits = cache.Rows <= MostRows && model.Type is ScalarType.BFloat16 or ScalarType.Float32
            && config.HeadSize % ThinAttention.Lanes == 0
            && model.Layers.SelectMany(Projections).Append(model.End.Head).All(Fits);
        return fits ? new DecoderStep(model, cache) : null;

        static IEnumerable<object> Projections(LlamaLayer layer) =>
            [.. layer.Attention.Inputs, layer.Attention.Output, .. layer.Mlp.Inputs, layer.Mlp.Output];

        static bool Fits(object projection) =>
            projection is IProjection { Weights: var weights } && ThinMatrix.Fits(weights.Weight)
                && (weights.Adapter is not { } adapter || ThinMatrix.Fits(adapter.Down));
    }

    private DecoderStep(Llama model, KvCache cache)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var config = model.Config;
        (_cache, _type, _rows) = (cache, model.Type, (int)cache.Rows);
        (_heads, _headSize, _width, _inner) = (config.Heads, config.HeadSize, config.HiddenSize, config.IntermediateSize);
        var widest = Math.Max(_width, _inner);
        _hidden = Room(_width);
        _input = Room(widest);
        _laidOut = Room(widest);
        _plain = Room(widest);
        _queries = Room(_width);
        _keys = Room(_width);
        _values = Room(_width);
        _change = Room(_width);
        _gate = Room(_inner);
        _up = Room(_inner);
        _logits = Room(config.VocabularySize);
        _scores = Room(_heads * (cache.Capacity + ThinAttention.Lanes));
        _layers = [.. model.Layers.Select((layer, index) => new Layer(
            Values(layer.Attention.Norm.Values.Weight), new Group(this, layer.Attention.Inputs, _queries, _keys, _values),
                new Group(this, [layer.Attention.Output], _change),
            Values(layer.Mlp.Norm.Values.Weight), new Group(this, layer.Mlp.Inputs, _gate, _up),
                new Group(this, [layer.Mlp.Output], _change),
            cache.Room(index).Keys, cache.Room(index).Values))];
        (_lastNorm, _eps) = (Values(model.End.Norm.Values.Weight), model.End.Norm.Values.Eps);
        _head = new Group(this, [model.End.Head], _logits);

        static float[] Values(Tensor weight) => weight.to(ScalarType.Float32).data<float>().ToArray();
    }

    /// <summary>Logits (B, W) of the position behind the new one, float32; the cache then holds the new one, too.</summary>
    /// <param name="embeddings">(B, 1, C) in the model's type.</param>
    /// <param name="rotary">Of the new positions.</param>
    /// <param name="hidden">Of every row the cached positions that hold nothing.</param>
    public Tensor Logits(Tensor embeddings, Rotary rotary, IReadOnlyList<(long From, long To)> hidden)
    {
        if (_cache.Length == _cache.Capacity) throw new InvalidOperationException($"The cache has room for {_cache.Capacity} positions.");
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var (input, cos, sin) = (Wide(embeddings), Wide(rotary.Tables.Cos), Wide(rotary.Tables.Sin));
        new ReadOnlySpan<float>(TensorMemory.Address(input), _rows * _width).CopyTo(new Span<float>(_hidden, _rows * _width));
        var angles = new Angles((float*)TensorMemory.Address(cos), (float*)TensorMemory.Address(sin), cos.shape[0] == 1 ? 0 : _headSize);
        var threads = get_num_threads();
        foreach (var layer in _layers)
        {
            Normalise(layer.AttentionNorm);
            layer.Queries.Multiply(threads);
            ThreadTeam.Run(threads, _rows * _heads, piece => Attend(layer, (int)(piece / _heads), (int)(piece % _heads), angles, hidden));
            layer.AttentionOutput.Multiply(threads);
            Add();
            Normalise(layer.MlpNorm);
            layer.Gates.Multiply(threads);
            ThreadTeam.Run(threads, ((long)_rows * _inner + Block - 1) / Block, Gate);
            layer.MlpOutput.Multiply(threads);
            Add();
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
        foreach (var room in _rooms) NativeMemory.AlignedFree((void*)room);
        _rooms.Clear();
    }

    // Rows that only fill a tile stay zero.
    private float* Room(long width)
    {
        var bytes = checked((nuint)(ThinMatrix.Padded(_rows) * width * sizeof(float)));
        var room = NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Clear(room, bytes);
        _rooms.Add((nint)room);
        return (float*)room;
    }

    /// <summary>The next input: RMSNorm of the hidden state.</summary>
    private void Normalise(float[] weight)
    {
        for (var row = 0; row < _rows; row++)
        {
            float* from = _hidden + row * _width, to = _input + row * _width;
            var scale = Vector512.Create(1 / MathF.Sqrt(Dot(from, from, _width) / _width + _eps));
            for (var i = 0; i < _width; i += ThinAttention.Lanes)
                (Vector512.Load(from + i) * scale * Vector512.Create<float>(weight.AsSpan(i))).Store(to + i);
        }
    }

    private static float Dot(float* x, float* y, int count) => Dots(x, y, y, y, y, count)[0];

    /// <summary>x times each of four vectors.</summary>
    private static Vector128<float> Dots(float* x, float* a, float* b, float* c, float* d, int count)
    {
        Vector512<float> p = default, q = default, r = default, s = default;
        var at = 0;
        for (; at + ThinAttention.Lanes <= count; at += ThinAttention.Lanes)
        {
            var part = Vector512.Load(x + at);
            p = Vector512.FusedMultiplyAdd(part, Vector512.Load(a + at), p);
            q = Vector512.FusedMultiplyAdd(part, Vector512.Load(b + at), q);
            r = Vector512.FusedMultiplyAdd(part, Vector512.Load(c + at), r);
            s = Vector512.FusedMultiplyAdd(part, Vector512.Load(d + at), s);
        }

        var sums = ThinMatrix.Sums(p, q, r, s);
        for (; at < count; at++) sums += Vector128.Create(a[at], b[at], c[at], d[at]) * x[at];
        return sums;
    }

    private void Add()
    {
        for (var i = 0; i < _rows * _width; i += ThinAttention.Lanes)
            (Vector512.Load(_hidden + i) + Vector512.Load(_change + i)).Store(_hidden + i);
    }

    private void Gate(long block)
    {
        var end = Math.Min((block + 1) * Block, (long)_rows * _inner);
        for (var at = block * Block; at < end; at += ThinAttention.Lanes)
        {
            var gate = Vector512.Load(_gate + at);
            (gate / (Vector512<float>.One + Vector512.Exp(-gate)) * Vector512.Load(_up + at)).Store(_input + at);
        }
    }

    private void Attend(Layer layer, int row, int head, Angles angles, IReadOnlyList<(long From, long To)> hidden)
    {
        var (size, count) = (TensorTypes.Size(_type), _cache.Length + 1);
        var place = row * _width + head * _headSize;
        var room = (row * _heads + head) * _cache.Capacity * _headSize * size;
        byte* keys = layer.Keys + room, values = layer.Values + room;
        var rotated = stackalloc float[_headSize];
        ThinAttention.Rotate(_keys + place, angles.Cos + row * angles.Stride, angles.Sin + row * angles.Stride, rotated, _headSize);
        Keep(rotated, keys);
        Keep(_values + place, values);
        ThinAttention.Rotate(_queries + place, angles.Cos + row * angles.Stride, angles.Sin + row * angles.Stride, rotated, _headSize);
        var scores = _scores + (row * _heads + head) * (_cache.Capacity + ThinAttention.Lanes);
        ThinAttention.Of(rotated, keys, values, _type, count, hidden[row], scores, _input + place, _headSize);

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

    private sealed class Layer(
        float[] attentionNorm, Group queries, Group attentionOutput, float[] mlpNorm, Group gates, Group mlpOutput, Tensor keys,
            Tensor values) : IDisposable
    {
        public float[] AttentionNorm => attentionNorm;
        public Group Queries => queries;
        public Group AttentionOutput => attentionOutput;
        public float[] MlpNorm => mlpNorm;
        public Group Gates => gates;
        public Group MlpOutput => mlpOutput;
        public byte* Keys { get; } = TensorMemory.Address(keys);
        public byte* Values { get; } = TensorMemory.Address(values);

        public void Dispose()
        {
            foreach (var group in (Group[])[queries, attentionOutput, gates, mlpOutput]) group.Dispose();
        }
    }

    /// <summary>Projections of the same input, multiplied together, each with its adapter.</summary>
    private sealed class Group : IDisposable
    {
        private readonly DecoderStep _step;
        private readonly List<(ThinMatrix Matrix, nint To)> _products = [];
        private readonly List<Adapter> _adapters = [];
        private readonly long _pieces, _blocks;
        private readonly ThinMatrix? _plain; // an adapter's, which takes the input in another order than the frozen matrices

        public Group(DecoderStep step, IReadOnlyList<object> projections, params float*[] to)
        {
            _step = step;
            foreach (var (index, projection) in projections.Index())
            {
                var (weight, scale, adapter) = ((IProjection)projection).Weights;
                _products.Add((new ThinMatrix(weight, scale), (nint)to[index]));
                if (adapter is not var (down, up, factor)) continue;
                var low = step.Room(down.shape[0]);
                _products.Add((new ThinMatrix(down, null), (nint)low));
                _adapters.Add(new Adapter(up, low, to[index], factor));
            }

            _plain = _products.Select(product => product.Matrix)
                .FirstOrDefault(matrix => matrix.TakesPairs != _products[0].Matrix.TakesPairs);
            _pieces = _products.Sum(product => product.Matrix.Pieces);
            _blocks = _adapters.Sum(adapter => adapter.Blocks);
        }

        public long Outputs => _products[0].Matrix.Outputs;

        public void Multiply(int threads)
        {
            _products[0].Matrix.LayOut(_step._input, _step._laidOut, _step._rows);
            _plain?.LayOut(_step._input, _step._plain, _step._rows);
            ThreadTeam.Run(threads, _pieces, Multiply);
            if (_blocks > 0) ThreadTeam.Run(threads, _blocks, Adapt);
        }

        public void Dispose()
        {
            foreach (var (matrix, _) in _products) matrix.Dispose();
        }

        private void Multiply(long piece)
        {
            foreach (var (matrix, to) in _products)
            {
                if (piece < matrix.Pieces)
                {
                    matrix.Multiply(piece, matrix.TakesPairs == _products[0].Matrix.TakesPairs ? _step._laidOut : _step._plain, (float*)to,
                        ThinMatrix.Padded(_step._rows));
                    return;
                }

                piece -= matrix.Pieces;
            }
        }

        private void Adapt(long block)
        {
            foreach (var adapter in _adapters)
            {
                if (block < adapter.Blocks)
                {
                    adapter.Add(block, _step._rows);
                    return;
                }

                block -= adapter.Blocks;
            }
        }
    }

    /// <summary>y += factor B low, with B (O, r) and low = A x (R, r).</summary>
    private sealed class Adapter(Tensor up, float* low, float* to, float factor)
    {
        private const int Outputs = 128; // that a thread takes at a time

        private readonly float* _up = (float*)TensorMemory.Address(up);
        private readonly int _outputs = (int)up.shape[0], _rank = (int)up.shape[1];

        public long Blocks => (_outputs + Outputs - 1) / Outputs;

        public void Add(long block, int rows)
        {
            var end = Math.Min(_outputs, (block + 1) * Outputs);
            for (var output = block * Outputs; output < end; output++)
            {
                for (var row = 0; row < rows; row += 4)
                {
                    var sums = Dots(_up + output * _rank, Low(row), Low(row + 1), Low(row + 2), Low(row + 3), _rank);
                    for (var i = 0; i < Math.Min(4, rows - row); i++) to[(long)(row + i) * _outputs + output] += factor * sums[i];
                }

                float* Low(int row) => low + (long)Math.Min(row, rows - 1) * _rank;
            }
        }
    }
}
