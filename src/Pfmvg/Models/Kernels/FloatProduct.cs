using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Kernels;

/// <summary>x W^T in float32 with gradients towards x and W, by <see cref="PanelProduct"/> where that is faster than libtorch's.</summary>
internal static unsafe class FloatProduct
{
    private const long Least = 1L << 22; // multiplications; of fewer little is gained, and a function of our own under autograd costs

    /// <summary>Whether the product is made here.</summary>
    /// <param name="x">(..., I).</param>
    /// <param name="weight">(O, I), or its transpose.</param>
    public static bool Fits(Tensor x, Tensor weight) =>
        x.dtype == ScalarType.Float32 && weight.dtype == ScalarType.Float32 && x.device_type == DeviceType.CPU && Float32Products.Own
        && weight.device_type == DeviceType.CPU && weight.numel() > 0 && x.numel() / x.shape[^1] * weight.numel() >= Least;

    /// <summary>x W^T (+ bias), here or by libtorch.</summary>
    /// <param name="x">(..., I).</param>
    /// <param name="weight">(O, I).</param>
    /// <param name="bias">(O).</param>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null) =>
        Fits(x, weight) ? Own(x, weight, bias) : functional.linear(x, weight, bias);

    /// <summary>The same here, whatever the size.</summary>
    internal static Tensor Own(Tensor x, Tensor weight, Tensor? bias)
    {
        var wanted = new Wanted(x.requires_grad, weight.requires_grad, bias?.requires_grad == true);
        if (!is_grad_enabled() || wanted is (false, false, false)) return Multiply(x, weight, bias);
        // The scope also frees an empty tensor of the result's size, which the library makes for gradients that are missing.
        using var scope = NewDisposeScope();
        return Differentiable.apply(x, weight, bias!, wanted).MoveToOuterDisposeScope();
    }

    /// <summary>a b^T without gradients, here whatever its size: (..., K) by (N, K) to (..., N).</summary>
    internal static Tensor Multiply(Tensor a, Tensor b, Tensor? bias = null)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (rows, depth) = (a.reshape(-1, b.shape[1]), (int)b.shape[1]);
        var result = empty([.. a.shape[..^1], b.shape[0]], ScalarType.Float32); // no view of another: what autograd returns may be added to
        if (bias is not null) result.copy_(bias.detach().expand(result.shape));
        if (result.numel() > 0)
        {
            using var from = Address(rows, out var left);
            using var by = Address(b, out var right);
            PanelProduct.Multiply((int)rows.shape[0], (int)b.shape[0], depth, left, right, (float*)TensorMemory.Address(result),
                b.shape[0], add: bias is not null, get_num_threads());
        }

        return result.MoveToOuterDisposeScope();
    }

    // Where a matrix lies; it must live as long as the tensor that is returned.
    private static Tensor Address(Tensor matrix, out Strided at)
    {
        var plain = matrix.detach();
        if (plain.stride().All(stride => stride != 1)) plain = plain.contiguous();
        using var corner = plain.narrow(0, 0, 1).narrow(1, 0, 1); // a span ends at 2 GiB
        fixed (byte* first = corner.bytes) at = new Strided((nint)first, plain.stride()[0], plain.stride()[1]);
        return plain;
    }

    /// <summary>Which gradients are.</summary>
    private sealed record Wanted(bool OfX, bool OfWeight, bool OfBias);

    private sealed class Differentiable : autograd.SingleTensorFunction<Differentiable>
    {
        public override string Name => nameof(FloatProduct);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (x, weight, wanted) = ((Tensor)vars[0], (Tensor)vars[1], (Wanted)vars[3]);
            ctx.save_data(nameof(Wanted), wanted);
            ctx.save_for_backward([wanted.OfWeight ? x : null!, weight]);
            return Multiply(x, weight, (Tensor?)vars[2]);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            var wanted = (Wanted)ctx.get_data(nameof(Wanted));
            var saved = HandedOver.Saved(ctx);
            using var gradient = grad_output;
            var ofX = wanted.OfX ? Multiply(gradient, saved[1].t()) : null;
            var ofWeight = wanted.OfWeight ? Multiply(Flat(gradient).t(), Flat(saved[0]).t()) : null;
            var ofBias = wanted.OfBias ? Flat(gradient).sum([0L]) : null;
            return HandedOver.Keep(ofX, ofWeight, ofBias, null);
        }

        private static Tensor Flat(Tensor x) => x.detach().reshape(-1, x.shape[^1]);
    }
}
