using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining;

/// <summary>
/// Muon (Jordan et al. 2024) for the matrices of the blocks. The momentum is made orthogonal by five Newton-Schulz iterations
/// before it is applied, so that all directions of a matrix learn equally fast. With it a small model needs about half of AdamW's
/// steps; embeddings, norms, biases and heads stay with AdamW.
/// </summary>
internal sealed class Muon : IDisposable
{
    private const int Iterations = 5;

    private readonly (string Name, Parameter Parameter, Tensor Momentum, int Parts)[] _slots;
    private readonly Scalar _momentum = 0.95, _one = 1, _a = 3.4445, _b = -4.7750, _c = 2.0315; // the published quintic
    private readonly double _weightDecay;

    /// <summary>Starts with zero momentum.</summary>
    /// <param name="parameters">Matrices by name.</param>
    /// <param name="weightDecay">Decoupled weight decay.</param>
    public Muon(IEnumerable<(string Name, Parameter Parameter)> parameters, double weightDecay)
    {
        _weightDecay = weightDecay;
        // Query, key and value are three matrices stored as one.
        _slots = [.. parameters.Select(p => (
            p.Name, p.Parameter, zeros_like(p.Parameter, requires_grad: false).DetachFromDisposeScope(),
            p.Name.Contains(".qkv.", StringComparison.Ordinal) ? 3 : 1))];
    }

    /// <summary>The momentum by name.</summary>
    public IEnumerable<(string Name, Tensor Value)> State() => _slots.Select(s => ($"momentum.{s.Name}", s.Momentum));

    /// <summary>Whether a parameter is a matrix of a block.</summary>
    public static bool Takes(string name, Tensor parameter) =>
        parameter.dim() == 2 && (name.Contains(".blocks.", StringComparison.Ordinal)
            || name.Contains(".layers.", StringComparison.Ordinal));

    /// <summary>
    /// Applies the gradients of every <paramref name="shares"/>-th matrix from <paramref name="share"/> on, and clears them, so that
    /// threads can share the work.
    /// </summary>
    public void Step(double learningRate, int share = 0, int shares = 1)
    {
        using var quiet = no_grad();
        for (var i = share; i < _slots.Length; i += shares) Apply(_slots[i], learningRate);
    }

    /// <summary>Frees the momentum.</summary>
    public void Dispose()
    {
        foreach (var slot in _slots) slot.Momentum.Dispose();
    }

    private void Apply((string Name, Parameter Parameter, Tensor Momentum, int Parts) slot, double learningRate)
    {
        using var scope = NewDisposeScope();
        if (slot.Parameter.grad is not { } gradient) return;
        var rows = slot.Parameter.shape[0] / slot.Parts;
        using Scalar keep = 1 - learningRate * _weightDecay,
            rate = -learningRate * Math.Sqrt(Math.Max(1, (double)rows / slot.Parameter.shape[1]));
        slot.Momentum.mul_(_momentum).add_(gradient, _one);
        var update = gradient.add(slot.Momentum, _momentum); // Nesterov's
        slot.Parameter.mul_(keep);
        for (var part = 0; part < slot.Parts; part++)
            slot.Parameter.narrow(0, part * rows, rows).add_(Orthogonalize(update.narrow(0, part * rows, rows)), rate);
        gradient.zero_();
    }

    /// <summary>A matrix with the singular vectors of the given one and singular values near 1.</summary>
    public Tensor Orthogonalize(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        using Scalar norm = 1 / (matrix.norm().item<float>() + 1e-7);
        var tall = matrix.shape[0] > matrix.shape[1];
        var x = (tall ? matrix.t() : matrix).mul(norm);
        for (var i = 0; i < Iterations; i++)
        {
            using var iteration = NewDisposeScope();
            var gram = x.mm(x.t());
            var square = gram.mul(_b).add_(gram.mm(gram), _c);
            x = x.mul(_a).add_(square.mm(x), _one).MoveToOuterDisposeScope();
        }

        return (tall ? x.t() : x).MoveToOuterDisposeScope();
    }
}
