using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// x W^T and its gradient g W in another type than the frozen W (O, I) is stored in: a few rows of bfloat16 or int8 at a time are widened
/// into a buffer that stays in the cache. In float32 the widened values are exact, sums have float32's rounding, and the result is
/// rounded once. Autograd keeps W itself, never a widened copy.
/// </summary>
internal static class WideProduct
{
    private const long ChunkBytes = 16 << 20; // fits into the cache with the inputs
    private const long RowMultiple = 32;

    // Used again and again: a new one for every product would leave holes of its size between the tensors that are kept.
    [ThreadStatic] private static Tensor? _buffer;

    // The last gradient that was handed to autograd on this thread: see Differentiable.
    [ThreadStatic] private static Tensor? _handedOver;

    /// <summary>The type in which products with this matrix are computed here; null when libtorch's own product will do.</summary>
    public static ScalarType? TypeFor(Tensor weight, Tensor? scale)
    {
        var type = Bf16Products.Compute((scale ?? weight).dtype);
        return weight.device_type == DeviceType.CPU && type != weight.dtype ? type : null;
    }

    /// <summary>x W^T (+ bias) in the type of x, with gradients towards x alone.</summary>
    /// <param name="x">(..., I).</param>
    /// <param name="weight">(O, I), contiguous.</param>
    /// <param name="scale">(O) for int8, else null.</param>
    /// <param name="bias">(O) or null.</param>
    /// <param name="type">To compute in.</param>
    public static Tensor Multiply(Tensor x, Tensor weight, Tensor? scale, Tensor? bias, ScalarType type)
    {
        if (!x.requires_grad || !is_grad_enabled()) return Multiply(x, new Operands(weight, scale, bias, type));
        // The scope also frees an empty tensor of the result's size, which the library makes for gradients that are missing.
        using var scope = NewDisposeScope();
        return Differentiable.apply(x, new Operands(weight, scale, bias, type)).MoveToOuterDisposeScope();
    }

    /// <summary>The gradient with respect to x from that of the result, in the same type: g W.</summary>
    public static Tensor InputGradient(Tensor gradient, Tensor weight, Tensor? scale, ScalarType type)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var chunks = new RowChunks(weight, scale, type);
        var flat = gradient.reshape(-1, weight.shape[0]).to(type);
        var sum = empty([flat.shape[0], weight.shape[1]], type);
        chunks.Each((first, chunk) => sum.addmm_(flat.narrow(1, first, chunk.shape[0]), chunk, beta: first == 0 ? 0 : 1));
        return sum.to(gradient.dtype).view([.. gradient.shape[..^1], weight.shape[1]]).MoveToOuterDisposeScope();
    }

    private static Tensor Multiply(Tensor x, Operands matrix)
    {
        var (weight, scale, bias, type) = matrix;
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var chunks = new RowChunks(weight, scale, type);
        var flat = x.reshape(-1, weight.shape[1]).to(type);
        var wideBias = bias?.to(type);
        var result = empty([flat.shape[0], weight.shape[0]], x.dtype);
        chunks.Each((first, chunk) => result.narrow(1, first, chunk.shape[0]).copy_(
            functional.linear(flat, chunk, wideBias?.narrow(0, first, chunk.shape[0]))));
        return result.view([.. x.shape[..^1], weight.shape[0]]).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The rows of W in the type to compute in, one chunk after another in one buffer. Splitting would make sums in bfloat16 less exact, so
    /// there W is one chunk.
    /// </summary>
    private sealed class RowChunks
    {
        private readonly Tensor _weight;
        private readonly Tensor? _scale;
        private readonly ScalarType _type;
        private readonly long _rows;

        public RowChunks(Tensor weight, Tensor? scale, ScalarType type)
        {
            (_weight, _type, _scale) = (weight.detach(), type, scale?.detach().to(ScalarType.Float32));
            var fitting = ChunkBytes / (sizeof(float) * weight.shape[1]) / RowMultiple * RowMultiple;
            _rows = type == ScalarType.Float32 ? Math.Clamp(fitting, Math.Min(RowMultiple, weight.shape[0]), weight.shape[0])
                : weight.shape[0];
        }

        /// <summary>Calls <paramref name="use"/> with each chunk and the number of its first row.</summary>
        public void Each(Action<long, Tensor> use)
        {
            var size = _rows * _weight.shape[1];
            var fits = _type == ScalarType.Float32 && size <= ChunkBytes / sizeof(float);
            var buffer = (fits ? Reused().narrow(0, 0, size) : empty(size, _type)).view(_rows, _weight.shape[1]);
            for (long first = 0; first < _weight.shape[0]; first += _rows)
            {
                using var scope = NewDisposeScope();
                var count = Math.Min(_rows, _weight.shape[0] - first);
                var (stored, values) = (_weight.narrow(0, first, count), buffer.narrow(0, 0, count));
                if (_scale is null) values.copy_(stored);
                else FrozenMatrix.Widen(stored, _scale.narrow(0, first, count), values);
                use(first, values);
            }
        }
    }

    private static Tensor Reused() => _buffer ??= empty(ChunkBytes / sizeof(float), ScalarType.Float32).DetachFromDisposeScope();

    private sealed record Operands(Tensor Weight, Tensor? Scale, Tensor? Bias, ScalarType Type);

    /// <summary>
    /// The product for autograd. Native code reads the gradient that <see cref="backward"/> returns after it has returned, when nothing
    /// managed would hold it. So it is held until the next one and then freed; a scope would keep all of them until the end of the pass.
    /// </summary>
    private sealed class Differentiable : autograd.SingleTensorFunction<Differentiable>
    {
        public override string Name => nameof(WideProduct);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var matrix = (Operands)vars[1];
            ctx.save_data(nameof(Operands), matrix);
            return Multiply((Tensor)vars[0], matrix);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var matrix = (Operands)ctx.get_data(nameof(Operands));
            _handedOver?.Dispose();
            using (grad_output) _handedOver = InputGradient(grad_output, matrix.Weight, matrix.Scale, matrix.Type).DetachFromDisposeScope();
            return [_handedOver, null!];
        }
    }
}
