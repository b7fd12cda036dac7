using Pfmvg.Configuration;
using Pfmvg.Decoding;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Kernels;
using Pfmvg.Models.Language;
using Pfmvg.Tests.Support;
using Pfmvg.Training;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models.Kernels;

/// <summary>A model in int8 is the floating-point model that holds the values which the whole numbers stand for.</summary>
public sealed class Int8Tests : IDisposable
{
    private static readonly GroundingConfig Plain = new(
        new EvaConfig(56, 14, 32, 2, 2, 64), 4, new LlamaConfig(50, 64, 2, 2, 96), new LoraConfig(4, 8, 0, ["q_proj", "v_proj"]));

    private static readonly GroundingConfig Small = Plain with { Language = Plain.Language with { Quantized = true } };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(ScalarType.Float32), InlineData(ScalarType.BFloat16)]
    public void A_value_is_off_by_half_a_scale_at_most_and_the_largest_of_a_row_is_kept(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var values = RandomWeights.Values("a.weight", ScalarType.Float32, [1030, 77], 3).mul(arange(1, 1031, float32).unsqueeze(1));
        var (weight, scale) = (empty(1030, 77, ScalarType.Int8), empty(1030, type));
        FrozenMatrix.Store(values, weight, scale);
        var back = weight.to(float64).mul(scale.to(float64).unsqueeze(1));
        // A bfloat16 scale may be 2^-9 short of the row's largest value.
        var most = scale.to(float64).unsqueeze(1).mul(type == ScalarType.Float32 ? 0.5001 : 0.5001 + 127.0 / 512);
        Assert.True(back.sub(values.to(float64)).abs().le(most).all().item<bool>());
        Assert.Equal(127, weight.to(ScalarType.Int32).abs().amax([1]).min().item<int>(), 1.0);
        Assert.True(FrozenMatrix.Values(weight, scale).dtype == type);
    }

    [Fact]
    public void A_row_of_zeros_stays_zero()
    {
        using var scope = NewDisposeScope();
        var (weight, scale) = (empty(2, 8, ScalarType.Int8), empty(2, ScalarType.BFloat16));
        FrozenMatrix.Store(zeros(2, 8), weight, scale);
        Assert.True(FrozenMatrix.Values(weight, scale).to(float32).eq(0).all().item<bool>());
    }

    [Theory, InlineData(1), InlineData(7), InlineData(40)]
    public void Few_and_many_rows_are_multiplied_alike(int rows)
    {
        using var scope = NewDisposeScope();
        var (weight, scale) = (empty(50, 64, ScalarType.Int8), empty(50, float32));
        FrozenMatrix.Store(randn(50, 64), weight, scale);
        var x = randn(rows, 1, 64);
        var expected = x.to(float64).matmul(FrozenMatrix.Values(weight, scale).to(float64).t());
        Assert.True(expected.allclose(FrozenMatrix.Product(x, weight, scale, null).to(float64), 1e-5, 1e-5));
        var bias = randn(50);
        Assert.True(expected.add(bias).allclose(FrozenMatrix.Product(x, weight, scale, bias).to(float64), 1e-5, 1e-5));
    }

    [Fact]
    public void Loss_and_gradients_are_those_of_the_dequantised_model()
    {
        using var scope = NewDisposeScope();
        using var int8 = ModelBuilder.Random(Small, ScalarType.Float32, CPU, seed: 3);
        using var plain = Dequantised(int8);
        var expected = Gradients(plain, out var loss);
        var actual = Gradients(int8, out var own);
        Assert.Equal(loss, own, 1e-5);
        foreach (var (name, gradient) in expected) Assert.True(gradient.allclose(actual[name], 1e-4, 1e-6), name);
    }

    [Fact]
    public void Answers_are_those_of_the_dequantised_model_and_close_to_the_original()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var original = ModelBuilder.Random(Plain, ScalarType.Float32, CPU, seed: 3);
        using var int8 = ModelBuilder.Random(Small, ScalarType.Float32, CPU, seed: 3);
        using var plain = Dequantised(int8);
        IReadOnlyList<IReadOnlyList<int>> prompts = [[1, 5, 9, 12], [1, 6]];
        var answers = new[] { int8, plain }
            .Select(model => new AnswerGenerator(model, endToken: 2).Greedy(prompts, null, new DecodingOptions(8))).ToArray();
        Assert.Equal(answers[1].Select(a => a.Ids), answers[0].Select(a => a.Ids));
        var (exact, near) = (Logits(original), Logits(int8));
        var error = near.sub(exact).norm().item<float>() / exact.norm().item<float>();
        Assert.InRange(error, 1e-5, 0.05);

        static Tensor Logits(GroundingModel model) =>
            model.Language.Logits(model.Language.call(
                model.Embed(tensor([1L, 5, 9, 12], [1, 4]), null), new DecoderPass(model.Language.RotaryAt(arange(4)))));
    }

    [Fact]
    public void Files_in_floating_point_are_quantised_as_they_are_loaded()
    {
        using var scope = NewDisposeScope();
        var paths = new WeightPaths(_folder.In("eva.pth"), _folder.In("llama"), null);
        BaseWeights.WriteRandom(Small, paths, ScalarType.BFloat16, ShardFormat.SafeTensors, 1 << 20, seed: 7);
        var (loaded, files) = ModelBuilder.Load(Small, paths, ScalarType.BFloat16, CPU, seed: 1,
            cancel: TestContext.Current.CancellationToken);
        using var filled = new GroundingModel(Small, ScalarType.BFloat16, CPU);
        using (loaded)
        {
            RandomWeights.Fill(filled, 7);
            Assert.All(files, file => Assert.Empty(file.Report.Missing));
            foreach (var (name, parameter) in loaded.named_parameters()
                .Where(p => !p.parameter.requires_grad && !p.name.StartsWith("ln_vision", StringComparison.Ordinal)))
                Assert.True(parameter.Same(filled.get_parameter(name)!), name);
        }
    }

    [Fact]
    public void The_7B_base_fits_into_7_5_GB()
    {
        var settings = ConfigurationFile.Load(
            Path.Combine(Fixtures.Repository, "configs", "pfmvg-7b.yaml"), ["model.language.quantized=true"]).Model;
        using var model = new GroundingModel(ConfiguredModel.Sizes(settings), ScalarType.BFloat16, META);
        Assert.InRange(model.Language.named_parameters().Where(p => !p.parameter.requires_grad)
            .Sum(p => p.parameter.numel() * p.parameter.element_size()), 6.5e9, 7.5e9);
    }

    private static GroundingModel Dequantised(GroundingModel int8)
    {
        using var quiet = no_grad();
        var plain = new GroundingModel(Plain, ScalarType.Float32, CPU);
        foreach (var (name, parameter) in plain.named_parameters())
        {
            var own = int8.get_parameter(name)!;
            parameter.copy_(own.dtype == ScalarType.Int8 ? FrozenMatrix.Values(own, int8.get_parameter(name + "_scale")!) : own);
        }

        return plain;
    }

    private static Dictionary<string, Tensor> Gradients(GroundingModel model, out double loss)
    {
        foreach (var (name, parameter) in model.Trainables())
            if (name.Contains("lora_B", StringComparison.Ordinal)) using (no_grad()) parameter.fill_(0.05);
        var ids = tensor([1L, 5, -1, -1, -1, -1, 9, 12, 20, 2], [1, 10]);
        var features = randn(1, 4, Plain.FeatureWidth, generator: new Generator(5, CPU));
        loss = Backpropagation.Accumulate(model, new MicroBatch(ids, ids.masked_fill(ids.lt(9), -100), features), 1, recompute: false);
        return model.Trainables().ToDictionary(t => t.Name, t => t.Parameter.grad!);
    }
}
