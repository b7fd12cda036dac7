using Pfmvg.Distributed;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>
/// The gradients of all trainables in one float32 tensor: each parameter's gradient is a view of it, into which autograd adds
/// in place. So they are scaled, cleared and summed over the ranks as one, and are never copied on the CPU.
/// </summary>
internal sealed unsafe class GradientBuffer : IDisposable
{
    private readonly Parameter[] _parameters;
    private readonly Tensor _flat; // the gradients, then room for numbers of one step
    private readonly Tensor _all;
    private readonly Tensor[] _views;
    private readonly bool _staged;
    private readonly int _extra;
    private Tensor? _host; // what MPI sums in: `_flat` itself, or a copy in the memory of the host
    private float* _memory;

    /// <summary>Makes the gradients of the parameters views of a new buffer, all zero.</summary>
    /// <param name="parameters">Trainables, all on one device.</param>
    /// <param name="extra">Numbers that are summed together with the gradients.</param>
    /// <param name="staged">
    /// True sums in a copy on the host, as gradients on CUDA need it. A test may ask for it on the CPU, too.
    /// </param>
    public GradientBuffer(IReadOnlyList<Parameter> parameters, int extra, bool staged)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        (_parameters, _extra, _staged) = ([.. parameters], extra, staged);
        Count = _parameters.Sum(parameter => parameter.numel());
        _flat = zeros(Count + extra, ScalarType.Float32, parameters[0].device).DetachFromDisposeScope();
        _all = _flat.narrow(0, 0, Count).DetachFromDisposeScope();
        _views = new Tensor[_parameters.Length];
        var at = 0L;
        for (var i = 0; i < _views.Length; i++)
        {
            var length = _parameters[i].numel();
            _views[i] = _flat.narrow(0, at, length).view(_parameters[i].shape).DetachFromDisposeScope();
            _parameters[i].grad = _views[i];
            at += length;
        }
    }

    /// <summary>Elements of all gradients.</summary>
    public long Count { get; }

    /// <summary>The gradients in the order of the parameters, shaped like them.</summary>
    public IReadOnlyList<Tensor> Views => _views;

    /// <summary>Multiplies all gradients.</summary>
    public void Scale(double factor)
    {
        using var scope = NewDisposeScope();
        using Scalar scalar = factor;
        _all.mul_(scalar);
    }

    /// <summary>Sets all gradients to zero.</summary>
    public void Clear()
    {
        using var scope = NewDisposeScope();
        _all.zero_();
    }

    /// <summary>
    /// The norm of each gradient, in one tensor: what must be known of them before a step is then read from the device at once.
    /// </summary>
    public Tensor Norms()
    {
        using var scope = NewDisposeScope();
        return (_flat.device_type == DeviceType.CUDA ? Scripted.NormsOf(_views) : stack(_views.Select(view => view.norm())))
            .MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Sums gradients and extra numbers over the ranks, where they lie. On the CPU nothing is copied; from CUDA the gradients
    /// pass through pinned memory of the host, unless the ranks can sum on their GPUs.
    /// </summary>
    /// <param name="world">The ranks; all of them call.</param>
    /// <param name="extra">This rank's numbers; then the sums.</param>
    public void SumOverRanks(ICommunicator world, Span<float> extra)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(extra.Length, _extra);
        using var scope = NewDisposeScope();
        if (_staged && world.SumsOnDevice)
        {
            var own = _flat.narrow(0, Count, _extra);
            own.copy_(tensor(extra.ToArray()));
            world.AllReduceSumOnDevice(TensorMemory.DeviceAddress(_flat), Count + _extra);
            own.cpu().data<float>().CopyTo(extra);
            return;
        }

        if (_host is null) Prepare();
        if (_staged) _host!.copy_(_flat); // waits for the backward pass
        var numbers = new Span<float>(_memory + Count, _extra);
        extra.CopyTo(numbers);
        world.AllReduceSum((nint)_memory, Count + _extra);
        numbers.CopyTo(extra);
        if (_staged) _flat.copy_(_host!, true); // whatever uses the gradients on the device comes after it
    }

    /// <summary>Frees the buffer; the parameters have no gradients any more.</summary>
    public void Dispose()
    {
        foreach (var parameter in _parameters) parameter.grad = null;
        foreach (var view in _views) view.Dispose();
        if (_staged) _host?.Dispose();
        _all.Dispose();
        _flat.Dispose();
    }

    private void Prepare()
    {
        using var scope = NewDisposeScope();
        var host = !_staged ? _flat : empty(_flat.shape, ScalarType.Float32);
        if (_staged && _flat.device.type == DeviceType.CUDA) host = host.pin_memory();
        _host = _staged ? host.DetachFromDisposeScope() : host;
        _memory = (float*)TensorMemory.Address(_host);
    }
}
