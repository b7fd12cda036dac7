using Pfmvg.Decoding;
using Pfmvg.Models;
using Pfmvg.Models.Kernels;
using Pfmvg.Models.Language;
using Pfmvg.Models.Vision;
using Pfmvg.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models;

/// <summary>
/// Steps on the meta device, which has shapes and no values. Whatever reads a value back or mixes in a tensor of the CPU fails there; on a
/// GPU the first makes the host wait, and the second fails, too. (Only a matrix product takes a CPU tensor there without a word.)
/// </summary>
public sealed class HiddenWaitTests
{
    private static readonly GroundingConfig Tiny = new(
        new EvaConfig(56, 14, 48, 2, 2, 64), 4, new LlamaConfig(64, 32, 2, 2, 64),
        new LoraConfig(4, 8, 0.5, ["q_proj", "v_proj", "o_proj"]));

    private readonly long[] _ids = [1, 5, -1, -1, -1, -1, 9, 12, 20, 2, 1, 6, -1, -1, -1, -1, 7, 30, 2, 0];
    private readonly long[] _targets = [.. Enumerable.Repeat(-100L, 7), 12, 20, 2, .. Enumerable.Repeat(-100L, 7), 30, 2, -100];

    [Theory]
    [InlineData(false, false, ScalarType.Float32), InlineData(false, true, ScalarType.Float32)]
    [InlineData(false, false, ScalarType.BFloat16), InlineData(false, true, ScalarType.BFloat16)]
    [InlineData(true, false, ScalarType.BFloat16), InlineData(true, true, ScalarType.BFloat16)]
    public void A_training_step_reads_no_value_but_its_loss_and_norms(bool quantized, bool recompute, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var model = Model(quantized, type);
        using var gradients = new GradientBuffer([.. model.Trainables().Select(trained => trained.Parameter)], 0, staged: false);
        using var optimizer = new AdamW(model.Trainables(), 0.9, 0.999, 0.05);
        model.Dropout.Begin([(1, 10), (2, 9)]);
        var loss = Backpropagation.AccumulateUnread(
            model, new MicroBatch(tensor(_ids, [2, 10]).to(META), tensor(_targets, [2, 10]), Features(2)), 1, recompute);
        model.Dropout.End();
        gradients.Scale(0.1);
        var norms = gradients.Norms();
        optimizer.Step(1e-4);
        Assert.Equal(model.Trainables().Count(), norms.shape[0]);
        Assert.ThrowsAny<Exception>(() => loss.item<float>());
    }

    [Fact]
    public void The_meta_device_refuses_what_these_tests_look_for()
    {
        using var scope = NewDisposeScope();
        var meta = empty([4, 4], device: META);
        Assert.ThrowsAny<Exception>(() => meta[0, 0].item<float>());
        Assert.ThrowsAny<Exception>(() => meta.cpu());
        Assert.ThrowsAny<Exception>(() => meta[meta.gt(0)]);
        Assert.ThrowsAny<Exception>(() => meta.add(ones(4, 4)));
    }

    [Theory]
    [InlineData(false, ScalarType.Float32, true), InlineData(false, ScalarType.BFloat16, true), InlineData(true, ScalarType.BFloat16, true)]
    [InlineData(false, ScalarType.BFloat16, false)]
    public void A_decoding_step_reads_no_value_and_the_first_look_does(bool quantized, ScalarType type, bool useCache)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = Model(quantized, type);
        IReadOnlyList<int>[] prompts = [[1, 5, -1, -1, -1, -1, 9, 12], [1, 6, -1, -1, -1, -1, 7], [1, 5, -1, -1, -1, -1, 9, 3]];
        var visual = model.Project(Features(2));
        foreach (var (rows, pictures) in new (int, int[]?)[] { (2, null), (3, [0, 1, 0]) })
        {
            var options = new DecodingOptions(5) { UseCache = useCache };
            using var state = new DecodingState(model, prompts[..rows], visual, options, pictures);
            using var record = new TokenRecord(rows, 2, META);
            var choice = new TokenChoice(rows, null, null);
            for (var step = 0; step < 3; step++)
            {
                var logits = state.Next();
                Assert.Equal([rows, 64], logits.shape);
                state.AppendOnDevice(record.Add(logits, choice.Next(logits, 5 - step)));
            }

            Assert.ThrowsAny<Exception>(() => record.Look());
        }
    }

    [Fact]
    public void Drawing_tokens_and_reordering_beams_read_no_value()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = Model(false, ScalarType.Float32);
        using var state = new DecodingState(model, [[1, 5, 7], [1, 6]], null, new DecodingOptions(4));
        var choice = new TokenChoice(2, null, new Sampling(0.7, 0.9, [new CounterRandom(1, "a"), new CounterRandom(1, "b")]));
        Assert.Equal([2], choice.Next(state.Next(), 4).shape);
        state.Append([3L, 4L], [1, 0]);
        Assert.Equal([2, 64], state.Next().shape);
    }

    [Fact]
    public void Ways_of_the_CPU_are_taken_on_the_CPU_only()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(8, EvaVisionTower.HeadPadding(88, DeviceType.CPU));
        Assert.Equal(0, EvaVisionTower.HeadPadding(88, DeviceType.CUDA));
        Assert.Equal(0, EvaVisionTower.HeadPadding(88, DeviceType.META));
        using var model = Model(false, ScalarType.BFloat16);
        Assert.False(DecoderStep.Fits(model.Language));
        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16, ScalarType.Int8 })
        {
            var weight = empty([64, 64], type, META);
            var scale = type == ScalarType.Int8 ? empty([64], ScalarType.BFloat16, META) : null;
            var x = empty([2, 64], type == ScalarType.Int8 ? ScalarType.BFloat16 : type, META);
            Assert.False(ThinMatrix.Fits(weight));
            Assert.False(ThinProduct.Fits(1, x, weight));
            Assert.Null(WideProduct.TypeFor(weight, scale));
            Assert.Equal(x.dtype, x.ForProducts().dtype);
            Assert.Equal(DeviceType.META, FrozenMatrix.Product(x, weight, scale, null).device_type);
            Assert.Equal(DeviceType.META, FrozenMatrix.InputGradient(x, weight, scale).device_type);
            if (scale is not null) Assert.Equal(DeviceType.META, FrozenMatrix.Values(weight, scale).device_type);
        }
    }

    // A convolution, with which the tower begins, has no form for the meta device.
    private static Tensor Features(int pictures) => empty([pictures, Tiny.VisualTokens, Tiny.FeatureWidth], device: META);

    private static GroundingModel Model(bool quantized, ScalarType type) =>
        new(Tiny with { Language = Tiny.Language with { Quantized = quantized } }, type, META);
}
