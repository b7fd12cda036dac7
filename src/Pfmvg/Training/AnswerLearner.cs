using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Models;
using Pfmvg.Tensors;
using Pfmvg.Text;
using Pfmvg.Training.Sharing;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>Our own model learns to answer: the loss is that of the answer's tokens.</summary>
/// <param name="model">The model.</param>
/// <param name="taught">What it learns from.</param>
/// <param name="settings">The stage.</param>
internal sealed class AnswerLearner(GroundingModel model, TrainingSamples taught, StageSettings settings) : ILearner
{
    private readonly LossRules? _rules = LossRules.For(settings, taught.Tokenizer);
    private readonly Lazy<SharedStep?> _shared = new(() =>
        settings is { SharePictures: true, Recompute: not Recomputation.True } ? SharedStep.For(model, settings.BoxHeadWeight) : null);

    /// <summary>What it learns from.</summary>
    public TrainingSamples Taught => taught;

    public Device Device => model.Device;

    public IReadOnlyList<Sample> Samples => taught.Samples;

    public string? Mixture => taught.Mixture;

    public IReadOnlyList<BrokenSample> Broken => taught.Broken;

    public IEnumerable<(string Name, Parameter Parameter)> Trainables() => model.Trainables().Where(t => t.Parameter.requires_grad);

    public IEnumerable<(string Name, Parameter Parameter)> Kept() => model.Trainables();

    public int[] Order(int epoch, int stepSize) => taught.Order(epoch, stepSize);

    public IDisposable Follow(IEnumerable<StepShare> steps, CancellationToken cancel) => taught.Follow(steps, cancel);

    public IEnumerable<BatchLoss> Learn(IReadOnlyList<int> indices, int epoch, CancellationToken cancel) =>
        taught.Load(indices, epoch, augment: true, cancel).Chunk(settings.BatchSize)
            .Select(micro => _shared.Value is { } shared ? Learn(shared, micro, epoch, cancel) : Learn(micro, cancel));

    public (double Sum, double Targets) Measure(
        IReadOnlyList<int> indices, Action<int>? looked = null, CancellationToken cancel = default)
    {
        using var quiet = no_grad();
        double sum = 0, tokens = 0;
        var done = 0;
        foreach (var micro in taught.Load(indices, epoch: 0, augment: false, cancel).Chunk(settings.BatchSize))
        {
            cancel.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var (loss, count) = Backpropagation.Evaluate(model, ToBatch(micro));
            (sum, tokens) = (sum + loss, tokens + count);
            looked?.Invoke(done += micro.Length);
        }

        return (sum, tokens);
    }

    private BatchLoss Learn(TrainingExample[] micro, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        var data = ToBatch(micro);
        model.Dropout.Begin([.. micro.Select(e => (e.DropoutSeed, e.Sequence.Ids.Count))]);
        var loss = Backpropagation.AccumulateUnread(model, data, 1, settings.Recompute == Recomputation.True)
            .MoveToOuterDisposeScope();
        model.Dropout.End();
        return Summed(loss, micro);
    }

    private BatchLoss Learn(SharedStep step, TrainingExample[] micro, int epoch, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        var pictures = micro.GroupBy(example => taught.FirstOfPicture(example.Index)).ToList();
        var features = VisionInput.Encode(model, [.. pictures.Select(picture => picture.First().Picture)]);
        // What is shared takes the dropout of the picture's first sample in the split, on whichever rank and with whichever others it is.
        var groups = pictures.Select((picture, i) => new PictureGroup(
            [.. picture.Select(e => new TaughtSequence(e.Sequence.Ids, e.Sequence.Targets, e.DropoutSeed,
                settings.BoxHead ? e.Box : null))], i,
            taught.DropoutSeed(epoch, picture.Key), Terms(picture))).ToList();
        using var toFeatures = features.requires_grad ? zeros_like(features, requires_grad: false) : null;
        var loss = step.Learn(groups, features.detach(), get_num_threads(), cancel, toFeatures);
        if (toFeatures is not null) features.backward([toFeatures]);
        return Summed(tensor((float)loss).MoveToOuterDisposeScope(), micro);
    }

    private BatchLoss Summed(Tensor loss, TrainingExample[] micro) => new(loss, _rules?.Count(micro.Select(e => e.Sequence))
        ?? micro.Sum(e => e.Sequence.Targets.Skip(1).Count(t => t != SequenceBuilder.NoTarget)), micro.Sum(e => e.Sequence.Ids.Count));

    private LossTerms? Terms(IEnumerable<TrainingExample> examples) => _rules is null ? null
        : new LossTerms(_rules, [.. examples.SelectMany(example => _rules.Of(example.Sequence))]);

    private MicroBatch ToBatch(TrainingExample[] micro)
    {
        var (ids, targets) = taught.Collate(micro);
        return new MicroBatch(ids.Send(model.Device), targets, VisionInput.Encode(model, [.. micro.Select(e => e.Picture)]))
        {
            Terms = Terms(micro),
            Boxes = settings.BoxHead ? BoxTargets.Of(micro, ids.shape[1], settings.BoxHeadWeight, model.Device) : null,
        };
    }
}
