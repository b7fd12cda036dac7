using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.PolicyGradient;
using Pfmvg.Runs;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using Pfmvg.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Training;

/// <summary>The estimator of the policy gradient, and the gradient of its weighed answers.</summary>
[Collection("Alone")]
public sealed class PolicyLearnerTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    /// <summary>A softmax over three answers; every way to draw K of them is gone through, each as often as it is likely.</summary>
    [Theory, InlineData(2), InlineData(3), InlineData(5)]
    public void The_expected_gradient_over_all_draws_is_that_of_the_expected_reward(int draws)
    {
        double[] logits = [0.3, -1.1, 0.8], rewards = [0.9, 0.25, 0];
        var p = Softmax(logits);
        var found = new double[3];
        for (var all = 0; all < Math.Pow(3, draws); all++)
        {
            int[] drawn = [.. Enumerable.Range(0, draws).Select(k => all / (int)Math.Pow(3, k) % 3)];
            var likely = drawn.Aggregate(1.0, (product, answer) => product * p[answer]);
            var advantages = PolicyLearner.Advantages([.. drawn.Select(answer => rewards[answer])]);
            foreach (var (answer, advantage) in drawn.Zip(advantages))
                for (var i = 0; i < 3; i++) // the derivative of log p(answer) by logit i
                    found[i] += likely * advantage * ((answer == i ? 1 : 0) - p[i]) / draws;
        }

        const double h = 1e-5;
        for (var i = 0; i < 3; i++)
        {
            var (more, less) = (logits.ToArray(), logits.ToArray());
            (more[i], less[i]) = (more[i] + h, less[i] - h);
            Assert.Equal((Expected(more) - Expected(less)) / (2 * h), found[i], 1e-8);
        }

        double Expected(double[] z) => Softmax(z).Zip(rewards, (share, reward) => share * reward).Sum();

        static double[] Softmax(double[] z) => [.. z.Select(value => Math.Exp(value) / z.Sum(Math.Exp))];
    }

    [Theory, InlineData(1), InlineData(-1), InlineData(-0.25)]
    public void An_answer_is_learned_by_its_advantage_as_a_true_one_is_learned(double advantage)
    {
        using var run = new Subject(workspace);
        var indices = Enumerable.Range(0, Math.Min(12, run.Taught.Samples.Count)).ToArray();
        var (loss, expected) = run.Gradients(() => Assert.Single(run.Taught.Learn(indices, 1, default)).Loss.item<float>());

        using var scope = NewDisposeScope();
        var examples = run.Taught.Taught.Load(indices, 1, augment: true, TestContext.Current.CancellationToken).ToArray();
        var pictures = examples.GroupBy(example => run.Taught.Taught.FirstOfPicture(example.Index)).ToList();
        Assert.True(pictures.Count < examples.Length); // some share a picture
        var features = VisionInput.Encode(run.Setup.Model, [.. pictures.Select(picture => picture.First().Picture)]);
        // Each true answer is drawn twice and has half of the advantage each time; another one is neither better nor worse.
        var (weighed, actual) = run.Gradients(() => run.Policy.Weigh([.. examples.Select(example => (example,
            (IReadOnlyList<WeighedAnswer>)[new(Answer(example), advantage / 2), new([7, 8, 9], 0), new(Answer(example), advantage / 2)]))],
            features, default));
        Assert.Equal(advantage * loss, weighed, 1e-4 * Math.Abs(loss));
        foreach (var (name, gradient) in expected)
            Fixtures.AssertClose(gradient.mul((Scalar)advantage), actual[name], 2e-5 * gradient.abs().max().item<float>() + 1e-9, name);

        static int[] Answer(TrainingExample example) => [.. example.Sequence.Targets.Where(target => target != SequenceBuilder.NoTarget)];
    }

    [Fact]
    public void Where_no_draw_is_better_than_another_nothing_is_learned()
    {
        using var run = new Subject(workspace); // weights of chance, which write no boxes
        var (loss, gradients) = run.Gradients(() => Assert.Single(run.Policy.Learn([0, 1, 2, 3], 0, default)).Loss.item<float>());
        Assert.Equal((0, 0), (loss, run.Policy.TakeReward()));
        Assert.All(gradients.Values, gradient => Assert.Equal(0, gradient.abs().max().item<float>()));
    }

    /// <summary>A model whose adapters have drawn values, and both ways to learn.</summary>
    private sealed class Subject : IDisposable
    {
        private readonly DisposeScope _scope = NewDisposeScope();

        public Subject(TrainingWorkspace workspace)
        {
            var configuration = workspace.Configuration("policy", "model.lora.dropout=0", "stage2.share_pictures=true",
                "eval.max_new_tokens=12");
            Setup = GroundingSetup.Load(configuration, 0, configuration.Stage2.MaxAnswerTokens, null);
            var samples = Setup.Samples(Setup.Data.Read(SampleTask.Refer, Split.Train), configuration.Stage2);
            Taught = new AnswerLearner(Setup.Model, samples, configuration.Stage2);
            using var quiet = no_grad();
            manual_seed(3); // B starts as zero, and A would then have no gradient
            foreach (var (_, parameter) in Setup.Model.Trainables()) parameter.add_(randn_like(parameter).mul_(0.05));
            Policy = new PolicyLearner(Taught, Setup.Model, configuration, configuration.Stage2, draws: 4);
        }

        public GroundingSetup Setup { get; }

        public AnswerLearner Taught { get; }

        public PolicyLearner Policy { get; }

        public (double Loss, Dictionary<string, Tensor> Gradients) Gradients(Func<double> learn)
        {
            foreach (var (_, parameter) in Setup.Model.Trainables()) parameter.grad = zeros_like(parameter, requires_grad: false);
            var loss = learn();
            return (loss, Setup.Model.Trainables().ToDictionary(t => t.Name, t => t.Parameter.grad!.clone().DetachFromDisposeScope()));
        }

        public void Dispose()
        {
            foreach (var (_, parameter) in Setup.Model.Trainables()) parameter.grad = null;
            _scope.Dispose();
            Setup.Dispose();
        }
    }
}
