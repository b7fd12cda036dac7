using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Decoding;
using Pfmvg.Geometry;
using Pfmvg.Models;
using Pfmvg.Text;
using Pfmvg.Training;
using Pfmvg.Training.Sharing;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.PolicyGradient;

/// <summary>An answer that was drawn, and how much better it is than the others to its phrase.</summary>
/// <param name="Tokens">With the end token, where the model ended it.</param>
/// <param name="Advantage">Its reward minus the mean reward of the others.</param>
internal sealed record WeighedAnswer(IReadOnlyList<int> Tokens, double Advantage);

/// <summary>
/// Learns from its own answers (REINFORCE, Williams 1992): to each phrase some answers are drawn from the model's distribution, the reward
/// of one is the IoU of its box with the true one, and its loss is -advantage x log-probability. The baseline of an answer is the mean
/// reward of the other ones (leave one out), which leaves the gradient's expectation as it is.
/// </summary>
/// <param name="taught">The same samples, pictures and order as the ordinary learner's.</param>
/// <param name="model">Without dropout: the answers are drawn without, too.</param>
/// <param name="configuration">Longest answer, how a box is read, and the seed of the draws.</param>
/// <param name="settings">The stage.</param>
/// <param name="draws">Answers to each phrase, K; at least 2.</param>
internal sealed class PolicyLearner(
    AnswerLearner taught, GroundingModel model, PfmvgConfiguration configuration, StageSettings settings, int draws) : ILearner
{
    private readonly LlamaTokenizer _tokenizer = taught.Taught.Tokenizer;
    private readonly DecodingOptions _options = new(configuration.Eval.MaxNewTokens);
    private readonly BoxGrammar? _usual = BoxGrammar.For(taught.Taught.Tokenizer);
    private readonly int[] _order = [.. Enumerable.Range(0, taught.Taught.Tokenizer.VocabularySize)];
    private readonly LossRules _weights = LossRules.For(settings with { LossMean = LossMean.Answers }, taught.Taught.Tokenizer)!;
    private readonly SharedStep _step = SharedStep.For(model)
        ?? throw new InputException("the policy gradient needs the step of small models: device: cpu and precision: float32.");
    private double _rewards;
    private long _answers;

    public Device Device => taught.Device;

    public IReadOnlyList<Sample> Samples => taught.Samples;

    public IReadOnlyList<BrokenSample> Broken => taught.Broken;

    public IEnumerable<(string Name, Parameter Parameter)> Trainables() => taught.Trainables();

    public IEnumerable<(string Name, Parameter Parameter)> Kept() => taught.Kept();

    public int[] Order(int epoch, int stepSize) => taught.Order(epoch, stepSize);

    public IDisposable Follow(IEnumerable<StepShare> steps, CancellationToken cancel) => taught.Follow(steps, cancel);

    public (double Sum, double Targets) Measure(IReadOnlyList<int> indices, Action<int>? looked, CancellationToken cancel) =>
        taught.Measure(indices, looked, cancel);

    public IEnumerable<BatchLoss> Learn(IReadOnlyList<int> indices, int epoch, CancellationToken cancel) =>
        taught.Taught.Load(indices, epoch, augment: true, cancel).Chunk(settings.BatchSize).Select(micro => Learn(micro, epoch, cancel));

    /// <summary>The mean reward of the answers drawn since the last call.</summary>
    public double TakeReward()
    {
        var mean = _rewards / _answers;
        (_rewards, _answers) = (0, 0);
        return mean;
    }

    /// <summary>What each of some answers to a phrase is better than the mean of the others.</summary>
    public static double[] Advantages(IReadOnlyList<double> rewards) =>
        [.. rewards.Select(reward => reward - (rewards.Sum() - reward) / (rewards.Count - 1))];

    /// <summary>Adds the gradient of the sum of -advantage x log-probability, and returns that sum.</summary>
    /// <param name="answered">Examples with the answers that were drawn to them.</param>
    /// <param name="features">Of the distinct pictures, in the order in which the examples first show them.</param>
    /// <param name="cancel">Stops between two pictures.</param>
    internal double Weigh(IReadOnlyList<(TrainingExample Example, IReadOnlyList<WeighedAnswer> Answers)> answered, Tensor features,
        CancellationToken cancel)
    {
        List<PictureGroup> groups = [];
        foreach (var (place, picture) in answered.GroupBy(one => taught.Taught.FirstOfPicture(one.Example.Index)).Index())
        {
            // Answers that were drawn several times are computed once; what is neither better nor worse teaches nothing.
            var weighed = picture.SelectMany(one => one.Answers.GroupBy(answer => string.Join(' ', answer.Tokens)).Select(same =>
                (Prompt: Prompt(one.Example), same.First().Tokens, Weight: same.Sum(answer => answer.Advantage))))
                .Where(one => Math.Abs(one.Weight) > 1e-9).ToList();
            if (weighed.Count == 0) continue;
            groups.Add(new PictureGroup(
                weighed.ConvertAll(one => new TaughtSequence([.. one.Prompt, .. one.Tokens],
                    [.. Enumerable.Repeat(SequenceBuilder.NoTarget, one.Prompt.Count), .. one.Tokens], DropoutSeed: 0)),
                place, sharedSeed: 0, new LossTerms(_weights,
                    [.. weighed.SelectMany(one => Enumerable.Repeat(new TargetTerm((float)one.Weight, 0, 0), one.Tokens.Count))])));
        }

        return _step.Learn(groups, features, get_num_threads(), cancel);
    }

    private BatchLoss Learn(TrainingExample[] micro, int epoch, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var pictures = micro.GroupBy(example => taught.Taught.FirstOfPicture(example.Index)).ToList();
        var features = VisionInput.Encode(model, [.. pictures.Select(picture => picture.First().Picture)]);
        var loss = Weigh(Draw([.. pictures.Select(picture => picture.ToArray())], features, epoch, cancel), features, cancel);
        return new BatchLoss(tensor((float)loss).MoveToOuterDisposeScope(), (long)micro.Length * draws,
            draws * micro.Sum(example => example.Sequence.Ids.Count));
    }

    private List<(TrainingExample, IReadOnlyList<WeighedAnswer>)> Draw(
        TrainingExample[][] pictures, Tensor features, int epoch, CancellationToken cancel)
    {
        using var scope = NewDisposeScope();
        TrainingExample[] examples = [.. pictures.SelectMany(own => own)];
        using var state = new DecodingState(model, [.. examples.Select(Prompt)], model.Project(features), _options,
            [.. pictures.SelectMany((own, place) => Enumerable.Repeat(place, own.Length))]);
        var places = examples.Select(example => new CounterRandom(configuration.Seed, "policy", epoch, example.Index))
            .Select(random => (IReadOnlyList<double>)[.. Enumerable.Range(0, draws).Select(_ => random.NextDouble())]).ToList();
        var drawn = new AnswerTree(state, _tokenizer.EosId, _options with { Cancel = cancel })
            .Grow(state.Next(), new Drawing(Temperature: 1, places, _order, _usual));
        return [.. examples.Zip(drawn, (example, answers) =>
        {
            double[] rewards = [.. answers.Select(answer => Reward(answer, example))];
            (_rewards, _answers) = (_rewards + rewards.Sum(), _answers + rewards.Length);
            return (example, (IReadOnlyList<WeighedAnswer>)[.. answers.Zip(Advantages(rewards), (answer, advantage) =>
                new WeighedAnswer(answer.Ended ? [.. answer.Ids, _tokenizer.EosId] : answer.Ids, advantage))]);
        })];
    }

    /// <summary>The IoU of the answer's first box, as an evaluation scores it; 0 for an answer that has none or does not end.</summary>
    private double Reward(GeneratedAnswer answer, TrainingExample example)
    {
        var truth = example.Box
            ?? throw new InputException("the policy gradient learns phrases with one box each: stage2.multi_box: per_box, and no tasks.");
        if (!answer.Ended || BoxCodec.Parse(_tokenizer.Decode(answer.Ids)).Boxes is not [var first, ..]) return 0;
        return Region.Iou(new Region(first.ToPixels(100, 100, sortAndClamp: false, configuration.Eval.BoxReading)),
            new Region(truth.Scale(100, 100)));
    }

    private static IReadOnlyList<int> Prompt(TrainingExample example) =>
        [.. example.Sequence.Ids.Take(example.Sequence.Targets.TakeWhile(target => target == SequenceBuilder.NoTarget).Count())];
}
