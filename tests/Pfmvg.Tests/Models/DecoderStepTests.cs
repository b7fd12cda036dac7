using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Kernels;
using Pfmvg.Models.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models;

/// <summary>One position through the fused step is one position through the model's modules.</summary>
public sealed class DecoderStepTests
{
    private const int Seen = 21, Capacity = 40;
    private static readonly string[] AllTargets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

    public static TheoryData<int, int, int, string[], int> Shapes => new()
    {
        { 1, 64, 4, AllTargets, 4 },         // head size 16, a rank that is no whole vector
        { 3, 96, 2, ["q_proj", "v_proj"], 8 },     // 48
        { 8, 128, 1, ["o_proj", "down_proj"], 64 }, // 128
        { 11, 160, 2, [], 4 },                 // 80
        { 17, 64, 2, AllTargets, 20 },         // 32; a rank of a vector and a rest
    };

    [Theory, MemberData(nameof(Shapes))]
    public void Logits_and_cache_are_those_of_the_modules_in_float32(int rows, int width, int heads, string[] targets, int rank)
    {
        using var world = new World(rows, width, heads, targets, rank, ScalarType.Float32, quantized: false);
        var (fused, modules) = world.Both(steps: 3);
        Assert.True(fused.Logits.allclose(modules.Logits, 1e-4, 1e-5));
        foreach (var layer in Enumerable.Range(0, 2))
        {
            Assert.True(Kept(fused.Cache.Reserved(layer).Keys).allclose(Kept(modules.Cache.Reserved(layer).Keys), 1e-4, 1e-5));
            Assert.True(Kept(fused.Cache.Reserved(layer).Values).allclose(Kept(modules.Cache.Reserved(layer).Values), 1e-4, 1e-5));
        }

        Assert.Equal(modules.Cache.Length, fused.Cache.Length);

        static Tensor Kept(Tensor all) => all.narrow(2, 0, Seen + 3);
    }

    [Theory, InlineData(1, false), InlineData(9, false), InlineData(1, true), InlineData(9, true)]
    public void In_bf16_and_int8_it_is_at_least_as_near_to_the_same_model_in_float32(int rows, bool quantized)
    {
        using var world = new World(rows, 96, 3, AllTargets, 4, ScalarType.BFloat16, quantized);
        using var wide = world.InFloat32();
        var expected = wide.Both(steps: 1).Modules.Logits;
        var (fused, modules) = world.Both(steps: 1);
        var (mine, theirs) = (Error(fused.Logits), Error(modules.Logits));
        Assert.InRange(mine, 0, 0.02);
        Assert.InRange(mine, 0, theirs * 1.1);

        double Error(Tensor logits) => logits.sub(expected).norm().item<float>() / expected.norm().item<float>();
    }

    [Theory, InlineData(ScalarType.Float32, false), InlineData(ScalarType.Float32, true), InlineData(ScalarType.BFloat16, false),
        InlineData(ScalarType.BFloat16, true)]
    public void A_row_has_the_same_bits_alone_and_among_others(ScalarType type, bool quantized)
    {
        using var world = new World(11, 160, 5, AllTargets, 4, type, quantized);
        var together = world.Fused(world.NewCache(), Enumerable.Range(0, 11), steps: 2);
        foreach (var row in (int[])[0, 7, 10])
            Assert.True(together[row].Same(world.Fused(world.NewCache([row]), [row], steps: 2)[0]), $"row {row}");
    }

    [Fact]
    public void It_is_left_to_the_modules_where_a_size_does_not_fit()
    {
        using var narrow = new World(1, 64, 8, [], 4, ScalarType.Float32, quantized: false); // head size 8
        Assert.Null(DecoderStep.For(narrow.Model.Language, narrow.NewCache()));
        using var odd = new World(1, 80, 1, [], 4, ScalarType.Float32, quantized: false);     // 80 inputs
        Assert.Null(DecoderStep.For(odd.Model.Language, odd.NewCache()));
        using var crowd = new World(65, 64, 2, [], 4, ScalarType.Float32, quantized: false);
        Assert.Null(DecoderStep.For(crowd.Model.Language, crowd.NewCache()));
    }

    [Theory, InlineData(ScalarType.Float32, false), InlineData(ScalarType.Float32, true), InlineData(ScalarType.BFloat16, true)]
    public void No_tensor_outlives_it_but_the_logits(ScalarType type, bool quantized)
    {
        using var world = new World(3, 64, 2, AllTargets, 4, type, quantized);
        var cache = world.NewCache();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var logits = world.Fused(cache, [0, 1, 2], steps: 2, inScope: true);
        Assert.Equal(before + 1, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.True(logits.isfinite().all().item<bool>());
        Assert.True(world.Model.named_parameters().All(p => p.parameter.numel() > 0)); // nor was one of the model's freed
    }

    [Fact]
    public void A_full_cache_is_refused()
    {
        using var world = new World(2, 64, 2, [], 4, ScalarType.Float32, quantized: false);
        var cache = world.NewCache();
        cache.Advance(Capacity - Seen);
        Assert.Throws<InvalidOperationException>(() => world.Fused(cache, [0, 1], steps: 1));
    }

    /// <summary>A random model, and keys and values as if some positions had been seen.</summary>
    private sealed class World : IDisposable
    {
        private readonly DisposeScope _scope = NewDisposeScope();
        private readonly IDisposable _quiet = no_grad();
        private readonly int _rows;
        private readonly Tensor _keys, _values, _embeddings;
        private readonly GroundingConfig _config;

        public World(int rows, int width, int heads, string[] targets, int rank, ScalarType type, bool quantized)
        {
            Assert.SkipUnless(ThinVectors.Lanes > 0, "the fused step needs wide vectors");
            _rows = rows;
            _config = new GroundingConfig(
                new EvaConfig(28, 14, 32, 1, 2, 64), 4, new LlamaConfig(50, width, 2, heads, 96, Quantized: quantized),
                new LoraConfig(rank, 8, 0, targets));
            Model = ModelBuilder.Random(_config, type, CPU, seed: 1);
            foreach (var (name, parameter) in Model.named_parameters().Where(p => p.name.Contains(".lora_B.", StringComparison.Ordinal)))
                parameter.normal_(0, 0.1, Draw(name.Length));
            _keys = randn([2, rows, heads, Seen, width / heads], generator: Draw(2)).to(type);
            _values = randn([2, rows, heads, Seen, width / heads], generator: Draw(3)).to(type);
            _embeddings = randn([3, rows, 1, width], generator: Draw(4)).to(type);
        }

        public GroundingModel Model { get; }

        /// <summary>The same values, held in float32.</summary>
        public World InFloat32()
        {
            var wide = new World(_rows, _config.Language.HiddenSize, _config.Language.Heads, [.. _config.Lora.Targets], _config.Lora.Rank,
                ScalarType.Float32, quantized: false);
            var mine = Model.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter);
            foreach (var (name, parameter) in wide.Model.named_parameters())
                parameter.copy_(mine.TryGetValue(name + "_scale", out var scale)
                    ? mine[name].to(ScalarType.Float32).mul(scale.to(ScalarType.Float32).unsqueeze(1)) : mine[name]);
            wide._keys.copy_(_keys);
            wide._values.copy_(_values);
            wide._embeddings.copy_(_embeddings);
            return wide;
        }

        public KvCache NewCache(int[]? rows = null)
        {
            var chosen = tensor((rows ?? [.. Enumerable.Range(0, _rows)]).Select(row => (long)row).ToArray());
            var cache = new KvCache(_config.Language, chosen.shape[0], Capacity, Model.Language.Type, CPU);
            for (var layer = 0; layer < 2; layer++)
            {
                var (keys, values) = cache.Reserved(layer);
                keys.fill_(float.NaN); // what is not filled must not be read
                values.fill_(float.NaN);
                keys.narrow(2, 0, Seen).copy_(_keys[layer].index_select(0, chosen));
                values.narrow(2, 0, Seen).copy_(_values[layer].index_select(0, chosen));
            }

            cache.Advance(Seen);
            return cache;
        }

        public ((Tensor Logits, KvCache Cache) Fused, (Tensor Logits, KvCache Cache) Modules) Both(int steps)
        {
            var (fused, modules) = (NewCache(), NewCache());
            var rows = Enumerable.Range(0, _rows).ToArray();
            var logits = Fused(fused, rows, steps);
            Tensor? expected = null;
            for (var step = 0; step < steps; step++)
            {
                // Row r has r positions that hold nothing, from the second on, at most all but two.
                var mask = zeros([_rows, 1, 1, modules.Length + 1], Model.Language.Type);
                foreach (var row in rows) mask[row].narrow(2, 1, Hidden(row)).fill_(-3e38f);
                expected = Model.Language.Logits(Model.Language.call(
                    _embeddings[step], new DecoderPass(Positions(rows, step), mask, modules))).squeeze(1);
            }

            return ((logits, fused), (expected!, modules));
        }

        public Tensor Fused(KvCache cache, IEnumerable<int> chosen, int steps, bool inScope = false)
        {
            using var scope = inScope ? NewDisposeScope() : null;
            int[] rows = [.. chosen];
            using var fused = DecoderStep.For(Model.Language, cache);
            Assert.NotNull(fused);
            Tensor? logits = null;
            for (var step = 0; step < steps; step++)
                logits = fused.Logits(_embeddings[step].index_select(0, tensor(rows)), Positions(rows, step),
                    [.. rows.Select(row => (1L, 1L + Hidden(row)))]);
            return scope is null ? logits! : logits!.MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            Model.Dispose();
            _quiet.Dispose();
            _scope.Dispose();
        }

        private static long Hidden(int row) => Math.Min(row, Seen - 2);

        private Rotary Positions(int[] rows, int step) =>
            Model.Language.RotaryAt(tensor([.. rows.Select(row => Seen + step - Hidden(row))]).unsqueeze(1));

        private static Generator Draw(long seed) => new((ulong)seed, CPU);
    }
}
