using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// x W^T and its gradient g W in another type than the frozen W (O, I) is stored in: in float32, where the values of bfloat16 and int8 are
/// exact, sums have float32's rounding and the result is rounded once; or int8 in bfloat16, where its whole numbers are exact and the
/// scales come apart. Autograd keeps W itself, never a widened copy.
/// </summary>
internal static class WideProduct
{
    /// <summary>The type in which products with this matrix are computed here; null when libtorch's own product will do.</summary>
    public static ScalarType? TypeFor(Tensor weight, Tensor? scale)
    {
        if (weight.device_type != DeviceType.CPU) return null;
        var type = Bf16Products.Compute((scale ?? weight).dtype);
        return type == weight.dtype ? null : type == ScalarType.BFloat16 ? type : ScalarType.Float32;
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
        var (outputs, inputs) = (weight.shape[0], weight.shape[1]);
        var flat = gradient.reshape(-1, outputs);
        var widened = Widened(weight, scale, type);
        var result = empty([flat.shape[0], inputs], type);
        if (ScalesApart(scale, type))
        {
            var scaled = flat.mul(scale!).to(type);
            widened.Columns((first, part) => result.narrow(1, first, part.shape[1]).copy_(scaled.matmul(part)));
        }
        else
        {
            var wide = flat.to(type); // float32 loses nothing where parts divide a sum, and rows are faster
            widened.Rows((first, part) => result.addmm_(wide.narrow(1, first, part.shape[0]), part, beta: first == 0 ? 0 : 1));
        }

        return result.to(gradient.dtype).view([.. gradient.shape[..^1], inputs]).MoveToOuterDisposeScope();
    }

    private static Tensor Multiply(Tensor x, Operands matrix)
    {
        var (weight, scale, bias, type) = matrix;
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        using Scalar one = 1f;
        var (outputs, inputs) = (weight.shape[0], weight.shape[1]);
        var (flat, shift, apart) = (x.reshape(-1, inputs).to(type), bias?.to(type), ScalesApart(scale, type));
        var result = empty([flat.shape[0], outputs], x.dtype);
        Widened(weight, scale, type).Rows((first, part) =>
        {
            var count = part.shape[0];
            var ownShift = shift?.narrow(0, first, count);
            var scales = apart ? scale!.narrow(0, first, count) : null;
            var product = FloatProduct.Linear(flat, part, apart ? null : ownShift);
            if (scales is not null) product = ownShift is null ? product.mul_(scales) : ownShift.addcmul(product, scales, one);
            result.narrow(1, first, count).copy_(product);
        });
        return result.view([.. x.shape[..^1], outputs]).MoveToOuterDisposeScope();
    }

    // Whole numbers are exact in bfloat16, but not with their scales, which therefore meet the outputs, or the gradient.
    private static bool ScalesApart(Tensor? scale, ScalarType type) => scale is not null && type == ScalarType.BFloat16;

    private static WidenedMatrix Widened(Tensor weight, Tensor? scale, ScalarType type) =>
        new(weight.detach(), ScalesApart(scale, type) ? null : scale?.detach().to(ScalarType.Float32), type);

    private sealed record Operands(Tensor Weight, Tensor? Scale, Tensor? Bias, ScalarType Type);

    /// <summary>The product for autograd.</summary>
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
            HandedOver.Release();
            using (grad_output) return HandedOver.Keep(InputGradient(grad_output, matrix.Weight, matrix.Scale, matrix.Type), null);
        }
    }
}
