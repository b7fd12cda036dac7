using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Runs;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;
using Pfmvg.Training;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Training;

/// <summary>A box that is read off the hidden state beside the text.</summary>
[Collection("Alone")]
public sealed class BoxHeadTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Head = ["stage2.box_head=true", "model.lora.dropout=0", "stage2.image=resize"];

    [Theory, InlineData(false), InlineData(true)]
    public void The_gradient_is_the_texts_and_so_many_times_that_of_the_boxes(bool recompute)
    {
        using var scope = NewDisposeScope();
        using var setup = Setup(workspace.Configuration("head", Head));
        using (no_grad()) foreach (var (_, parameter) in setup.Model.Trainables()) parameter.add_(randn_like(parameter).mul_(0.05));
        var (text, one, three) = (Gradients(setup, false, 1), Gradients(setup, true, 1), Gradients(setup, true, 3));
        Assert.Equal(text.Loss, one.Loss); // what is reported is the answers' loss
        foreach (var (name, gradient) in one.Of)
        {
            var boxes = text.Of.TryGetValue(name, out var words) ? gradient.sub(words) : gradient;
            var expected = words is null ? boxes.mul(3) : words.add(boxes.mul(3));
            Fixtures.AssertClose(expected, three.Of[name], 1e-4 * expected.abs().max().item<float>() + 1e-7, name);
            Assert.True(boxes.abs().max().item<float>() > 0, name); // projector, adapters and head learn from boxes
        }

        Assert.DoesNotContain(text.Of.Keys, name => name.StartsWith("box_head.", StringComparison.Ordinal));

        (double Loss, Dictionary<string, Tensor> Of) Gradients(GroundingSetup setup, bool head, double weight)
        {
            foreach (var (_, parameter) in setup.Model.Trainables()) parameter.grad = null;
            var settings = setup.Configuration.Stage2 with { BoxHead = head, BoxHeadWeight = weight, BatchSize = 6,
                Recompute = recompute ? Recomputation.True : Recomputation.False };
            var learner = new AnswerLearner(setup.Model, Samples(setup), settings);
            var loss = Assert.Single(learner.Learn([.. Enumerable.Range(0, 6)], 0, CancellationToken.None)).Loss.item<float>();
            return (loss, setup.Model.Trainables().Where(t => t.Parameter.grad is not null)
                .ToDictionary(t => t.Name, t => t.Parameter.grad!.clone()));
        }
    }

    [Fact]
    public void A_head_learns_its_samples_and_answers_them_alone_as_in_a_batch()
    {
        using var scope = NewDisposeScope();
        var configuration = workspace.Configuration(
            "head", [.. Head, "eval.answer=box_head", "eval.batch_size=5", "eval.double_bos=false"]);
        using var setup = Setup(configuration);
        IModelSetup asked = setup;
        var cancel = TestContext.Current.CancellationToken;
        Assert.Contains("no trained box head", Assert.Throws<InputException>(asked.Answers).Message, StringComparison.Ordinal);
        var samples = Samples(setup);
        int[] indices = [.. Enumerable.Range(0, samples.Count).DistinctBy(i => samples.Samples[i].Image).Take(7)];
        var examples = samples.Load(indices, 0, augment: false, cancel).ToArray(); // in the wording that is asked
        var (ids, targets) = samples.Collate(examples);
        var batch = new MicroBatch(ids, targets, VisionInput.Encode(setup.Model, [.. examples.Select(e => e.Picture)]))
        {
            Boxes = BoxTargets.Of(examples, ids.shape[1], 1, CPU),
        };
        using var optimizer = new AdamW(setup.Model.Trainables(), 0.9, 0.99, 0);
        foreach (var _ in Enumerable.Range(0, 150))
        {
            Backpropagation.Accumulate(setup.Model, batch, 1, recompute: false);
            optimizer.Step(0.005);
        }

        var questions = indices.Select(i => samples.Samples[i]).ToList();
        var together = asked.Answers().Answer(questions, setup.Pictures().Whole, cancel: cancel);
        Assert.All(together, answer => Assert.Null(answer.Answer)); // exact boxes, not hundredths
        var found = together.Average(answer => Pfmvg.Geometry.Region.Iou(
            new(Assert.Single(answer.Boxes!)), new(answer.Truth)));
        Assert.True(found > 0.5, $"{found}");
        foreach (var (question, answer) in questions.Zip(together))
        {
            var alone = Assert.Single(asked.Answers().Answer([question], setup.Pictures().Whole, cancel: cancel)).Boxes![0];
            Assert.Equal(answer.Boxes![0].Left, alone.Left, 1e-3 * question.Width);
            Assert.Equal(answer.Boxes[0].Bottom, alone.Bottom, 1e-3 * question.Height);
        }
    }

    [Fact]
    public void A_checkpoint_without_a_head_begins_one_and_a_head_without_a_place_is_refused()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var config = new GroundingConfig(
            new EvaConfig(28, 14, 8, 1, 2, 16), 4, new LlamaConfig(24, 16, 1, 2, 20), new LoraConfig(2, 4, 0, ["q_proj"]));
        using var plain = ModelBuilder.Random(config, ScalarType.Float32, CPU, 1);
        using var headed = ModelBuilder.Random(config with { BoxHead = true }, ScalarType.Float32, CPU, 2);
        Assert.Equal(headed.Trainables().Sum(t => t.Parameter.numel()), headed.Config.TrainedParameters);
        Assert.Equal(plain.Trainables().Sum(t => t.Parameter.numel()), plain.Config.TrainedParameters);
        foreach (var (model, step) in new[] { (plain, 1), (headed, 2) })
        {
            using var optimizer = new AdamW(model.Trainables(), 0.9, 0.999, 0);
            Checkpoint.Save(Checkpoint.PathOf(folder.Path, step), model, optimizer, new Position(0, step));
        }

        var loaded = ModelBuilder.LoadTrainables(headed, Checkpoint.PathOf(folder.Path, 1), Checkpoint.ToModel);
        Assert.DoesNotContain(loaded.Report.Loaded, name => name.StartsWith("box_head", StringComparison.Ordinal));
        var refused = Assert.Throws<InputException>(
            () => ModelBuilder.LoadTrainables(plain, Checkpoint.PathOf(folder.Path, 2), Checkpoint.ToModel)).Message;
        Assert.Contains("box_head.", refused, StringComparison.Ordinal);
        Assert.Contains("which this model has no place for", refused, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("stage1: { box_head: true }", "the box head is trained in stage 2 alone")]
    [InlineData("stage2: { box_head: true, task: caption }", "stage2.task caption teaches no boxes")]
    [InlineData("eval: { answer: box_head }", "stage2.box_head is false")]
    public void What_cannot_be_is_refused_by_name(string yaml, string expected)
    {
        var message = Assert.Throws<InputException>(() => ConfigurationFile.Parse(yaml, "a.yaml", [])).Message;
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    private static GroundingSetup Setup(PfmvgConfiguration configuration) =>
        GroundingSetup.Load(configuration, 0, configuration.Stage2.MaxAnswerTokens, null);

    private static TrainingSamples Samples(GroundingSetup setup) =>
        setup.Samples(setup.Data.Read(SampleTask.Refer, Split.Train), setup.Configuration.Stage2);
}
