using static TorchSharp.torch;

namespace Pfmvg.Models;

/// <summary>Operations of libtorch that TorchSharp does not wrap, reached through TorchScript; autograd knows them.</summary>
internal static class Scripted
{
    private static readonly Lazy<jit.CompilationUnit> Unit = new(() => jit.compile("""
        def attention(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
            return torch.scaled_dot_product_attention(q, k, v, scale=scale)

        def int8_product(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
            return torch._weight_int8pack_mm(x, weight, scale)

        """)); // the compiler wants the last line to end

    /// <summary>softmax(q k^T x scale) v without a mask; (B, H, T, D) each.</summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, double scale) => (Tensor)Unit.Value.invoke("attention", q, k, v, scale)!;

    /// <summary>x W^T with W = weight x scale per row, without a copy of W; no gradients.</summary>
    /// <param name="x">(R, I), contiguous.</param>
    /// <param name="weight">(O, I) int8.</param>
    /// <param name="scale">(O) in the type of x.</param>
    public static Tensor Int8Product(Tensor x, Tensor weight, Tensor scale) => (Tensor)Unit.Value.invoke("int8_product", x, weight, scale)!;
}
