using Pfmvg.Models;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Training.Sharing;

/// <summary>
/// A training step of a small model in code of its own, without autograd: sequences about one picture share its visual tokens and
/// whatever else they begin with, nothing is padded, and each thread takes whole pictures. The gradients are those of the modules up to
/// rounding; which sums are made in which order depends on the sequences and the number of threads alone.
/// </summary>
internal sealed unsafe class SharedStep : IDisposable
{
    private readonly StepWeights _weights;
    private readonly List<StepWorker> _workers = [];

    private SharedStep(GroundingModel model) => _weights = new StepWeights(model);

    /// <summary>Prepares; null where the modules must do the work.</summary>
    public static SharedStep? For(GroundingModel model) => StepWeights.Fits(model) ? new SharedStep(model) : null;

    /// <summary>Adds the gradients of the summed loss to those of the trained tensors.</summary>
    /// <param name="groups">The sequences.</param>
    /// <param name="features">Of the pictures, (B, N, 4V) float32.</param>
    /// <param name="threads">Of which each takes whole groups.</param>
    /// <param name="cancel">Stops between two groups.</param>
    /// <returns>The summed loss.</returns>
    public double Learn(IReadOnlyList<PictureGroup> groups, Tensor features, int threads, CancellationToken cancel)
    {
        using var held = features.contiguous();
        _weights.Refresh();
        var shares = Share(groups, threads);
        while (_workers.Count < shares.Length) _workers.Add(new StepWorker(_weights));
        var (losses, failures) = (new double[shares.Length], new Exception?[shares.Length]);
        var (first, size) = ((nint)TensorMemory.Address(held), (long)_weights.VisualTokens * _weights.FeatureWidth);
        ThreadTeam.Run(shares.Length, shares.Length, worker =>
        {
            try
            {
                foreach (var group in shares[worker].TakeWhile(_ => !cancel.IsCancellationRequested))
                    losses[worker] += _workers[(int)worker].Learn(group, (float*)first + group.Picture * size);
            }
            catch (Exception failure)
            {
                failures[worker] = failure; // a piece of the team's work must not throw
            }
        });
        foreach (var worker in _workers.Take(shares.Length)) _weights.Collect(worker.Gradients);
        if (failures.FirstOrDefault(failure => failure is not null) is { } thrown) throw new InvalidOperationException(thrown.Message, thrown);
        cancel.ThrowIfCancellationRequested();
        return losses.Sum();
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        foreach (var worker in _workers) worker.Dispose();
        _weights.Dispose();
    }

    // The largest group first, each to whom has the fewest rows.
    private static List<PictureGroup>[] Share(IReadOnlyList<PictureGroup> groups, int threads)
    {
        List<PictureGroup>[] shares = [.. Enumerable.Range(0, Math.Clamp(threads, 1, groups.Count)).Select(_ => new List<PictureGroup>())];
        var rows = new long[shares.Length];
        foreach (var group in groups.OrderByDescending(group => group.Ids.Count))
        {
            var least = Array.IndexOf(rows, rows.Min());
            shares[least].Add(group);
            rows[least] += group.Ids.Count;
        }

        return shares;
    }
}
