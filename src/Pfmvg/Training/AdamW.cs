using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>
/// AdamW with decoupled weight decay (Loshchilov and Hutter 2019), as torch computes it. Its state is named like the
/// parameters, so that a checkpoint is readable and independent of their order.
/// </summary>
public sealed class AdamW : IDisposable
{
    private const long AtOnce = 1L << 17; // values of a thread: what its operations read stays in the cache, and needs little new memory

    private readonly Slot[] _slots;
    private readonly double _beta1, _beta2, _eps, _weightDecay;
    private readonly bool _fused;

    /// <summary>Starts with zero moments.</summary>
    /// <param name="parameters">Trainable tensors by name.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="weightDecay">Applied to parameters with two or more dimensions whose name has none of "bias", "ln", "bn".</param>
    /// <param name="eps">Added to the root of the second moment.</param>
    /// <param name="rateOf">The rate of a parameter as a multiple of the step's; null for 1 throughout.</param>
    public AdamW(IEnumerable<(string Name, Parameter Parameter)> parameters, double beta1, double beta2, double weightDecay,
        double eps = 1e-8, Func<string, double>? rateOf = null) : this(parameters, beta1, beta2, weightDecay, eps, rateOf, fused: null)
    {
    }

    /// <summary>The same in a way of the caller's choice: null is libtorch's fused step on CUDA and single operations elsewhere.</summary>
    internal AdamW(IEnumerable<(string Name, Parameter Parameter)> parameters, double beta1, double beta2, double weightDecay,
        double eps, Func<string, double>? rateOf, bool? fused)
    {
        (_beta1, _beta2, _weightDecay, _eps) = (beta1, beta2, weightDecay, eps);
        _slots = [.. parameters.Select(p => new Slot(p.Name, p.Parameter, Zeros(p.Parameter), Zeros(p.Parameter),
            Decays(p.Name, p.Parameter), rateOf?.Invoke(p.Name) ?? 1))];
        _fused = fused ?? Array.Exists(_slots, slot => slot.Parameter.device_type == DeviceType.CUDA);

        static Tensor Zeros(Parameter like) => zeros_like(like, requires_grad: false).DetachFromDisposeScope();
    }

    /// <summary>Steps taken so far.</summary>
    public long Steps { get; private set; }

    /// <summary>The moments by name: "first.&lt;parameter&gt;" and "second.&lt;parameter&gt;".</summary>
    public IEnumerable<(string Name, Tensor Value)> State() =>
        _slots.SelectMany(s => new[] { ($"first.{s.Name}", s.First), ($"second.{s.Name}", s.Second) });

    /// <summary>Continues from a saved position; the moments were copied into <see cref="State"/>.</summary>
    public void Restore(long steps) => Steps = steps;

    /// <summary>Whether weight decay applies to a parameter.</summary>
    public static bool Decays(string name, Tensor parameter) =>
        parameter.dim() >= 2 && !new[] { "bias", "ln", "bn" }.Any(part => name.Contains(part, StringComparison.Ordinal));

    /// <summary>Applies the gradients once and clears them. A parameter without a gradient is left alone.</summary>
    public void Step(double learningRate)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        Steps++;
        if (_fused)
            foreach (var same in _slots.Where(slot => slot.Parameter.grad is not null).GroupBy(slot => (slot.Rate, slot.Decays)))
                StepFused([.. same], learningRate * same.Key.Rate, same.Key.Decays ? _weightDecay : 0);
        else
            foreach (var same in _slots.GroupBy(slot => slot.Rate)) Step(same, learningRate * same.Key);
    }

    // Few kernels for all parameters; the same up to rounding. Nothing waits for the device.
    private void StepFused(Slot[] slots, double learningRate, double weightDecay)
    {
        var steps = full([], (float)Steps, ScalarType.Float32, slots[0].Parameter.device); // exact up to 16 million steps
        Scripted.AdamW([.. slots.Select(slot => slot.Parameter)], [.. slots.Select(slot => slot.Parameter.grad!)],
            [.. slots.Select(slot => slot.First)], [.. slots.Select(slot => slot.Second)], [.. slots.Select(_ => steps)],
            tensor(learningRate, ScalarType.Float64), (_beta1, _beta2, weightDecay, _eps));
    }

    private void Step(IEnumerable<Slot> slots, double learningRate)
    {
        var correction1 = 1 - Math.Pow(_beta1, Steps);
        var correction2 = Math.Sqrt(1 - Math.Pow(_beta2, Steps));
        using Scalar keep = 1 - learningRate * _weightDecay, beta1 = _beta1, fresh1 = 1 - _beta1, beta2 = _beta2, fresh2 = 1 - _beta2,
            root = 1 / correction2, eps = _eps, rate = -learningRate / correction1;
        foreach (var slot in slots)
        {
            using var all = NewDisposeScope();
            if (slot.Parameter.grad is not { } whole) continue;
            var divides = whole.device_type == DeviceType.CPU && whole.is_contiguous() && slot.Parameter.is_contiguous();
            var pieces = divides ? AtOnce * get_num_threads() : whole.numel();
            for (long at = 0; at < whole.numel(); at += pieces)
            {
                using var scope = NewDisposeScope();
                var count = Math.Min(pieces, whole.numel() - at);
                var (parameter, gradient) = (Piece(slot.Parameter), Piece(whole));
                var (first, second) = (Piece(slot.First), Piece(slot.Second));
                if (slot.Decays) parameter.mul_(keep);
                first.mul_(beta1).add_(gradient, fresh1);
                second.mul_(beta2).addcmul_(gradient, gradient, fresh2);
                parameter.addcdiv_(first, second.sqrt().mul_(root).PlusInPlace(eps), rate);
                gradient.zero_();

                Tensor Piece(Tensor x) => count == x.numel() ? x : x.view(-1).narrow(0, at, count);
            }
        }
    }

    /// <summary>Frees the moments.</summary>
    public void Dispose()
    {
        foreach (var slot in _slots)
        {
            slot.First.Dispose();
            slot.Second.Dispose();
        }
    }

    private readonly record struct Slot(string Name, Parameter Parameter, Tensor First, Tensor Second, bool Decays, double Rate);
}
