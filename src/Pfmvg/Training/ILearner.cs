using Pfmvg.Data;
using Pfmvg.Data.Loading;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>A model together with a split that it learns from, or is measured on: all that <see cref="Trainer"/> knows of either.</summary>
internal interface ILearner
{
    /// <summary>Where the model is.</summary>
    Device Device { get; }

    /// <summary>The split as it is taught.</summary>
    IReadOnlyList<Sample> Samples { get; }

    /// <summary>What the user should read about how the split is mixed; null where it is taught as it is.</summary>
    string? Mixture => null;

    /// <summary>Samples left out so far because their pictures are broken.</summary>
    IReadOnlyList<BrokenSample> Broken { get; }

    /// <summary>What is trained, by name.</summary>
    IEnumerable<(string Name, Parameter Parameter)> Trainables();

    /// <summary>What a checkpoint holds: what is trained, and what an earlier stage trained that is frozen now.</summary>
    IEnumerable<(string Name, Parameter Parameter)> Kept() => Trainables();

    /// <summary>The order of an epoch, as places in <see cref="Samples"/>.</summary>
    /// <param name="epoch">The epoch.</param>
    /// <param name="stepSize">Samples of a step, of all processes together.</param>
    int[] Order(int epoch, int stepSize);

    /// <summary>Tells which samples will be learnt, step by step, so that they can be loaded ahead; null where nothing is.</summary>
    /// <param name="steps">Enumerated on other threads.</param>
    /// <param name="cancel">Stops the loading.</param>
    IDisposable? Follow(IEnumerable<StepShare> steps, CancellationToken cancel) => null;

    /// <summary>Adds the gradients of the summed loss of some samples, one micro-batch each time the next result is taken.</summary>
    /// <param name="indices">Places in <see cref="Samples"/>.</param>
    /// <param name="epoch">What is drawn at random depends on it.</param>
    /// <param name="cancel">Stops between two micro-batches.</param>
    IEnumerable<BatchLoss> Learn(IReadOnlyList<int> indices, int epoch, CancellationToken cancel);

    /// <summary>The summed loss and the number of targets of some samples, as they are in the evaluation: nothing is drawn.</summary>
    /// <param name="indices">Places in <see cref="Samples"/>.</param>
    /// <param name="looked">Told after each micro-batch how many samples were looked at.</param>
    /// <param name="cancel">Stops between two micro-batches.</param>
    (double Sum, double Targets) Measure(IReadOnlyList<int> indices, Action<int>? looked = null, CancellationToken cancel = default);
}

/// <summary>What a micro-batch adds to a step.</summary>
/// <param name="Loss">The summed loss, not read yet; owned by the caller's dispose scope.</param>
/// <param name="Targets">What the loss is a sum over: answer tokens, or boxes.</param>
/// <param name="Positions">Tokens or words that were read.</param>
internal readonly record struct BatchLoss(Tensor Loss, long Targets, long Positions);
