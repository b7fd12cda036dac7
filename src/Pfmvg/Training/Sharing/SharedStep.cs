using System.Collections.Concurrent;
using Pfmvg.Models;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Training.Sharing;

/// <summary>
/// A training step of a small model in code of its own, without autograd: sequences about one picture share its visual tokens and
/// whatever else they begin with, nothing is padded, and each thread takes whole pictures. The gradients are those of the modules up to
/// rounding; the order of their sums depends on the sequences alone, so that every number of threads gives the same bits.
/// </summary>
internal sealed unsafe class SharedStep
{
    private const int Shares = 8; // of a step, each summed by itself; more would keep more threads busy, and take more memory

    private readonly StepWeights _weights;
    private readonly StepMemory _memory = new();
    private readonly StepGradients[] _sums;
    private readonly ConcurrentBag<StepWorker> _workers = []; // those that rest

    private SharedStep(GroundingModel model, double boxWeight)
    {
        _weights = new StepWeights(model, boxWeight);
        _sums = [.. Enumerable.Range(0, Shares).Select(_ => new StepGradients(_weights, _memory))];
    }

    /// <summary>Prepares; null where the modules must do the work.</summary>
    /// <param name="model">The model.</param>
    /// <param name="boxWeight">Of a box's loss in the box head beside that of one answer token.</param>
    public static SharedStep? For(GroundingModel model, double boxWeight = 1) =>
        StepWeights.Fits(model) ? new SharedStep(model, boxWeight) : null;

    /// <summary>Adds the gradients of the summed loss to those of the trained tensors.</summary>
    /// <param name="groups">The sequences.</param>
    /// <param name="features">Of the pictures, (B, N, 4V) float32.</param>
    /// <param name="threads">How many compute.</param>
    /// <param name="cancel">Stops between two groups.</param>
    /// <param name="toFeatures">Gets the gradient towards the features, of their shape; null when nobody wants it.</param>
    /// <returns>The summed loss.</returns>
    public double Learn(
        IReadOnlyList<PictureGroup> groups, Tensor features, int threads, CancellationToken cancel, Tensor? toFeatures = null)
    {
        using var held = features.contiguous();
        _weights.Refresh();
        var shares = Share(groups);
        var (losses, failures) = (new double[Shares], new Exception?[Shares]);
        var (first, size) = ((nint)TensorMemory.Address(held), (long)_weights.VisualTokens * _weights.FeatureWidth);
        var gradients = toFeatures is null ? 0 : (nint)TensorMemory.Address(toFeatures);
        ThreadTeam.Run(threads, Shares, share =>
        {
            var worker = _workers.TryTake(out var rested) ? rested : new StepWorker(_weights);
            try
            {
                foreach (var group in shares[share].TakeWhile(_ => !cancel.IsCancellationRequested))
                    losses[share] += worker.Learn(group, (float*)first + group.Picture * size, _sums[share],
                        gradients == 0 ? null : (float*)gradients + group.Picture * size);
            }
            catch (Exception failure)
            {
                failures[share] = failure; // a piece of the team's work must not throw
            }

            _workers.Add(worker);
        });
        GC.KeepAlive(toFeatures);
        foreach (var sum in _sums) _weights.Collect(sum);
        if (failures.FirstOrDefault(failure => failure is not null) is { } thrown)
            throw new InvalidOperationException(thrown.Message, thrown);
        cancel.ThrowIfCancellationRequested();
        return losses.Sum();
    }

    // The largest group first, each to the share that has the fewest rows.
    private static List<PictureGroup>[] Share(IReadOnlyList<PictureGroup> groups)
    {
        List<PictureGroup>[] shares = [.. Enumerable.Range(0, Shares).Select(_ => new List<PictureGroup>())];
        var rows = new long[Shares];
        foreach (var group in groups.OrderByDescending(group => group.Ids.Count))
        {
            var least = Array.IndexOf(rows, rows.Min());
            shares[least].Add(group);
            rows[least] += group.Ids.Count;
        }

        return shares;
    }
}
