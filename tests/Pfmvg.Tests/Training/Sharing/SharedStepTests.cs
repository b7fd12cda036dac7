using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Models;
using Pfmvg.Runs;
using Pfmvg.Tensors;
using Pfmvg.Tests.Models;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;
using Pfmvg.Training;
using Pfmvg.Training.Sharing;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Training.Sharing;

/// <summary>The step of small models beside the modules and autograd.</summary>
[Collection("Alone")]
public sealed class SharedStepTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private const double Rounding = 2e-5; // relative to a gradient's largest element: sums of float32 in another order

    private static readonly string[] EveryTarget =
        ["model.lora.targets=[q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]"];

    [Theory, InlineData(false, 1), InlineData(false, 3), InlineData(true, 1)]
    public void Without_dropout_its_loss_and_gradients_are_those_of_the_modules(bool everyTarget, int threads)
    {
        using var run = new Subject(workspace, [.. everyTarget ? EveryTarget : [], "model.lora.dropout=0"]);
        var indices = Enumerable.Range(0, Math.Min(24, run.Samples.Count)).ToArray();
        Assert.True(run.Pictures(indices) < indices.Length); // some share a picture
        AssertSame(run.Learn(shared: false, indices), run.Learn(shared: true, indices, threads));
    }

    [Theory, InlineData("model.concat=1"), InlineData("model.join=square")]
    public void Tokens_of_other_patches_are_the_same_to_it(string tokens)
    {
        using var own = new TrainingWorkspace(10, tokens);
        using var run = new Subject(own, [.. EveryTarget, "model.lora.dropout=0"]);
        var indices = Enumerable.Range(0, run.Samples.Count).ToArray();
        AssertSame(run.Learn(shared: false, indices), run.Learn(shared: true, indices));
    }

    [Fact]
    public void Questions_of_several_tasks_about_a_picture_are_the_same_to_it()
    {
        using var run = new Subject(workspace, [.. EveryTarget, "model.lora.dropout=0", "stage2.max_answer_tokens=600",
            "stage2.tasks={identify: 0.2, detection: 0.2, grounding: 0.2}"]);
        var indices = Enumerable.Range(0, run.Samples.Count).Where(i => i % 3 == 0 || run.Samples[i].Task != SampleTask.Refer).ToArray();
        Assert.True(run.Pictures(indices) < indices.Length);
        AssertSame(run.Learn(shared: false, indices), run.Learn(shared: true, indices));
    }

    [Fact]
    public void With_dropout_a_picture_with_one_phrase_learns_as_the_modules_do()
    {
        using var run = new Subject(workspace, EveryTarget);
        int[] indices = [.. Enumerable.Range(0, run.Samples.Count).DistinctBy(i => run.Samples[i].Image)];
        Assert.True(indices.Length > 3);
        AssertSame(run.Learn(shared: false, indices), run.Learn(shared: true, indices));
    }

    [Fact]
    public void Widths_that_are_no_multiple_of_a_vector_are_the_same_to_it()
    {
        using var odd = new TrainingWorkspace(10, "model.language.intermediate_size=73", "model.lora.rank=17");
        using var run = new Subject(odd, [.. EveryTarget, "model.lora.dropout=0"]);
        var indices = Enumerable.Range(0, run.Samples.Count).ToArray();
        AssertSame(run.Learn(shared: false, indices), run.Learn(shared: true, indices));
    }

    [Fact]
    public void Every_number_of_threads_gives_the_same_bits_and_a_second_step_those_of_the_first()
    {
        using var run = new Subject(workspace);
        var indices = Enumerable.Range(0, run.Samples.Count).ToArray();
        var one = run.Learn(shared: true, indices, threads: 1);
        foreach (var other in (Learnt[])[run.Learn(shared: true, indices, threads: 2), run.Learn(shared: true, indices, threads: 5)])
        {
            Assert.Equal(one.Loss, other.Loss);
            foreach (var (name, gradient) in one.Gradients) Assert.True(gradient.Same(other.Gradients[name]), name);
        }
    }

    [Theory, InlineData("stage2.loss_mean=answers"), InlineData("stage2.coordinate_loss=20"),
        InlineData("stage2.loss_mean=answers", "stage2.coordinate_loss=20", "stage2.multi_box=per_phrase")]
    public void Losses_that_weigh_answers_and_distances_have_the_gradients_of_the_modules_and_not_those_of_the_plain_loss(
        params string[] losses)
    {
        using var run = new Subject(workspace, [.. EveryTarget, "model.lora.dropout=0", .. losses]);
        var indices = Enumerable.Range(0, Math.Min(24, run.Samples.Count)).ToArray();
        var modules = run.Learn(shared: false, indices);
        AssertSame(modules, run.Learn(shared: true, indices, threads: 2));
        AssertSame(modules, run.Learn(shared: false, indices, recompute: true));
        using var plain = new Subject(workspace, [.. EveryTarget, "model.lora.dropout=0", .. losses.Where(l => l.Contains("box"))]);
        var other = plain.Learn(shared: false, indices);
        Assert.Contains(other.Gradients, one => one.Value.sub(modules.Gradients[one.Key]).abs().max().item<float>()
            > 1e-3 * one.Value.abs().max().item<float>());
        // What is reported is the cross-entropy.
        if (losses[0].Contains("coordinate")) Assert.Equal(other.Loss, modules.Loss, 1e-6 * other.Loss);
        else Assert.True(modules.Targets <= indices.Length && modules.Targets < other.Targets);
    }

    [Fact]
    public void Captions_have_their_pictures_for_themselves()
    {
        using var run = new Subject(workspace, "stage2.task=caption", "stage2.image=random_crop");
        var indices = Enumerable.Range(0, 9).ToArray();
        Assert.Equal(indices.Length, run.Pictures(indices));
        AssertSame(run.Learn(shared: false, indices), run.Learn(shared: true, indices));
    }

    [Theory, InlineData("1"), InlineData("0.5")]
    public void Samples_of_a_picture_share_its_crop(string share)
    {
        using var run = new Subject(workspace, [.. EveryTarget, "model.lora.dropout=0", "stage2.share_pictures=true",
            "stage2.image=random_crop", $"stage2.crop_share={share}"]);
        var indices = Enumerable.Range(0, Math.Min(24, run.Samples.Count)).ToArray();
        Assert.True(run.Pictures(indices) < indices.Length);
        AssertSame(run.Learn(shared: false, indices), run.Learn(shared: true, indices));
    }

    [Fact]
    public void A_vision_tower_that_learns_gets_the_gradients_of_the_modules()
    {
        using var run = new Subject(workspace, [.. EveryTarget, "model.lora.dropout=0", "stage2.share_pictures=true",
            "stage2.image=random_crop", "stage2.train_vision=true"]);
        var indices = Enumerable.Range(0, Math.Min(24, run.Samples.Count)).ToArray();
        var (plain, shared) = (run.Learn(shared: false, indices), run.Learn(shared: true, indices));
        Assert.Contains(plain.Gradients, one => one.Key.StartsWith("visual_encoder.patch_embed", StringComparison.Ordinal));
        Assert.All(plain.Gradients, one => Assert.True(one.Value.abs().max().item<float>() > 0, one.Key));
        AssertSame(plain, shared);
    }

    [Theory, InlineData(1), InlineData(3)]
    public void A_box_head_learns_as_beside_the_modules(int threads)
    {
        using var run = new Subject(
            workspace, [.. EveryTarget, "model.lora.dropout=0", "stage2.box_head=true", "stage2.box_head_weight=3"]);
        var indices = Enumerable.Range(0, Math.Min(24, run.Samples.Count)).ToArray();
        var (plain, shared) = (run.Learn(shared: false, indices), run.Learn(shared: true, indices, threads));
        Assert.Equal(4, plain.Gradients.Count(one => one.Key.StartsWith("box_head.", StringComparison.Ordinal)));
        Assert.All(plain.Gradients, one => Assert.True(one.Value.abs().max().item<float>() > 0, one.Key));
        AssertSame(plain, shared);
    }

    [Fact]
    public void A_group_holds_the_common_beginning_once_and_predicts_every_target_from_a_row_of_its_own()
    {
        const int image = (int)GroundingModel.ImageToken, none = GroundingModel.NoTarget;
        TaughtSequence first = new([1, image, image, 7, 8, 20, 2], [none, none, none, none, none, 20, 2], 11);
        TaughtSequence second = new([1, image, image, 7, 9, 9, 20, 2], [none, none, none, none, none, none, 20, 2], 12);

        var group = new PictureGroup([first, second], picture: 3, sharedSeed: 5);
        Assert.Equal(new Segment(0, 3, 0, 5), group.Shared);
        Assert.Equal([new Segment(3, 4, 3, 11), new Segment(7, 5, 3, 12)], group.Rests);
        Assert.Equal([1, image, image, 7, 8, 20, 2, 7, 9, 9, 20, 2], group.Ids);
        Assert.Equal([(4, 20), (5, 2), (9, 20), (10, 2)], group.Targets);
        Assert.Equal(group.Shared, new PictureGroup([second], 0, 5).Shared); // whoever else is there
        Assert.Throws<ArgumentException>(() => new PictureGroup([first, second with { Ids = [3, image, image, 7, 9, 9, 20, 2] }], 0, 5));
    }

    [Theory, InlineData("precision=bf16"), InlineData("model.language.quantized=true"), InlineData("stage2.recompute=true")]
    public void Where_it_cannot_be_the_modules_learn_the_same_samples(string change)
    {
        using var run = new Subject(workspace, change);
        var indices = Enumerable.Range(0, 8).ToArray();
        var (plain, shared) = (run.Learn(shared: false, indices), run.Learn(shared: true, indices));
        Assert.Equal(plain.Loss, shared.Loss);
        foreach (var (name, gradient) in plain.Gradients) Assert.True(gradient.Same(shared.Gradients[name]), name);
    }

    private static void AssertSame(Learnt expected, Learnt actual)
    {
        Assert.Equal(expected.Loss, actual.Loss, expected.Loss * 1e-5);
        Assert.Equal((expected.Targets, expected.Positions), (actual.Targets, actual.Positions));
        foreach (var (name, gradient) in expected.Gradients)
            Fixtures.AssertClose(gradient, actual.Gradients[name], Rounding * gradient.abs().max().item<float>() + 1e-9, name);
    }

    private sealed record Learnt(double Loss, long Targets, long Positions, Dictionary<string, Tensor> Gradients);

    /// <summary>A model whose adapters have drawn values, and its samples.</summary>
    private sealed class Subject : IDisposable
    {
        private readonly PfmvgConfiguration _configuration;
        private readonly GroundingSetup _setup;
        private readonly TrainingSamples _samples;
        private readonly DisposeScope _scope = NewDisposeScope();

        public Subject(TrainingWorkspace workspace, params string[] changes)
        {
            _configuration = workspace.Configuration("shared-step", changes);
            _setup = GroundingSetup.Load(_configuration, 0, _configuration.Stage2.MaxAnswerTokens, null);
            _samples = _setup.Samples(_setup.Data.Read(_configuration.Stage2.Task, Split.Train), _configuration.Stage2);
            if (_configuration.Stage2.TrainVision) _setup.Model.TrainVision();
            using var quiet = no_grad();
            manual_seed(3); // B starts as zero, and A would then have no gradient
            foreach (var (_, parameter) in _setup.Model.Trainables()) parameter.PlusInPlace(randn_like(parameter).mul_(0.05));
        }

        public IReadOnlyList<Sample> Samples => _samples.Samples;

        public int Pictures(int[] indices) => indices.Select(_samples.FirstOfPicture).Distinct().Count();

        public Learnt Learn(bool shared, int[] indices, int threads = 1, bool recompute = false)
        {
            var before = get_num_threads();
            set_num_threads(threads);
            try
            {
                foreach (var (_, parameter) in _setup.Model.Trainables()) parameter.grad = null;
                var learner = new AnswerLearner(
                    _setup.Model, _samples, _configuration.Stage2 with
                    {
                        SharePictures = shared,
                        BatchSize = indices.Length,
                        Recompute = recompute ? Recomputation.True : _configuration.Stage2.Recompute,
                    });
                var micro = Assert.Single(learner.Learn(indices, epoch: 2, CancellationToken.None));
                return new Learnt(micro.Loss.item<float>(), micro.Targets, micro.Positions,
                    _setup.Model.Trainables().ToDictionary(t => t.Name, t => t.Parameter.grad!.clone()));
            }
            finally
            {
                set_num_threads(before);
            }
        }

        public void Dispose()
        {
            foreach (var (_, parameter) in _setup.Model.Trainables()) parameter.grad = null;
            _scope.Dispose();
            _setup.Dispose();
        }
    }
}
