using Pfmvg.Decoding;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Language;
using Pfmvg.Tests.Support;
using Pfmvg.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models;

/// <summary>Laws of the model that hold whatever the weights; each forward leaves no tensor behind.</summary>
public sealed class ModelLawTests : IDisposable
{
    private static readonly GroundingConfig Tiny = new(
        new EvaConfig(56, 14, 32, 2, 2, 64), 4, new LlamaConfig(50, 32, 2, 2, 48), new LoraConfig(4, 8, 0.5, ["q_proj", "v_proj"]));

    private readonly GroundingModel _model = ModelBuilder.Random(Tiny, ScalarType.Float32, TestDevice.Here, seed: 3);
    private readonly Tensor _images = randn(2, 3, 56, 56, generator: new Generator(5, CPU)).ToTestDevice();
    private readonly Tensor _ids =
        tensor([1L, 5, -1, -1, -1, -1, 9, 12, 20, 2, 1, 6, -1, -1, -1, -1, 7, 30, 31, 2], [2, 10]).ToTestDevice();

    [Fact]
    public void A_later_token_never_changes_an_earlier_output()
    {
        using var scope = NewDisposeScope();
        var before = Hidden(_ids);
        var changed = _ids.clone();
        changed[0, 8] = 33;
        var after = Hidden(changed);
        Assert.True(before[0].narrow(0, 0, 8).allclose(after[0].narrow(0, 0, 8), 0, 1e-6));
        Assert.False(before[0, 8].allclose(after[0, 8]));
        Assert.True(before[1].allclose(after[1], 0, 1e-6)); // and never another row
    }

    [Fact]
    public void Fresh_adapters_change_nothing_whatever_the_dropout()
    {
        using var scope = NewDisposeScope();
        var plain = Hidden(_ids);
        _model.Dropout.Begin([(1, 10), (2, 10)]);
        var dropped = Hidden(_ids);
        _model.Dropout.End();
        Assert.True(plain.allclose(dropped, 0, 0)); // B is zero
    }

    [Fact]
    public void Dropout_is_a_function_of_the_sample_not_of_its_place_in_the_batch()
    {
        using var scope = NewDisposeScope();
        using (no_grad())
            foreach (var (name, parameter) in _model.Trainables())
                if (name.Contains("lora_B", StringComparison.Ordinal)) parameter.fill_(0.3);
        var both = Dropped(_ids, _images, [(11, 10), (12, 10)]);
        var second = Dropped(_ids.narrow(0, 1, 1), _images.narrow(0, 1, 1), [(12, 10)]);
        var plain = Hidden(_ids);
        Assert.True(both.narrow(0, 1, 1).allclose(second, 1e-5, 1e-5));
        Assert.False(both.allclose(plain, 1e-3, 1e-3));

        Tensor Dropped(Tensor ids, Tensor images, (long, int)[] rows)
        {
            _model.Dropout.Begin(rows);
            var hidden = Hidden(ids, images);
            _model.Dropout.End();
            return hidden;
        }
    }

    // With an adapter on the last projections of both halves, too: those must run in the backward pass.
    [Theory, InlineData("q_proj"), InlineData("o_proj"), InlineData("down_proj")]
    public void Recomputation_changes_no_gradient(string target)
    {
        using var scope = NewDisposeScope();
        using var model = ModelBuilder.Random(Tiny with
        {
            Lora = Tiny.Lora with { Targets = [target, "v_proj"] },
        }, ScalarType.Float32, TestDevice.Here, seed: 3);
        using (no_grad())
            foreach (var (name, parameter) in model.Trainables())
                if (name.Contains("lora_B", StringComparison.Ordinal)) parameter.fill_(0.1);
        var (plain, again) = (Gradients(false), Gradients(true));
        Assert.Equal(model.Trainables().Count(), plain.Count);
        foreach (var (name, gradient) in plain) // up to the order of float32 sums
            Assert.True(again[name].sub(gradient).norm().item<float>() <= 1e-5 * gradient.norm().item<float>(), name);

        Dictionary<string, Tensor> Gradients(bool recompute)
        {
            foreach (var (_, parameter) in model.Trainables()) parameter.grad?.zero_();
            model.Dropout.Begin([(1, 10), (2, 10)]);
            var targets = _ids.masked_fill(_ids.lt(9), -100).cpu();
            Backpropagation.Accumulate(model, new MicroBatch(_ids, targets, model.EncodeImages(_images)), 1, recompute);
            model.Dropout.End();
            return model.Trainables().ToDictionary(t => t.Name, t => t.Parameter.grad!.clone());
        }
    }

    [Theory, InlineData(22), InlineData(32)]
    public void Attention_of_any_head_size_is_softmax_of_scaled_products(int headSize)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = ModelBuilder.Random(Tiny with
        {
            Vision = Tiny.Vision with { Width = 2 * headSize },
        }, ScalarType.Float32, TestDevice.Here, seed: 3);
        foreach (var name in (string[])["q_bias", "v_bias"])
            nn.init.normal_(model.get_parameter($"visual_encoder.blocks.0.attn.{name}")!, 0, 1);
        var attention = (nn.Module<Tensor, Tensor>)model.named_modules().Single(m => m.name == "visual_encoder.blocks.0.attn").module;
        var x = randn(2, 17, 2 * headSize).ToTestDevice();
        var bias = cat([Parameter("q_bias"), zeros(2 * headSize).ToTestDevice(), Parameter("v_bias")]);
        var parts = nn.functional.linear(x, Parameter("qkv.weight"), bias).view(2, 17, 3, 2, headSize).permute(2, 0, 3, 1, 4);
        var weights = parts[0].matmul(parts[1].transpose(2, 3)).div(Math.Sqrt(headSize)).softmax(3);
        var expected = nn.functional.linear(weights.matmul(parts[2]).transpose(1, 2).reshape(2, 17, -1), Parameter("proj.weight"),
            Parameter("proj.bias"));
        Assert.True(expected.allclose(attention.call(x), 1e-5, 1e-5));

        Tensor Parameter(string name) => model.get_parameter($"visual_encoder.blocks.0.attn.{name}")!;
    }

    [Fact]
    public void Only_trainables_get_gradients()
    {
        using var scope = NewDisposeScope();
        var targets = _ids.masked_fill(_ids.lt(9), -100).cpu();
        Backpropagation.Accumulate(_model, new MicroBatch(_ids, targets, _model.EncodeImages(_images)), 1, recompute: false);
        foreach (var (name, parameter) in _model.named_parameters()) Assert.Equal(parameter.requires_grad, parameter.grad is not null);
    }

    [Fact]
    public void Forward_backward_and_generation_leave_no_tensor_behind()
    {
        Run(); // gradients are made once
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Run();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Run()
        {
            using var scope = NewDisposeScope();
            var targets = _ids.masked_fill(_ids.lt(9), -100).cpu();
            foreach (var recompute in (bool[])[false, true])
                Backpropagation.Accumulate(_model, new MicroBatch(_ids, targets, _model.EncodeImages(_images)), 1, recompute);
            var visual = _model.Project(_model.EncodeImages(_images));
            IReadOnlyList<IReadOnlyList<int>> prompts = [[1, 5, -1, -1, -1, -1, 9], [1, -1, -1, -1, -1, 7]];
            var generator = new AnswerGenerator(_model, endToken: 2);
            generator.Greedy(prompts, visual, new DecodingOptions(6));
            generator.Beam(prompts, visual, 2, new DecodingOptions(6));
            foreach (var (_, parameter) in _model.Trainables()) using (parameter.grad) { }
        }
    }

    public void Dispose()
    {
        _model.Dispose();
        _images.Dispose();
        _ids.Dispose();
    }

    private Tensor Hidden(Tensor ids, Tensor? images = null)
    {
        using var quiet = no_grad();
        return _model.Language.call(_model.Embed(ids, _model.Project(_model.EncodeImages(images ?? _images))),
            new DecoderPass(_model.Language.RotaryAt(arange(ids.shape[1], device: TestDevice.Here))));
    }
}
